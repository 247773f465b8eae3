"""Results that have no spread, one sample of a class, one fold or no variance: an interval, or a reason in words."""

import numpy as np
import pytest

from mml_lib.config.metric_options import NAMED
from mml_lib.evaluation.comparisons.leaderboard import as_text, leaderboard, standings
from mml_lib.evaluation.evaluation import evaluate_resampled, network_estimates
from mml_lib.evaluation.fold_table import fold_table
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.evaluation.run_comparison import compare, compare_folds, resample_runs
from mml_lib.evaluation.subgroups import group_table
from mml_lib.evaluation.summary import summarize
from mml_lib.predictions.predictions import MaskPredictions, Predictions

RNG = np.random.default_rng(0)


def ids(number: int) -> np.ndarray:
    return np.array([f"s{place:03}" for place in range(number)])


def classified(targets, predicted, classes: int = 2) -> Predictions:
    logits = 4.0 * np.eye(classes, dtype="f")[np.asarray(predicted)]
    return Predictions(logits, np.asarray(targets), ids(len(targets)))


def values(true, predicted) -> Predictions:
    return Predictions(np.asarray(predicted, "f")[:, None], np.asarray(true, "f"), ids(len(true)), "regression")


def masks(true, predicted) -> MaskPredictions:
    return MaskPredictions.of(list(predicted), list(true), ids(len(true)), 2)


HALF = np.arange(40) % 2
EMPTY, FULL = np.zeros((12, 4, 4), np.uint8), np.ones((12, 4, 4), np.uint8)
CASES = {
    "all right": classified(HALF, HALF),
    "all wrong": classified(HALF, 1 - HALF),
    "one class predicted": classified(HALF, np.zeros(40, int)),
    "one class tested": classified(np.zeros(40, int), HALF),
    "one class tested and predicted": classified(np.zeros(40, int), np.zeros(40, int)),
    "one sample of a class": classified(np.r_[1, np.zeros(39, int)], np.r_[1, np.zeros(39, int)]),
    "one sample of each class": classified(np.arange(3), np.arange(3), 3),
    "two samples": classified([0, 1], [0, 1]),
    "one sample": classified([0], [0]),
    "values without error": values(np.arange(20), np.arange(20)),
    "values with the same error": values(np.arange(20), np.arange(20) + 1),
    "constant targets": values(np.ones(20), np.arange(20)),
    "constant values": values(np.arange(20), np.ones(20)),
    "one value": values([1], [2]),
    "two values": values([1, 2], [2, 2]),
    "masks without error": masks(FULL, FULL),
    "masks that are all wrong": masks(EMPTY, FULL),
    "masks of background": masks(EMPTY, EMPTY),
    "one mask": masks(FULL[:1], FULL[:1]),
    "labels without error": Predictions(
        8 * np.eye(2)[HALF].astype("f") - 4, np.eye(2)[HALF], ids(40), "multilabel_classification"
    ),
    "labels that none has": Predictions(
        np.full((40, 2), -4, "f"), np.zeros((40, 2)), ids(40), "multilabel_classification"
    ),
}


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_every_metric_has_an_interval_or_a_reason(case: str, folds: int):
    predictions = CASES[case]
    names = NAMED[predictions.task_type]
    resamples = resample_runs({"a": dict.fromkeys(range(folds), predictions)}, names, 100)
    table = standings(resamples)
    assert table["metric"].tolist() == list(names)
    has_interval = table["ci_low"].notna() & table["ci_high"].notna()
    assert (has_interval == (table["reason"].fillna("") == "")).all(), table[["metric", "mean", "ci_low", "reason"]]
    assert (table["ci_low"] <= table["mean"] + 1e-9)[has_interval].all()
    assert (table["mean"] <= table["ci_high"] + 1e-9)[has_interval].all()


@pytest.mark.parametrize(
    "case", ["all right", "all wrong", "one class predicted", "one sample of a class", "two samples"]
)
def test_shares_have_an_interval_though_all_resamples_agree(case: str):
    estimates = network_estimates(evaluate_resampled(CASES[case], ["accuracy", "balanced_accuracy"], 100))
    for estimate in estimates.values():
        assert 0 <= estimate.low < estimate.high <= 1


def test_interval_of_all_right_is_that_of_clopper_and_pearson_or_wider():
    """statsmodels.stats.proportion.proportion_confint(40, 40, method="beta") begins at 0.9119."""
    estimate = network_estimates(evaluate_resampled(CASES["all right"], ["accuracy"], 100))["accuracy"]
    assert 0.88 < estimate.low <= 0.9125
    assert estimate.high == 1


def test_differences_have_an_interval_or_a_reason():
    runs = {"a": {0: CASES["values without error"]}, "b": {0: CASES["values with the same error"]}}
    resamples = resample_runs(runs, ["mae", "r2"], 100)
    for table in (compare(resamples), compare_folds(resamples, {0: (10, 10)})):
        assert (table["p"].isna() == (table["reason"] != "")).all()
        assert table["reason"].ne("").any()


def test_tables_carry_the_reason():
    predictions = CASES["constant targets"]
    resampled = evaluate_resampled(predictions, ["mae", "r2"], 100)
    reasons = {name: estimate.reason for name, estimate in network_estimates(resampled).items() if estimate.reason}
    assert list(reasons) == ["r2"]
    result = NetworkMetrics.of({}, resampled, task="t", run="r", fold=0, split="test")
    assert fold_table([result], {})["r2_reason"].tolist() == [reasons["r2"]]
    table = summarize([result], [resampled], {})
    assert table.set_index("metric")["reason"].to_dict() == {"mae": "", "r2": reasons["r2"]}
    board = leaderboard(standings(resample_runs({"a": {0: predictions}}, ["r2", "mae"], 100)), "r2")
    assert board["r2_reason"].tolist() == [reasons["r2"]]
    assert reasons["r2"] in as_text(board, "r2")
    sites = {id_: "ab"[place < 1] for place, id_ in enumerate(predictions.ids.tolist())}
    of_sites = group_table(predictions, {"site": sites}, ["mae"], 100)
    assert of_sites["reason"].tolist() == ["", "a single sample or group"]
