"""Metrics by weights of samples: those of scikit-learn, of repeated samples, and with intervals of their own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit
from sklearn import metrics as sk

from mml_lib.config.metric_options import NAMED
from mml_lib.evaluation.alignment import align
from mml_lib.evaluation.bootstrap import draw, resampled
from mml_lib.evaluation.ensembles.ensemble_selection import select_ensemble
from mml_lib.evaluation.ensembles.ensemble_storage import Member
from mml_lib.evaluation.ensembles.options import EnsembleOptions
from mml_lib.evaluation.evaluation import evaluate, evaluate_resampled, network_estimates, network_intervals
from mml_lib.evaluation.out_of_fold import evaluate_out_of_fold, pool_out_of_fold
from mml_lib.evaluation.resampled import NO_WEIGHT, resample
from mml_lib.evaluation.run_comparison import compare, resample_runs
from mml_lib.evaluation.subgroups import class_table, group_table
from mml_lib.metrics.sums import whole_weights
from mml_lib.predictions.predictions import MaskPredictions, Predictions, pool, weighed
from mml_lib.predictions.scores import score_arguments, softmax, values_of
from mml_lib.task_types import IGNORE

SIZE = 60
NAMES = [(kind, name) for kind, names in NAMED.items() for name in names]
BINARY, LABELS, VALUES = "classification", "multilabel_classification", "regression"
MASKS = "semantic_segmentation"
KINDS = [kind for kind, names in NAMED.items() if names]
OF_SURFACES = ("hausdorff95", "surface_dice", "surface_dice_2px")


def predictions_of(kind: str, classes: int = 3, seed: int = 0, size: int = SIZE) -> Any:
    """Return predictions without weights; scores are rounded, so that there are ties."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"s{number:03}" for number in range(size)])
    if kind == MASKS:
        targets = rng.choice([0, 0, 1, 2, IGNORE], (size, 5, 6)).astype(np.uint8)
        masks = np.where(rng.random(targets.shape) < 0.4, rng.integers(0, 3, targets.shape), targets)
        return MaskPredictions.of([*np.where(masks == IGNORE, 0, masks).astype(np.uint8)], [*targets], ids, 3)
    if kind == VALUES:
        targets = rng.normal(20, 5, size).round().astype(np.float32)
        return Predictions((targets + rng.normal(0, 4, size)).round()[:, None].astype(np.float32), targets, ids, kind)
    noise = rng.normal(size=(size, classes)).round(1).astype(np.float32)
    if kind == LABELS:
        targets = (rng.random((size, classes)) < 0.4).astype(np.float32)
        return Predictions(targets + noise - 0.5, targets, ids, kind)
    labels = rng.integers(0, classes, size)
    return Predictions(np.eye(classes, dtype=np.float32)[labels] + noise, labels, ids, kind)


def with_weights(predictions: Any, weights: np.ndarray) -> Any:
    return weighed(predictions, dict(zip(predictions.ids.tolist(), weights.tolist(), strict=True)))


def fractions(size: int = SIZE, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).random(size) * 3


def times(size: int = SIZE) -> np.ndarray:
    """Return whole numbers, 0 among them."""
    return np.random.default_rng(5).integers(0, 4, size)


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), NAMES)
@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_a_sample_of_weight_2_counts_as_two(kind: str, name: str, scale: float):
    predictions, weights = predictions_of(kind), times()
    rows = np.repeat(np.arange(SIZE), weights)
    repeated = evaluate(predictions.take(rows), [name])[name]
    value = evaluate(with_weights(predictions, weights * scale), [name])[name]
    assert np.isfinite(value)
    assert value == pytest.approx(repeated, rel=1e-9)


def _specificity(true: np.ndarray, predicted: np.ndarray, sample_weight: np.ndarray) -> float:
    return sk.recall_score(true, predicted, pos_label=0, sample_weight=sample_weight)


