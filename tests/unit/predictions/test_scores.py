"""Named metrics: what they are, beside torchmetrics, and where they differ from it on purpose."""

from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torchmetrics)
import numpy as np
import pytest
import torch
from torch.nn import functional
from torchmetrics import MultioutputWrapper, classification, regression

from mml_lib.config.metric_options import NAMED, Metric
from mml_lib.errors import MMLError
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.models.metric_modules import build_metrics, measured, update, value_of
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from mml_lib.predictions.scores import score, score_arguments
from mml_lib.task_types import IGNORE, LEARNABLE, TASK_TYPES

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchmetrics")

REFERENCE = {  # of torchmetrics, or where it has none by torch's functions
    "classification": {
        "accuracy": lambda n: classification.MulticlassAccuracy(n, average="micro"),
        "balanced_accuracy": lambda n: classification.MulticlassAccuracy(n, average="macro"),
        "f1": lambda n: classification.MulticlassF1Score(n, average="macro"),
        "auroc": lambda n: classification.MulticlassAUROC(n, average="macro"),
        "kappa": lambda n: classification.MulticlassCohenKappa(n),
        "calibration_error": lambda n: classification.MulticlassCalibrationError(n, n_bins=15),
        "brier": lambda n: lambda p, t: (p - functional.one_hot(t, n)).square().sum(1).mean(),
        "log_loss": lambda n: lambda p, t: functional.nll_loss(p.log(), t),
    },
    "multilabel_classification": {
        "accuracy": lambda n: classification.MultilabelAccuracy(n, average="macro"),
        "exact_match": lambda n: classification.MultilabelExactMatch(n),
        "f1": lambda n: classification.MultilabelF1Score(n, average="macro"),
        "auroc": lambda n: classification.MultilabelAUROC(n, average="macro"),
        "average_precision": lambda n: classification.MultilabelAveragePrecision(n, average="macro"),
        "calibration_error": lambda n: MultioutputWrapper(classification.BinaryCalibrationError(n_bins=15), n),
        "brier": lambda n: lambda p, t: functional.mse_loss(p, t.float()),
        "log_loss": lambda n: lambda p, t: functional.binary_cross_entropy(p, t.float()),
    },
    "semantic_segmentation": {
        "pixel_accuracy": lambda n: classification.MulticlassAccuracy(n, average="micro", ignore_index=IGNORE),
    },
    "regression": {
        "mae": lambda n: regression.MeanAbsoluteError(),
        "rmse": lambda n: regression.MeanSquaredError(squared=False),
        "r2": lambda n: regression.R2Score(),
        "pearson": lambda n: regression.PearsonCorrCoef(),
        "spearman": lambda n: regression.SpearmanCorrCoef(),
    },
}


NAMES = [(kind, name) for kind, functions in REFERENCE.items() for name in functions]
EVERY = [(kind, name) for kind, names in NAMED.items() for name in names]


