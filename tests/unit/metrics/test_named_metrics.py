"""Named metrics: those of scikit-learn where the samples define them, NaN where they do not; one registry of all."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sk

from mml_lib.config.metric_options import NAMED, Metrics, StoreBest, is_metric, lower_is_better
from mml_lib.evaluation.evaluation import evaluate_resampled, network_intervals
from mml_lib.metrics import Metric, find_metric, metric_table, properties_of
from mml_lib.metrics import metric_registry as registry
from mml_lib.metrics.__main__ import metric_lines
from mml_lib.metrics.classification import weighted_mean
from mml_lib.predictions.predictions import Predictions
from mml_lib.predictions.scores import score, softmax, values_of
from mml_lib.task_types import LEARNABLE
from tests.support.places import CONFIG

GUIDE = CONFIG / "guide" / "evaluation.md"
EXACT = {"rel": 0, "abs": 1e-9, "nan_ok": True}
Pair = tuple[np.ndarray, np.ndarray]


# --- classification -----------------------------------------------------------------------------------------------


def classified(classes: int, number: int, seed: int, kind: str = "random") -> Pair:
    """Return probabilities with ties and targets of some kind."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, number)
    if kind == "missing class":
        targets[targets == classes - 1] = 0
    if kind == "one class":
        targets[:] = classes - 1
    logits = (np.eye(classes)[targets] + rng.normal(size=(number, classes))).round(1)
    if kind == "constant predictions":
        logits[:] = np.arange(classes)[::-1]
    if kind == "perfect":
        logits = 9.0 * np.eye(classes)[targets]
    return softmax(logits), targets


KINDS = ("random", "missing class", "one class", "constant predictions", "perfect")


def average_of(function: Callable, values: Pair, **arguments) -> float:
    """Return precision or recall: of the second of two classes, or the mean over those that define it."""
    probabilities, targets = values
    predicted, labels = probabilities.argmax(axis=1), np.arange(probabilities.shape[1])
    average = {"average": "binary"} if len(labels) == 2 else {"average": "macro", "labels": labels}
    return function(targets, predicted, zero_division=np.nan, **average, **arguments)


def specificity(values: Pair) -> float:
    """Return recall of all that is not a class."""
    probabilities, targets = values
    predicted, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    recalls = [sk.recall_score(targets != c, predicted != c, zero_division=np.nan) for c in range(classes)]
    return recalls[1] if classes == 2 else mean(recalls)


def mean(values: list[float]) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else np.nan


def average_precision(values: Pair) -> float:
    probabilities, targets = values
    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    return mean(
        [
            sk.average_precision_score(targets == column, probabilities[:, column])
            if (targets == column).any()
            else np.nan
            for column in columns
        ]
    )


def matthews(values: Pair) -> float:
    """Return Matthews correlation, which scikit-learn says is 0 where it is undefined."""
    predicted, targets = values[0].argmax(axis=1), values[1]
    constant = len({*predicted.tolist()}) == 1 or len({*targets.tolist()}) == 1
    return np.nan if constant else sk.matthews_corrcoef(targets, predicted)


def quadratic_kappa(values: Pair) -> float:
    predicted, targets, labels = values[0].argmax(axis=1), values[1], np.arange(values[0].shape[1])
    if len({*predicted.tolist(), *targets.tolist()}) == 1:
        return np.nan
    return sk.cohen_kappa_score(targets, predicted, labels=labels, weights="quadratic")


