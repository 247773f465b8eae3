"""Undecidable cases: single samples, no spread, differences by rounding, and networks that learned nothing."""

from dataclasses import replace

import numpy as np
import pytest

from mml_lib.evaluation.comparisons.leaderboard import as_text, leaderboard, standings
from mml_lib.evaluation.ensembles.options import STRATEGIES
from mml_lib.evaluation.ensembles.pool import is_constant
from mml_lib.evaluation.resampled import Resampled
from mml_lib.evaluation.run_comparison import Resamples, compare, compare_folds, resample_runs
from mml_lib.predictions.predictions import Predictions
from tests.support.compared_predictions import TARGETS, predictions
from tests.support.small_ensembles import masks, names, select


def test_single_sample_tells_nothing():
    one = predictions(targets=TARGETS[:1])
    resamples = resample_runs({"a": {0: one}, "b": {0: replace(one, logits=-one.logits)}}, ["accuracy"], 50)
    (row,) = compare(resamples).to_dict("records")
    assert abs(row["difference"]) == 1
    assert np.isnan([row[key] for key in ("ci_low", "ci_high", "p", "p_holm")]).all()
    table = standings(resamples)
    assert table["among_best"].all(), "nothing tells them apart"
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)
    assert "nan" not in as_text(leaderboard(table, "accuracy"), "accuracy")
    (row,) = compare(resample_runs({"a": {0: one}, "b": {0: one}}, ["accuracy"], 50)).to_dict("records")
    assert np.isnan(row["p"])


def test_differences_without_spread_have_an_interval():
    """One network is right of all samples, the other of none."""
    right = replace(predictions(), logits=9 * np.eye(3)[TARGETS].astype("f"))
    resamples = resample_runs({"a": {0: right}, "b": {0: replace(right, logits=-right.logits)}}, ["accuracy"], 50)
    (row,) = compare(resamples).to_dict("records")
    assert row["difference"] == 1
    assert 0.95 < row["ci_low"] < 1
    assert row["p"] < 1e-6
    assert standings(resamples)[["ci_low", "ci_high"]].notna().all(axis=None)


def test_differences_by_rounding_are_ties():
    values = np.array([0.1, 0.2, 0.3])
    draws = np.tile([0.1, 0.3], 100)[None]
    runs = {"a": 0.0, "b": 1e-16, "c": -1e-16, "d": -0.05}
    networks = {
        run: {
            fold: Resampled(
                ["accuracy"], np.array([value + off]), draws + off, "set", np.array([9]), np.array([9.0]), np.ones(1)
            )
            for fold, value in enumerate(values)
        }
        for run, off in runs.items()
    }
    resamples = Resamples(["accuracy"], networks)
    assert standings(resamples)["rank"].tolist() == [1, 1, 1, 4]
    tests = compare_folds(resamples, dict.fromkeys(range(3), (20, 9)))
    tests = tests[tests["run"] == "a"].set_index("other")
    assert tests["difference"].tolist() == pytest.approx([0, 0, 0.05])
    assert tests["p"].tolist()[:2] == [1, 1]
    assert np.isnan(tests.loc["d", "p"]), "equal differences tell no variance"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_member_that_has_learned_nothing_ends_no_selection(strategy: str):
    good = [predictions(3, seed) for seed in range(2)]
    constant = replace(good[0], logits=np.ones_like(good[0].logits))
    assert [is_constant(member) for member in (*good, constant)] == [False, False, True]
    ensemble = select([constant, *good], strategy=strategy)
    assert ensemble.assessed_value is not None
    if strategy in ("mean", "best"):
        assert (names(1)[0] in ensemble.members) == (strategy == "mean")


def test_masks_of_one_class_are_known_to_have_learned_nothing():
    (good,) = masks(1)
    blank = replace(good, masks=np.zeros_like(good.masks))
    assert [is_constant(member) for member in (good, blank)] == [False, True]
    assert len(select([good, blank], strategy="mean").members) == 2


def test_folds_that_do_not_define_a_metric_are_named_as_the_reason():
    ids, targets = np.array([f"s{number}" for number in range(9)]), np.arange(9) % 3
    constant = Predictions(np.tile(np.eye(3)[0], (9, 1)), targets, ids)
    resamples = resample_runs({run: {0: constant, 1: constant} for run in "ab"}, ["matthews"], 20)
    (row,) = compare_folds(resamples, dict.fromkeys(range(2), (20, 9))).to_dict("records")
    assert (row["folds"], row["reason"]) == (0, "fewer than two folds of both define the metric")