OF_LABELS: dict[str, Callable] = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1": lambda *sides, sample_weight: sk.f1_score(*sides, average="macro", sample_weight=sample_weight),
    "kappa": sk.cohen_kappa_score,
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "specificity": _specificity,
    "matthews": sk.matthews_corrcoef,
    "quadratic_kappa": lambda *sides, sample_weight: sk.cohen_kappa_score(
        *sides, weights="quadratic", sample_weight=sample_weight
    ),
}
OF_PROBABILITIES: dict[str, Callable] = {
    "auroc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "log_loss": sk.log_loss,
    "brier": lambda *sides, sample_weight: 2 * sk.brier_score_loss(*sides, sample_weight=sample_weight),
}


@pytest.mark.parametrize("name", [*OF_LABELS, *OF_PROBABILITIES])
def test_metric_of_two_classes_is_that_of_scikit_learn_by_sample_weight(name: str):
    predictions, weights = predictions_of(BINARY, 2), fractions()
    probabilities = softmax(predictions.logits)
    side = probabilities.argmax(axis=1) if name in OF_LABELS else probabilities[:, 1]
    function = OF_LABELS.get(name) or OF_PROBABILITIES[name]
    expected = function(predictions.targets, side, sample_weight=weights)
    assert evaluate(with_weights(predictions, weights), [name])[name] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["auroc", "average_precision", "log_loss", "brier", "f1", "recall", "accuracy"])
def test_metric_of_partial_labels_is_the_mean_of_scikit_learn_s_by_label(name: str):
    predictions, weights = predictions_of(LABELS), fractions()
    targets = predictions.targets.copy()
    targets[np.random.default_rng(9).random(targets.shape) < 0.3] = np.nan
    predictions = replace(predictions, targets=targets)
    of_labels = {"f1": sk.f1_score, "recall": sk.recall_score, "accuracy": sk.accuracy_score}
    function = of_labels.get(name) or {**OF_PROBABILITIES, "brier": sk.brier_score_loss}[name]
    outputs = expit(predictions.logits.astype(float))
    outputs = outputs > 0.5 if name in of_labels else outputs
    parts = []
    for label in range(targets.shape[1]):
        rows = ~np.isnan(targets[:, label])
        parts.append(function(targets[rows, label] > 0.5, outputs[rows, label], sample_weight=weights[rows]))
    value = evaluate(with_weights(predictions, weights), [name])[name]
    assert value == pytest.approx(np.mean(parts), rel=1e-9)


def test_metrics_of_values_are_those_of_scikit_learn_and_scipy():
    predictions, weights = predictions_of(VALUES), fractions()
    sides = predictions.targets.astype(float), predictions.logits[:, 0].astype(float)
    ranks = [[np.sum(weights * ((side < value) + (side == value) / 2)) for value in side] for side in sides]

    def correlation(*pair: Any) -> float:
        covariance = np.cov(*pair, aweights=weights)
        return covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])

    expected = {
        "mae": sk.mean_absolute_error(*sides, sample_weight=weights),
        "rmse": np.sqrt(sk.mean_squared_error(*sides, sample_weight=weights)),
        "r2": sk.r2_score(*sides, sample_weight=weights),
        "pearson": correlation(*sides),
        "spearman": correlation(*ranks),
    }
    assert evaluate(with_weights(predictions, weights), list(expected)) == pytest.approx(expected, rel=1e-9)


def test_calibration_error_weighs_the_gaps_of_each_bin():
    predictions, weights = predictions_of(BINARY), fractions()
    probabilities = softmax(predictions.logits)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == predictions.targets
    expected = 0.0
    for low in range(15):
        rows = (confidence * 15 >= low) & ((confidence * 15 < low + 1) | (low == 14))
        if rows.any():
            share = weights[rows].sum() / weights.sum()
            gap = np.average(right[rows], weights=weights[rows]) - np.average(confidence[rows], weights=weights[rows])
            expected += share * abs(gap)
    value = evaluate(with_weights(predictions, weights), ["calibration_error"])["calibration_error"]
    assert value == pytest.approx(expected, rel=1e-9)