OF_CLASSES: dict[str, Callable[[Pair], float]] = {
    "precision": lambda values: average_of(sk.precision_score, values),
    "recall": lambda values: average_of(sk.recall_score, values),
    "sensitivity": lambda values: average_of(sk.recall_score, values),
    "specificity": specificity,
    "matthews": matthews,
    "quadratic_kappa": quadratic_kappa,
    "average_precision": average_precision,
    "brier": lambda values: sk.brier_score_loss(
        values[1], values[0], labels=np.arange(values[0].shape[1]), scale_by_half=False
    ),
    "log_loss": lambda values: sk.log_loss(values[1], values[0], labels=np.arange(values[0].shape[1])),
    "accuracy": lambda values: sk.accuracy_score(values[1], values[0].argmax(axis=1)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.filterwarnings("ignore")
def test_metric_of_classes_is_that_of_scikit_learn(name: str, kind: str):
    for classes in (2, 3, 6):
        for number in (1, 2, 50):
            values = classified(classes, number, classes + number, kind)
            assert score("classification", name, *values) == pytest.approx(OF_CLASSES[name](values), **EXACT)


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_top_k_accuracy_is_that_of_scikit_learn_where_no_probabilities_are_equal(number: int):
    rng = np.random.default_rng(number)
    probabilities, targets = rng.dirichlet(np.ones(6), 80), rng.integers(0, 6, 80)
    expected = sk.top_k_accuracy_score(targets, probabilities, k=number, labels=np.arange(6))
    assert score("classification", f"top{number}_accuracy", probabilities, targets) == pytest.approx(expected)


def test_first_of_equal_probabilities_comes_first_as_it_does_in_accuracy():
    probabilities, targets = np.full((4, 4), 0.25), np.arange(4)
    values = values_of("classification", ["accuracy", "top1_accuracy", "top3_accuracy"], (probabilities, targets))
    assert values == {"accuracy": 0.25, "top1_accuracy": 0.25, "top3_accuracy": 0.75}
    assert score("classification", "top9_accuracy", probabilities, targets) == 1


def test_brier_of_two_classes_is_twice_that_of_one_probability():
    probabilities, targets = classified(2, 50, 0)
    one = sk.brier_score_loss(targets, probabilities[:, 1])
    assert score("classification", "brier", probabilities, targets) == pytest.approx(2 * one)


# --- labels -------------------------------------------------------------------------------------------------------


def labelled(number: int, labels: int, seed: int, kind: str = "random") -> Pair:
    rng = np.random.default_rng(seed)
    targets = rng.random((number, labels)) < 0.4
    if kind == "missing class":
        targets[:, -1] = False
    if kind == "one class":
        targets[:] = False
    probabilities = rng.random((number, labels)).round(1)
    if kind == "constant predictions":
        probabilities[:] = 0.7
    return probabilities, targets


def of_labels(function: Callable[[np.ndarray, np.ndarray], float], values: Pair) -> float:
    """Return the mean of a metric of true and predicted samples over the labels that define it."""
    columns = zip(values[1].T, (values[0] > 0.5).T, strict=True)
    return mean([function(*column) for column in columns])


def label_matthews(true: np.ndarray, predicted: np.ndarray) -> float:
    constant = true.all() or predicted.all() or not true.any() or not predicted.any()
    return np.nan if constant else sk.matthews_corrcoef(true, predicted)


OF_LABELS: dict[str, Callable[[Pair], float]] = {
    "precision": lambda values: of_labels(lambda t, p: sk.precision_score(t, p, zero_division=np.nan), values),
    "recall": lambda values: of_labels(lambda t, p: sk.recall_score(t, p, zero_division=np.nan), values),
    "f1": lambda values: of_labels(lambda t, p: sk.f1_score(t, p, zero_division=np.nan), values),
    "specificity": lambda values: of_labels(lambda t, p: sk.recall_score(~t, ~p, zero_division=np.nan), values),
    "matthews": lambda values: of_labels(label_matthews, values),
    "ranking_average_precision": lambda values: sk.label_ranking_average_precision_score(values[1], values[0]),
    "brier": lambda values: np.mean([sk.brier_score_loss(t, p) for t, p in zip(values[1].T, values[0].T, strict=True)]),
    "average_precision": lambda values: mean(
        [sk.average_precision_score(t, p) if t.any() else np.nan for t, p in zip(values[1].T, values[0].T, strict=True)]
    ),
}


@pytest.mark.parametrize("kind", KINDS[:4])
@pytest.mark.parametrize("name", OF_LABELS)
@pytest.mark.filterwarnings("ignore")
def test_metric_of_labels_is_that_of_scikit_learn(name: str, kind: str):
    for number in (1, 2, 60):
        values = labelled(number, 5, number, kind)
        assert score("multilabel_classification", name, *values) == pytest.approx(OF_LABELS[name](values), **EXACT)


# --- the registry -------------------------------------------------------------------------------------------------


def test_direction_and_scale_of_a_name_are_the_same_for_all_task_types():
    for metric in metric_table():
        same = properties_of(metric.name)
        assert (metric.lower_is_better, metric.scale) == (same.lower_is_better, same.scale)
        assert properties_of(metric.name, metric.task_type).bounds == metric.bounds


def test_numbers_in_names_are_read():
    assert is_metric("top5_accuracy")
    assert is_metric("surface_dice_12px", "semantic_segmentation")
    assert "among the 5 most probable" in find_metric("classification", "top5_accuracy").description
    for name in ("top0_accuracy", "top_accuracy", "top-1_accuracy", "top{}_accuracy", "surface_dice_1.5px", "loss"):
        assert not is_metric(name)
    assert not is_metric("top5_accuracy", "regression")


def test_one_declaration_adds_a_metric(monkeypatch: pytest.MonkeyPatch):
    """Studies take it, it has a value, an interval and a direction."""
    monkeypatch.setitem(registry._METRICS, "regression", dict(registry._METRICS["regression"]))
    errors = Metric(
        "regression",
        "largest_share_off",
        "share of values that are off by more than 1",
        "values",
        lambda values, targets: weighted_mean((np.abs(values - targets) > 1).astype(float)),
        lower_is_better=True,
    )
    registry.register(errors)
    with pytest.raises(ValueError, match="already a metric 'largest_share_off' of regression"):
        registry.register(errors)
    assert Metrics(regression=["largest_share_off"]).regression == ["largest_share_off"]
    assert StoreBest(metric="largest_share_off").mode == "min"
    values = np.linspace(-2, 2, 80)
    predictions = Predictions(values[:, None].astype("f"), np.zeros(80), np.arange(80).astype(str), "regression")
    resampled = evaluate_resampled(predictions, ["largest_share_off"], 200)
    low, high = network_intervals(resampled)["largest_share_off"]
    assert 0 < low < resampled.values[0] == 0.5 < high < 1


def test_direction_decides_which_epoch_is_best():
    assert StoreBest(metric="hausdorff95").mode == StoreBest(metric="loss").mode == "min"
    assert StoreBest(metric="top5_accuracy").mode == "max"
    assert lower_is_better("brier")
    assert not lower_is_better("matthews")


def test_every_task_type_lists_its_metrics_once():
    for task_type in LEARNABLE:
        names = [metric.name for metric in metric_table() if metric.task_type == task_type]
        assert names == list(NAMED[task_type]) == list(dict.fromkeys(names))


def test_guide_lists_all_metrics():
    listed = "\n".join(metric_lines()) in GUIDE.read_text(encoding="utf-8")
    assert listed, f"replace the table of metrics in {GUIDE.name} by the output of `python -m mml_lib.metrics`"


def test_perfect_predictions_are_worth_1_and_not_more_by_rounding():
    targets = np.repeat(np.arange(3), 4)  # the square of the root of 96 is less than 96
    perfect = np.eye(3)[targets]
    values = values_of("classification", ["matthews", "kappa", "quadratic_kappa"], (perfect, targets))
    assert set(values.values()) == {1.0}
