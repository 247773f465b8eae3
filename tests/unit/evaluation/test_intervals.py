"""Intervals: of a network or a procedure; within the bounds of a metric; they hold the truth as often as they say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mml_lib.config.metric_options import NAMED
from mml_lib.errors import MMLError
from mml_lib.evaluation.evaluation import evaluate_resampled, network_estimates, network_intervals
from mml_lib.evaluation.procedures import NETWORKS, PROCEDURE, estimate
from mml_lib.evaluation.resampled import Resampled, read_resampled, resample
from mml_lib.metrics import find_metric, weighted
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from tests.support.simulations import (
    KINDS,
    LEVELS,
    SampleSet,
    Setting,
    arguments,
    coverage,
    measured,
    predicted,
    told_apart,
)

NUMBER = 100
TARGETS = np.arange(NUMBER) % 2
IDS = np.array([f"s{number:03}" for number in range(NUMBER)])


def right_on(samples: int, number: int = NUMBER) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and targets of two classes, of which the first samples are right."""
    targets = np.arange(number) % 2
    predicted = np.where(np.arange(number) < samples, targets, 1 - targets)
    return np.where(np.arange(2) == predicted[:, None], 0.9, 0.1), targets


def network(samples: int, number: int = NUMBER, names: tuple[str, ...] = ("accuracy",), prefix: str = "s") -> Resampled:
    ids = np.array([f"{prefix}{place:03}" for place in range(number)])
    return resample("classification", names, right_on(samples, number), ids, 400)


# --- one network --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "number", "low", "high"),
    [
        (40, 50, 0.6696, 0.8876),  # statsmodels.stats.proportion.proportion_confint(…, method="wilson")
        (450, 500, 0.8706, 0.9233),
        (50, 50, 0.9287, 1.0),
        (0, 50, 0.0, 0.0713),
    ],
)
def test_accuracy_has_the_interval_of_wilson(right: int, number: int, low: float, high: float):
    interval = network_intervals(network(right, number))["accuracy"]
    assert interval == pytest.approx((low, high), abs=0.012)
    assert 0 <= interval[0] <= right / number <= interval[1] <= 1


def test_metrics_without_spread_have_an_interval():
    """A network that is always right, and one that says the same of all: no resample differs."""
    constant = np.tile([0.4, 0.6], (NUMBER, 1)), TARGETS
    perfect = network_intervals(network(NUMBER, names=("accuracy", "f1", "auroc")))
    for low, high in perfect.values():
        assert 0.95 < low < high == 1
    names = ["balanced_accuracy", "auroc"]
    for low, high in network_intervals(resample("classification", names, constant, IDS, 200)).values():
        assert 0.38 < low < 0.45
        assert 0.55 < high < 0.62


def test_rare_classes_are_no_certainty():
    """Three positives that are ranked right say less than fifty."""
    targets = (np.arange(NUMBER) < 3).astype(int)
    share = np.where(targets == 1, 0.9, 0.1)
    rare = resample("classification", ["auroc"], (np.stack([1 - share, share], axis=1), targets), IDS, 200)
    assert network_intervals(rare)["auroc"][0] < 0.8 < network_intervals(network(NUMBER, names=("auroc",)))["auroc"][0]


@pytest.mark.parametrize("kind", [kind for kind, names in NAMED.items() if names])
def test_every_named_metric_has_an_interval_within_its_bounds(kind: str):
    rng = np.random.default_rng(0)
    if kind == "semantic_segmentation":
        true = [rng.integers(0, 3, (5, 6)).astype(np.uint8) for _ in range(30)]
        masks = [np.where(rng.random(mask.shape) < 0.3, 1, mask).astype(np.uint8) for mask in true]
        predictions = MaskPredictions.of(masks, true, IDS[:30], 3)
    elif kind == "regression":
        values = rng.normal(size=NUMBER)
        predictions = Predictions((values + rng.normal(size=NUMBER))[:, None].astype("f"), values, IDS, kind)
    else:
        targets = TARGETS if kind == "classification" else (rng.random((NUMBER, 3)) < 0.4).astype("f")
        seen = np.eye(2)[TARGETS] if kind == "classification" else targets
        predictions = Predictions((seen + rng.normal(size=seen.shape)).astype("f"), targets, IDS, kind)
    intervals = network_intervals(evaluate_resampled(predictions, NAMED[kind], 200))
    assert list(intervals) == list(NAMED[kind])
    for name, (low, high) in intervals.items():
        metric = find_metric(kind, name)
        least, most = metric.bounds or {"error": (0, np.inf), "explained": (-np.inf, 1)}[metric.scale]
        assert least <= low < high <= most