def drawn(task_type: str) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs and targets of 60 samples with 4 classes, or of 3 masks, better than chance."""
    rng = np.random.default_rng(0)
    if task_type == "semantic_segmentation":
        targets = rng.choice([0, 1, 2, 3, IGNORE], (3, 8, 6))
        return (targets[:, None] == np.arange(4)[:, None, None]) + rng.normal(size=(3, 4, 8, 6)).astype("f"), targets
    if task_type == "regression":
        values = rng.normal(30, 5, 60).round().astype("f")  # rounded: with ties
        return (values + rng.normal(0, 4, 60)).round().astype("f")[:, None], values
    if task_type == "classification":
        targets = rng.integers(0, 4, 60)
        return np.eye(4)[targets].astype("f") + rng.normal(size=(60, 4)).astype("f"), targets
    soft = rng.random((60, 4)).astype("f")
    return soft + rng.normal(-0.5, 1, (60, 4)).astype("f"), soft


def scored(task_type: str, name: str, outputs: np.ndarray, targets: np.ndarray, classes: int = 4) -> float:
    """Return a metric as a training computes it, in batches of 7."""
    metric = build_metrics([name], task_type, classes)[name]
    for start in range(0, len(outputs), 7):
        batch = (torch.from_numpy(array[start : start + 7]) for array in (outputs, targets))
        update(metric, task_type, *batch)
    return value_of(name, metric).item()


def reference(task_type: str, name: str, outputs: np.ndarray, targets: np.ndarray) -> float:
    pair = measured(task_type, torch.from_numpy(outputs), torch.from_numpy(targets))
    return REFERENCE[task_type][name](outputs.shape[1])(*pair).mean().item()


def test_usual_metrics_are_named_ones():
    assert all(set(kind.default_metrics) <= set(NAMED[name]) for name, kind in TASK_TYPES.items())


@pytest.mark.parametrize(("task_type", "name"), NAMES)
def test_score_is_that_of_torchmetrics(task_type: str, name: str):
    outputs, targets = drawn(task_type)
    expected = reference(task_type, name, outputs, targets)
    assert scored(task_type, name, outputs, targets) == pytest.approx(expected, abs=1e-5)
    if task_type != "semantic_segmentation":
        assert score(task_type, name, *score_arguments(task_type, outputs, targets)) == pytest.approx(
            expected, abs=1e-5
        )


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_validation_of_a_training_has_the_metrics_of_the_test(task_type: str):
    outputs, targets = drawn(task_type)
    ids = np.arange(len(targets)).astype(str)
    if task_type == "semantic_segmentation":
        masks = outputs.argmax(axis=1).astype(np.uint8)
        predictions = MaskPredictions.of(list(masks), list(targets.astype(np.uint8)), ids, 4)
    else:
        predictions = Predictions(outputs, targets, ids, task_type)
    expected = evaluate(predictions, NAMED[task_type])
    assert {name: scored(task_type, name, outputs, targets) for name in NAMED[task_type]} == pytest.approx(expected)


@pytest.mark.parametrize(("task_type", "name"), NAMES)
def test_constant_outputs_are_scored_as_by_torchmetrics(task_type: str, name: str):
    outputs, targets = drawn(task_type)
    value, expected = (function(task_type, name, np.zeros_like(outputs), targets) for function in (scored, reference))
    if name == "spearman":  # torchmetrics says 0
        assert np.isnan(value)
    else:
        assert value == pytest.approx(expected, rel=1e-5, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("name", ["accuracy", "f1", "kappa", "calibration_error"])
def test_class_without_samples_is_scored_as_by_torchmetrics_where_it_is_predicted(name: str):
    outputs, targets = drawn("classification")
    pair = outputs, np.where(targets == 3, 0, targets)
    assert scored("classification", name, *pair) == pytest.approx(reference("classification", name, *pair), abs=1e-5)


@pytest.mark.parametrize("name", NAMED["semantic_segmentation"])
def test_class_without_pixels_is_left_out(name: str):
    outputs, targets = drawn("semantic_segmentation")
    outputs[:, 3], targets[targets == 3] = -9, 0
    expected = scored("semantic_segmentation", name, outputs[:, :3], targets, classes=3)
    if name == "specificity":  # that of a class that no pixel has and none is said to have is 1
        expected = (2 * expected + 1) / 3
    assert scored("semantic_segmentation", name, outputs, targets) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("task_type", "name"),
    [
        ("classification", "auroc"),
        ("classification", "balanced_accuracy"),
        ("multilabel_classification", "auroc"),
        ("multilabel_classification", "average_precision"),
    ],
)
def test_class_without_samples_does_not_lower_a_mean(task_type: str, name: str):
    outputs, targets = drawn(task_type)
    if task_type == "classification":
        outputs[:, 3], targets = -99, np.where(targets == 3, 0, targets)
    else:
        targets[:, 3] = 0
    without = reference(task_type, name, outputs[:, :3], targets if targets.ndim == 1 else targets[:, :3])
    assert scored(task_type, name, outputs, targets) == pytest.approx(without, abs=1e-5)


@pytest.mark.parametrize(
    ("task_type", "name", "targets"),
    [
        ("classification", "auroc", np.zeros(60, int)),
        ("multilabel_classification", "auroc", np.zeros((60, 4), "f")),
        ("multilabel_classification", "auroc", np.ones((60, 4), "f")),
        ("multilabel_classification", "average_precision", np.zeros((60, 4), "f")),
        ("regression", "r2", np.full(60, 0.1, "f")),
        ("regression", "pearson", np.full(60, 0.1, "f")),
        ("regression", "spearman", np.full(60, 0.1, "f")),
        *(("semantic_segmentation", name, np.full((3, 8, 6), IGNORE)) for name in NAMED["semantic_segmentation"]),
    ],
)
def test_score_that_nothing_defines_is_nan(task_type: str, name: str, targets: np.ndarray):
    assert np.isnan(scored(task_type, name, drawn(task_type)[0], targets))


@pytest.mark.parametrize("name", ["pearson", "spearman"])
@pytest.mark.filterwarnings("error")
def test_equal_values_have_no_correlation(name: str):
    outputs, targets = drawn("regression")
    assert np.isnan(scored("regression", name, np.full_like(outputs, 0.1), targets))


@pytest.mark.parametrize(("task_type", "name"), EVERY)
def test_single_sample_and_single_label_are_no_error(task_type: str, name: str):
    outputs, targets = (array[:1] for array in drawn(task_type))
    assert isinstance(scored(task_type, name, outputs, targets), float)
    if task_type == "multilabel_classification":
        outputs, targets = (array[:, :1] for array in drawn(task_type))
        assert 0 < scored(task_type, name, outputs, targets, classes=1) <= 1


def test_exploded_outputs_have_no_score():
    outputs, targets = drawn("classification")
    outputs[5] = np.nan
    assert all(np.isnan(scored("classification", name, outputs, targets)) for name in NAMED["classification"])


def test_soft_labels_count_from_a_half_on():
    targets = np.array([[0.5], [0.49], [1.0], [0.0]], "f")
    outputs = np.array([[1], [-1], [1], [-1]], "f")
    assert scored("multilabel_classification", "exact_match", outputs, targets, classes=1) == 1


def test_large_values_keep_their_precision():
    outputs, targets = drawn("regression")
    shifted = scored("regression", "r2", outputs + 2000, targets + 2000)
    assert shifted == pytest.approx(scored("regression", "r2", outputs, targets), abs=1e-6)


# --- metrics by `_target_` ----------------------------------------------------------------------------------------


def own(target: str, **arguments: Any) -> Any:
    metric = Metric(name="own", _target_=f"torchmetrics.{target}", **arguments)
    return build_metrics([metric], "multilabel_classification", 2)["own"]


def test_logits_that_happen_to_lie_between_0_and_1_are_no_probabilities():
    metric = own("classification.MultilabelAccuracy")
    update(metric, "multilabel_classification", torch.tensor([[0.3, 0.2]]), torch.tensor([[1.0, 0.9]]))
    assert value_of("own", metric).item() == 1


def test_metric_of_several_numbers_is_refused():
    metric = own("classification.MultilabelAccuracy", average="none")
    update(metric, "multilabel_classification", torch.rand(2, 2), torch.ones(2, 2))
    with pytest.raises(MMLError, match="the metric own returns more than one number; set its argument average"):
        value_of("own", metric)


def test_metric_without_samples_enough_is_nan():
    metric = own("regression.R2Score")
    update(metric, "regression", torch.rand(1, 1), torch.rand(1))
    assert value_of("own", metric).isnan()
