"""Leaderboards: order, marks, and rows of the runs of a procedure."""

import numpy as np
import pandas as pd
import pytest

from mml_lib.evaluation.comparisons.leaderboard import as_text, leaderboard, standings
from mml_lib.evaluation.evaluation import evaluate_resampled
from mml_lib.evaluation.procedures import PROCEDURE, estimate
from mml_lib.evaluation.run_comparison import (
    compare,
    resample_runs,
)
from mml_lib.predictions.predictions import Predictions
from tests.support.compared_predictions import IDS, NUMBER, TARGETS, of_type, predictions, repeated


def board_of(strengths: dict[str, float], metrics: list[str], main: str) -> pd.DataFrame:
    runs = {
        run: {fold: predictions(strength, 9 * seed + fold) for fold in range(3)}
        for seed, (run, strength) in enumerate(strengths.items())
    }
    return leaderboard(standings(resample_runs(runs, metrics, 500)), main)


def test_best_procedure_stands_first_and_what_equals_it_is_marked():
    board = board_of({"weak": 0.2, "good": 3, "same": 3.1}, ["auroc", "accuracy"], "accuracy").set_index("run")
    assert list(board.index)[-1] == "weak"
    assert board["accuracy_rank"].tolist() == [1, 2, 3]
    assert board["accuracy_among_best"].to_dict() == {"good": True, "same": True, "weak": False}
    assert board.loc["weak", "accuracy_difference_high"] < 0
    assert board.loc["weak", "accuracy_p_holm"] <= 0.05
    assert np.isnan(board["accuracy_p"].iloc[0])  # the best is compared with none
    assert set(board["accuracy_about"]) == {PROCEDURE}
    assert list(board.columns)[2:6] == ["runs", "folds", "accuracy", "accuracy_std"]


def test_runs_stand_beneath_their_procedure_and_are_compared_with_the_best_run():
    runs, procedures = repeated({"good": 3, "weak": 0.5})
    runs["lone"] = {fold: predictions(1.5, 500 + fold) for fold in range(2)}
    board = leaderboard(standings(resample_runs(runs, ["accuracy"], 100, procedures=procedures)), "accuracy")
    kinds = [PROCEDURE, *["run"] * 3, PROCEDURE, PROCEDURE, *["run"] * 3]
    assert board["kind"].tolist() == kinds
    assert board["procedure"].tolist() == [*["good"] * 4, "lone", *["weak"] * 4]
    assert board["run"].tolist()[4] == "lone"
    assert board["runs"].tolist() == [3, 1, 1, 1, 1, 3, 1, 1, 1]
    beneath = board[board["kind"] == "run"]
    assert not beneath["accuracy_among_best"].any()
    best = board["accuracy"][board["kind"] == "run"].max()
    assert beneath["accuracy_difference"].dropna().to_numpy() == pytest.approx(
        beneath["accuracy"].to_numpy()[1:] - best
    )
    text = as_text(board, "accuracy")
    assert "procedure" in text.splitlines()[0]
    assert "nan" not in text


def test_lower_is_better_for_errors():
    board = board_of({"sure": 8, "weak": 0.2}, ["calibration_error"], "calibration_error")
    assert board["calibration_error"].is_monotonic_increasing
    assert board["calibration_error_difference"].iloc[1] > 0


def test_single_run_is_a_leaderboard_of_one_row():
    table = standings(resample_runs({"a": {0: predictions()}}, ["accuracy", "f1"], 50))
    board = leaderboard(table, "f1")
    assert len(board) == 1
    assert board[["f1_rank", "f1_among_best"]].iloc[0].tolist() == [1, True]
    assert board[["f1_difference", "f1_p", "f1_p_holm"]].isna().all(axis=None)
    assert "Holm" not in as_text(board, "f1")
    assert compare(resample_runs({"a": {0: predictions()}}, ["f1"], 50)).empty
    assert estimate({"a": {0: evaluate_resampled(predictions(), ["f1"], 50)}}, "f1").networks == 1


def test_undefined_metric_ranks_last_and_is_compared_with_none():
    good, targets = of_type("regression"), of_type("regression").targets
    constant = Predictions(np.ones((NUMBER, 1), "f"), targets, IDS, "regression")
    resamples = resample_runs({"a": {0: constant}, "b": {0: good}, "c": {0: good}}, ["pearson", "mae"], 50)
    board = leaderboard(standings(resamples), "pearson").set_index("run")
    assert list(board.index) == ["b", "c", "a"]
    assert board.loc["a", ["pearson", "pearson_rank", "pearson_difference", "pearson_p_holm"]].isna().all()
    assert board["pearson_among_best"].tolist() == [True, True, False]
    assert board.loc["a", "mae_rank"] == 3
    assert "nan" not in as_text(board.reset_index(), "pearson").lower()


@pytest.mark.filterwarnings("error")
def test_metric_that_nothing_defines_has_no_best():
    only = np.zeros(NUMBER, int)  # one class alone has no area under a curve
    runs = {run: {0: predictions(seed=seed, targets=only)} for seed, run in enumerate("ab")}
    board = leaderboard(standings(resample_runs(runs, ["auroc", "accuracy"], 50)), "auroc")
    assert board["auroc_rank"].isna().all()
    assert not board["auroc_among_best"].any()
    assert board["accuracy_rank"].notna().all()


def test_absent_class_is_left_out_in_all_runs_alike():
    targets = np.where(TARGETS == 2, 0, TARGETS)
    runs = {run: {0: predictions(seed=seed, targets=targets)} for seed, run in enumerate("ab")}
    table = standings(resample_runs(runs, ["balanced_accuracy", "auroc"], 50))
    assert table[["mean", "ci_low", "ci_high"]].notna().all(axis=None)


def test_text_shows_labels_and_marks():
    runs = {run: {fold: predictions(strength, fold) for fold in range(3)} for run, strength in (("0a", 3), ("0b", 0.1))}
    table = standings(resample_runs(runs, ["accuracy", "f1"], 200))
    text = as_text(leaderboard(table, "f1", {"0a": {"label": "lr=1"}, "0b": {"label": "lr=2"}}), "f1").splitlines()
    assert text[0].split()[:5] == ["rank", "run", "label", "folds", "f1"]
    assert text[1].split()[:3] == ["1", "0a", "lr=1"]
    assert (text[1].count("="), text[2].count("=")) == (3, 1)
    assert text[3].startswith("=: ")
    assert max(map(len, text[:3])) < 150