def test_interval_of_one_class_is_as_wide_as_its_samples_are_few():
    """Of 100 samples 5 are positive: that all of them are recalled says less than that no other is called so."""
    targets = (np.arange(NUMBER) < NUMBER // 20).astype(int)
    right = np.eye(2)[targets], targets
    metrics = ["recall", "sensitivity", "precision", "specificity"]
    intervals = network_intervals(resample("classification", metrics, right, IDS, 200))
    positives = NUMBER // 20
    wilson = positives / (positives + 1.96**2)
    assert [intervals[name][0] for name in metrics[:3]] == pytest.approx([wilson] * 3, abs=0.05)
    assert intervals["specificity"][0] > 0.9
    assert {intervals[name][1] for name in metrics} == {1}


def test_calibration_error_of_a_calibrated_network_may_be_none():
    """Of few samples the error is far above 0, though the probabilities are those of the classes."""
    rng = np.random.default_rng(0)
    share = rng.random(NUMBER)
    calibrated = np.stack([1 - share, share], axis=1), (rng.random(NUMBER) < share).astype(int)
    resampled = resample("classification", ["calibration_error"], calibrated, IDS, 300)
    low, high = network_intervals(resampled)["calibration_error"]
    assert low < 0.01 < 0.05 < resampled.values[0] < high


def test_single_sample_or_group_has_no_interval_and_says_why():
    alone = resample("classification", ["accuracy"], right_on(1, 1), IDS[:1], 100)
    assert np.isnan(network_intervals(alone)["accuracy"]).all()
    one_group = resample("classification", ["accuracy"], right_on(60), IDS, 100, dict.fromkeys(IDS.tolist(), "g"))
    assert estimate({"": {0: one_group}}, "accuracy").reason == "a single sample or group"
    errors = resample("regression", ["mae"], (np.ones(9), np.ones(9)), IDS[:9], 100)
    assert estimate({"": {0: errors}}, "mae").reason == "all resamples agree"
    assert network_intervals(resample("classification", ["accuracy"], right_on(60), IDS, 0)) == {}


def test_brier_score_of_labels_ends_at_1_and_of_classes_at_2():
    targets = np.arange(NUMBER) % 2
    wrong = np.eye(2)[1 - targets], targets
    labels = (1.0 - targets)[:, None], (targets == 1)[:, None]
    of_classes, of_labels = (
        network_intervals(resample(kind, ["brier"], arguments, IDS, 100))["brier"]
        for kind, arguments in (("classification", wrong), ("multilabel_classification", labels))
    )
    assert (of_classes[1], of_labels[1]) == (2, 1)


def test_undefined_metrics_say_whether_outputs_are_not_finite_or_constant():
    targets = np.arange(9) % 3
    exploded = Predictions(np.full((9, 3), np.nan, np.float32), targets, IDS[:9])
    estimates = network_estimates(evaluate_resampled(exploded, ["accuracy"], 50, {"s000": "g", "s001": "g"}))
    assert {estimated.reason for estimated in estimates.values()} == {"outputs are not finite"}
    constant = Predictions(np.tile(np.float32([1, 0, 0]), (9, 1)), targets, IDS[:9])
    estimates = network_estimates(evaluate_resampled(constant, ["matthews"], 50))
    assert "undefined" in estimates["matthews"].reason


def test_order_of_samples_changes_nothing():
    order = np.random.default_rng(0).permutation(NUMBER)
    probabilities, targets = right_on(70)
    turned = resample("classification", ["f1"], (probabilities[order], targets[order]), IDS[order], 100)
    assert np.array_equal(turned.draws, resample("classification", ["f1"], (probabilities, targets), IDS, 100).draws)


def test_other_samples_or_groups_are_resampled_otherwise():
    first, other = network(70), network(70, prefix="t")
    grouped = resample("classification", ["accuracy"], right_on(70), IDS, 400, dict.fromkeys(IDS[:2].tolist(), "g"))
    assert len({tested.sample_set for tested in (first, other, grouped)}) == 3
    assert not np.array_equal(first.draws, other.draws)
    assert (first.units, grouped.units) == ([NUMBER], [NUMBER - 1])


def test_resampled_metrics_are_stored(tmp_path: Path):
    stored = network(70, names=("accuracy", "f1"))
    stored.write(tmp_path / "test.npz")
    read = read_resampled(tmp_path / "test.npz")
    assert np.array_equal(read.draws, stored.draws)
    assert np.array_equal(read.values, stored.values)
    texts = (read.sample_set, read.reason, read.task_type)
    assert (read.metrics, texts) == (["accuracy", "f1"], (stored.sample_set, "", "classification"))
    for name in ("units", "effective", "balance"):
        assert np.array_equal(getattr(read, name), getattr(stored, name))
    lacking = {key: value for key, value in np.load(tmp_path / "test.npz").items() if key != "sample_set"}
    np.savez(tmp_path / "test.npz", **lacking)
    with pytest.raises(MMLError, match="damaged"):
        read_resampled(tmp_path / "test.npz")
    (tmp_path / "test.npz").write_bytes(b"PK no")
    with pytest.raises(MMLError, match="damaged"):
        read_resampled(tmp_path / "test.npz")


# --- several networks ---------------------------------------------------------------------------------------------


def test_interval_of_one_network_is_of_this_network_and_of_several_of_their_procedure():
    assert estimate({"a": {0: network(70)}}, "accuracy").about == NETWORKS
    assert estimate({"a": {0: network(70), 1: network(75)}}, "accuracy").about == PROCEDURE
    assert estimate({"a": {0: network(70)}, "b": {0: network(75)}}, "accuracy").about == PROCEDURE


def test_trainings_that_differ_widen_the_interval():
    alike = estimate({"a": {fold: network(70) for fold in range(5)}}, "accuracy")
    differing = estimate({"a": {fold: network(50 + 10 * fold) for fold in range(5)}}, "accuracy")
    assert (alike.mean, differing.mean) == pytest.approx((0.7, 0.7))
    assert differing.high - differing.low > 1.5 * (alike.high - alike.low)
    assert differing.std == pytest.approx(np.std([0.5, 0.6, 0.7, 0.8, 0.9], ddof=1))


def test_folds_that_are_alike_have_an_interval():
    """Each fold has samples of its own, and all are right equally often: no spread between folds, but few samples."""
    folds = {fold: network(45, 50, prefix=f"fold{fold}-") for fold in range(5)}
    estimated = estimate({"a": folds}, "accuracy")
    assert estimated.std == 0
    assert 0.8 < estimated.low < 0.89 < 0.91 < estimated.high < 0.96


def test_undefined_folds_are_left_out():
    only = resample("classification", ["auroc"], (right_on(7, 9)[0], np.zeros(9, int)), IDS[:9], 100)
    estimated = estimate({"a": {0: network(70, names=("auroc",)), 1: network(80, names=("auroc",)), 2: only}}, "auroc")
    assert estimated.networks == 2
    assert estimated.low < estimated.mean < estimated.high
    assert np.isnan(estimate({"a": {0: only}}, "auroc").mean)


# --- coverage -----------------------------------------------------------------------------------------------------
# A few cells with a fixed seed; tests/benchmarks/test_coverage.py has the whole table.


@pytest.mark.parametrize("group", [1, 5])
@pytest.mark.parametrize("metric", KINDS)
def test_simulation_measures_as_the_library_does(metric: str, group: int):
    """It works out all networks and resamples at once, which the library does network by network."""
    rng = np.random.default_rng(1)
    samples = SampleSet(Setting(metric, 100, group=group), rng, 0, whole=True)
    outputs = predicted(metric, np.full((2, 1), LEVELS[metric]), samples, rng.normal(size=(2, 100)))
    for row, draws in zip(outputs, measured(metric, outputs, samples, samples.weights), strict=True):
        expected = weighted(KINDS[metric], [metric], arguments(metric, row, samples))(samples.weights)[metric]
        assert draws == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "setting",
    [
        Setting("accuracy", samples=50, folds=1, spread=0),
        Setting("accuracy", samples=200, folds=5, spread=0.3),
        Setting("auroc", samples=60, folds=5, shared=False, spread=0.2),
        Setting("f1", samples=100, folds=5, spread=0.1, group=5),
        Setting("dice", samples=200, folds=5, spread=0.3, group=5),
        Setting("r2", samples=200, folds=5, spread=0.02),
        Setting("dice", samples=100, folds=3, runs=3, spread=0.3, of_folds=0.5),
    ],
    ids=lambda setting: f"{setting.metric} {setting.samples}×{setting.folds}",
)
def test_intervals_hold_the_truth_as_often_as_they_say(setting: Setting):
    """Of 100 with a coverage of 95 %, fewer than 88 are as rare as 1 in 500."""
    assert coverage(setting, 100, seed=2) >= 0.88


@pytest.mark.long
def test_equal_procedures_are_seldom_told_apart_and_different_ones_often():
    """Of 100 with an error of 5 %, more than 12 are as rare as 1 in 700."""
    repeated = Setting("dice", samples=200, folds=5, runs=5, spread=0.4)
    assert told_apart(repeated, 100, seed=1) <= 0.12
    assert told_apart(replace(repeated, of_folds=0.6, same_folds=False), 100, seed=1) <= 0.12
    assert told_apart(repeated, 40, better=2, seed=1) >= 0.8