def test_masks_weigh_images_and_pooled_metrics_their_pixels():
    predictions, weights = predictions_of(MASKS), fractions()
    of_images, hits, sizes = [], np.zeros(3), np.zeros(3)
    for (mask, target), weight in zip(predictions.images(), weights, strict=True):
        counted = target != IGNORE
        dices = []
        for index in (0, 1, 2):
            both = (mask == index) & (target == index) & counted
            size = ((mask == index) & counted).sum() + ((target == index) & counted).sum()
            hits[index], sizes[index] = hits[index] + weight * 2 * both.sum(), sizes[index] + weight * size
            dices.append(2 * both.sum() / size if size else np.nan)
        of_images.append(np.nanmean(dices[1:]))
    values = evaluate(with_weights(predictions, weights), ["dice", "pooled_dice"])
    assert values["dice"] == pytest.approx(np.average(of_images, weights=weights), rel=1e-9)
    assert values["pooled_dice"] == pytest.approx((hits / sizes)[1:].mean(), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_weights_change_nothing(kind: str):
    predictions = predictions_of(kind)
    plain = evaluate_resampled(predictions, NAMED[kind], 40)
    alike = evaluate_resampled(with_weights(predictions, np.full(SIZE, 0.3)), NAMED[kind], 40)
    assert np.array_equal(plain.values, alike.values)
    assert np.array_equal(plain.draws, alike.draws, equal_nan=True)
    assert plain.sample_set == alike.sample_set


@pytest.mark.parametrize("kind", KINDS)
def test_samples_of_weight_0_are_none(kind: str):
    predictions, kept = predictions_of(kind), times() > 0
    groups = {id_: f"p{number // 3}" for number, id_ in enumerate(predictions.ids.tolist())}
    for grouped in (None, groups):
        part = evaluate_resampled(predictions.take(np.flatnonzero(kept)), NAMED[kind], 40, grouped, "max")
        whole = evaluate_resampled(with_weights(predictions, kept.astype(float)), NAMED[kind], 40, grouped, "max")
        assert part.metrics == whole.metrics
        for name in ("values", "draws", "units", "effective", "balance"):
            assert np.array_equal(getattr(part, name), getattr(whole, name), equal_nan=True), name


def test_weights_that_are_all_0_leave_all_undefined():
    predictions = with_weights(predictions_of(BINARY), np.zeros(SIZE))
    assert np.isnan([*evaluate(predictions, ["accuracy", "log_loss"]).values()]).all()
    resampled_ones = evaluate_resampled(predictions, ["accuracy"], 100)
    assert resampled_ones.reason == NO_WEIGHT
    assert np.isnan(network_intervals(resampled_ones)["accuracy"]).all()


def test_weights_of_different_sizes_are_exact_sums():
    weights = np.array([1e-3, 1.0, 0.1, 3.0, 0.0])
    whole = whole_weights(weights)
    assert np.array_equal(whole, np.rint(whole))
    assert whole.sum() <= 2**49
    assert whole / whole.max() == pytest.approx(weights / 3, abs=2.0**-40)


# --- resamples ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name in NAMES if name not in OF_SURFACES])
@pytest.mark.filterwarnings("error")
def test_a_resample_counts_drawn_samples_by_their_weights(kind: str, name: str):
    predictions, weights = predictions_of(kind), fractions()
    arguments = _arguments(predictions)
    drawn = next(draw(SIZE, 12, 7))
    values = resampled(kind, [name], arguments, 12, 7, weights=weights)[name]
    expected = [values_of(kind, [name], arguments, column * weights)[name] for column in drawn.T]
    assert values == pytest.approx(np.array(expected), rel=1e-9, nan_ok=True)


def _arguments(predictions: Any) -> Any:
    if isinstance(predictions, MaskPredictions):
        return next(iter(align({"a": {0: predictions}})["a"].values())).arguments
    return score_arguments(predictions.task_type, predictions.logits, predictions.targets)


def test_interval_of_a_weighted_share_is_that_of_as_many_samples_as_tell_as_much():
    rng = np.random.default_rng(1)
    size = 400
    right, weights = rng.random(size) < 0.8, rng.gamma(1.0, size=size)
    targets = np.zeros(size, int)
    logits = np.column_stack([right * 2.0, np.ones(size)]).astype(np.float32)
    predictions = Predictions(logits, targets, np.arange(size).astype(str))
    low, high = network_intervals(evaluate_resampled(with_weights(predictions, weights), ["accuracy"], 2000))[
        "accuracy"
    ]
    share = np.average(right, weights=weights)
    deviation = np.sqrt(np.sum((weights / weights.sum()) ** 2 * (right - share) ** 2))
    assert low < share < high
    assert (high - low) / 2 == pytest.approx(stats.norm.ppf(0.975) * deviation, rel=0.08)


def test_intervals_of_weighted_shares_cover_the_weighted_share_of_the_population():
    """Of 400 draws of 100 samples, about 95 % of the intervals contain the share: 4 deviations of a binomial."""
    rng, covered = np.random.default_rng(2), 0
    for _ in range(400):
        weights = rng.choice([0.2, 1.0, 3.0], 100)
        right = rng.random(100) < np.where(weights > 2, 0.9, 0.6)  # samples of much weight are easier
        logits = np.column_stack([right * 2.0, np.ones(100)]).astype(np.float32)
        predictions = Predictions(logits, np.zeros(100, int), np.arange(100).astype(str))
        own = network_intervals(evaluate_resampled(with_weights(predictions, weights), ["accuracy"], 200))["accuracy"]
        covered += own[0] <= (0.9 * 3 + 0.6 * 1.2) / 4.2 <= own[1]
    assert covered / 400 == pytest.approx(0.95, abs=0.0436)


def test_few_samples_of_much_weight_make_a_wide_interval_of_a_perfect_share():
    logits = np.tile(np.float32([2, 0]), (100, 1))
    predictions = Predictions(logits, np.zeros(100, int), np.arange(100).astype(str))
    weights = np.where(np.arange(100) < 5, 100.0, 0.01)
    sides = with_weights(predictions, weights), predictions
    wide, narrow = (evaluate_resampled(side, ["accuracy"], 200) for side in sides)
    assert wide.units.tolist() == [5]
    assert network_intervals(wide)["accuracy"][0] < network_intervals(narrow)["accuracy"][0] - 0.2


# --- groups, classes, comparisons -------------------------------------------------------------------------------------


def test_a_group_counts_by_the_mean_weight_of_its_samples():
    predictions, weights = predictions_of(VALUES), fractions()
    numbers = np.arange(SIZE) // 4
    groups = dict(zip(predictions.ids.tolist(), [f"p{number}" for number in numbers], strict=True))
    result = evaluate_resampled(with_weights(predictions, weights), ["mae"], 0, groups)
    errors = predictions.logits[:, 0] - predictions.targets
    of_groups = np.abs([errors[numbers == number].mean() for number in range(15)])
    of_weights = [weights[numbers == number].mean() for number in range(15)]
    assert result.value("mae_per_group") == pytest.approx(np.average(of_groups, weights=of_weights))
    assert result.value("mae") == pytest.approx(np.average(np.abs(errors), weights=weights))


@pytest.mark.parametrize("kind", [BINARY, LABELS, MASKS])
def test_tables_of_classes_follow_weights(kind: str):
    predictions, weights = predictions_of(kind), times()
    table = class_table(with_weights(predictions, weights * 0.5), ["a", "b", "c"])
    repeated = class_table(predictions.take(np.repeat(np.arange(SIZE), weights)), ["a", "b", "c"])
    values = table.columns.difference(["class", "support", "images"])
    assert table[values].to_numpy() == pytest.approx(repeated[values].to_numpy(), rel=1e-9)
    assert table["support"].tolist() == class_table(predictions, ["a", "b", "c"])["support"].tolist()


def test_tables_of_groups_follow_weights():
    predictions, weights = predictions_of(BINARY), fractions()
    sexes = {id_: "fm"[number % 2] for number, id_ in enumerate(predictions.ids.tolist())}
    table = group_table(with_weights(predictions, weights), {"sex": sexes}, ["accuracy"], 100)
    right = predictions.logits.argmax(axis=1) == predictions.targets
    expected = {sex: np.average(right[start::2], weights=weights[start::2]) for start, sex in enumerate("fm")}
    assert dict(zip(table["group"], table["value"], strict=True)) == pytest.approx(expected)


def test_differences_of_runs_are_those_of_weighted_metrics():
    weights = fractions()
    runs = {name: {0: with_weights(predictions_of(BINARY), weights)} for name in "ab"}
    noisy = runs["a"][0].logits + np.random.default_rng(4).normal(size=(SIZE, 3)).astype(np.float32)
    order = np.random.default_rng(6).permutation(SIZE)
    runs["b"] = {0: replace(runs["a"][0], logits=noisy).take(order)}
    row = compare(resample_runs(runs, ["accuracy"], 400)).iloc[0]
    targets = runs["a"][0].targets
    sides = [np.average(part.argmax(axis=1) == targets, weights=weights) for part in (runs["a"][0].logits, noisy)]
    assert row["difference"] == pytest.approx(sides[0] - sides[1])
    assert row["ci_low"] < row["difference"] < row["ci_high"]


def test_pooled_folds_keep_the_weights_of_their_samples():
    predictions, weights = with_weights(predictions_of(BINARY), fractions()), fractions()
    folds = {fold: predictions.take(np.flatnonzero(np.arange(SIZE) % 3 == fold)) for fold in range(3)}
    right = predictions.logits.argmax(axis=1) == predictions.targets
    result = evaluate_out_of_fold(folds, ["accuracy"], 0)
    assert result.value("accuracy") == pytest.approx(np.average(right, weights=weights))
    of_fold = [np.average(right[fold::3], weights=weights[fold::3]) for fold in range(3)]
    assert result.fold_values[0] == pytest.approx(of_fold)
    pooled = pool_out_of_fold(folds, "x")
    assert dict(zip(pooled.ids, pooled.weights, strict=True)) == dict(zip(predictions.ids, weights, strict=True))


def test_masks_of_several_folds_are_pooled_with_their_weights():
    masks = with_weights(predictions_of(MASKS), fractions())
    parts = [masks.take(np.arange(0, 30)), masks.take(np.arange(30, SIZE))]
    assert np.array_equal(pool(parts).weights, masks.weights)


def test_weighted_and_plain_metrics_have_other_sample_sets():
    predictions = predictions_of(BINARY)
    sets = {
        resample(BINARY, ["accuracy"], _arguments(predictions), predictions.ids, 0, weights=weights).sample_set
        for weights in (None, fractions(), fractions(seed=8))
    }
    assert len(sets) == 3


@pytest.mark.parametrize("metric", ["log_loss", "accuracy", "auroc"])
def test_an_ensemble_is_selected_and_assessed_by_weighted_samples(metric: str):
    """The better of two members is the one that is right about the samples of much weight."""
    rng = np.random.default_rng(0)
    targets, heavy = rng.integers(0, 2, 80), np.arange(80) < 20
    ids = np.arange(80).astype(str)

    def member(right: np.ndarray) -> Predictions:
        return Predictions(np.eye(2, dtype=np.float32)[np.where(right, targets, 1 - targets)] * 3, targets, ids)

    weights = np.where(heavy, 50.0, 1.0)
    members = [Member("t", name, 0) for name in ("light", "heavy")]
    outputs = [member(~heavy), member(heavy)]
    options = EnsembleOptions(strategy="best", metric=metric)
    assert select_ensemble("t", members, outputs, options).members[0].run == "light"
    weighted_ones = [with_weights(part, weights) for part in outputs]
    chosen = select_ensemble("t", members, weighted_ones, options)
    assert chosen.members[0].run == "heavy"
    rows = np.isin(ids, chosen.selection_ids)
    for value, part in ((chosen.selection_value, rows), (chosen.assessed_value, ~rows)):
        assert value == evaluate(weighted_ones[1].take(np.flatnonzero(part)), [metric])[metric]


def test_files_of_predictions_contain_no_weights(tmp_path):
    predictions = with_weights(predictions_of(BINARY), fractions())
    predictions.write(tmp_path / "a.npz")
    assert "weights" not in np.load(tmp_path / "a.npz").files


def test_estimates_of_weighted_metrics_are_known():
    estimates = network_estimates(evaluate_resampled(with_weights(predictions_of(BINARY), fractions()), ["auroc"], 200))
    assert estimates["auroc"].low < estimates["auroc"].mean < estimates["auroc"].high
