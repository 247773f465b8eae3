"""Corrections of p-values: for many comparisons, and for folds whose training sets overlap."""

import numpy as np
import pytest

from mml_lib.evaluation.evaluation import evaluate
from mml_lib.evaluation.run_comparison import (
    compare,
    compare_folds,
    corrected_t_test,
    holm,
    resample_runs,
)
from tests.support.compared_predictions import predictions

# --- corrections --------------------------------------------------------------------------------------------------


def test_holm_gives_what_statsmodels_gives():
    """`multipletests([…], method="holm")` of 0.15; by hand 4·0.005, 3·0.01, 2·0.03, and no less than what is before."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.02, 0.02, 0.6])) == pytest.approx([1, 0.08, 0.08, 1])


def test_some_of_many_comparisons_are_corrected_for_all():
    p = np.array([0.01, 0.001, 0.2])
    assert holm(p, 10) == pytest.approx([0.09, 0.01, 1])
    among_all = holm(np.append(p, [0.5] * 7))[:3]
    assert (holm(p, 10) >= among_all - 1e-12).all()


def test_holm_counts_only_what_was_tested():
    assert holm(np.array([np.nan, 0.01, np.nan, 0.04])) == pytest.approx([np.nan, 0.02, np.nan, 0.04], nan_ok=True)
    assert holm(np.array([])).tolist() == []


def test_metrics_are_corrected_by_themselves():
    runs = {f"r{number}": {0: predictions(1 + number / 5, number)} for number in range(4)}
    table = compare(resample_runs(runs, ["accuracy", "auroc"], 400))
    for _, rows in table.groupby("metric"):
        assert len(rows) == 6
        assert rows["p_holm"].to_numpy() == pytest.approx(holm(rows["p"].to_numpy()))
    assert (table["p_holm"] > table["p"]).any()


# --- over folds ---------------------------------------------------------------------------------------------------


def test_corrected_t_test_is_that_of_nadeau_and_bengio():
    """By hand: 0.03 / √((1/5 + 1/4) · 0.00025) = √8, and the distribution of 4 degrees of freedom in closed form."""
    differences = np.array([0.02, 0.04, 0.03, 0.01, 0.05])
    mean, std, t, p = corrected_t_test(differences, [80] * 5, [20] * 5)
    root = np.sqrt(8 / (1 + 8 / 4))
    assert (mean, std, t) == pytest.approx((0.03, np.sqrt(0.00025), np.sqrt(8)))
    assert p == pytest.approx(2 * (1 - (0.5 + 3 / 8 * root * (1 - root**2 / 12))))


def test_corrected_t_test_errs_no_more_than_promised_on_overlapping_splits():
    """15 random splits into 80 and 20 of the same 100 samples, whose true difference is 0."""
    rng, plain, corrected = np.random.default_rng(0), 0, 0
    for _ in range(400):
        of_samples = rng.normal(size=100)
        differences = np.array([rng.choice(of_samples, 20, replace=False).mean() for _ in range(15)])
        plain += corrected_t_test(differences, 80, 0)[3] <= 0.05
        corrected += corrected_t_test(differences, 80, 20)[3] <= 0.05
    assert plain / 400 > 0.25
    assert 0.02 <= corrected / 400 <= 0.08


def test_folds_are_compared_where_both_runs_have_them():
    runs = {
        "a": {fold: predictions(2, fold) for fold in range(4)},
        "b": {fold: predictions(1, 9 + fold) for fold in (3, 1, 0)},
    }
    resamples = resample_runs(runs, ["accuracy"], 20)
    (row,) = compare_folds(resamples, {fold: (80 + fold, 20) for fold in range(4)}).to_dict("records")
    worth = {
        run: {fold: evaluate(network, ["accuracy"])["accuracy"] for fold, network in runs[run].items()} for run in runs
    }
    differences = np.array([worth["a"][fold] - worth["b"][fold] for fold in (0, 1, 3)])
    expected = corrected_t_test(differences, [80, 81, 83], [20] * 3)
    assert row["folds"] == 3
    assert (row["difference"], row["std"], row["t"], row["p"]) == pytest.approx(expected)
    assert row["p_holm"] == row["p"]


@pytest.mark.filterwarnings("error")
def test_fewer_than_two_folds_have_no_test():
    resamples = resample_runs({"a": {0: predictions(2)}, "b": {0: predictions(1, 1)}}, ["accuracy"], 20)
    (row,) = compare_folds(resamples, {0: (80, 20)}).to_dict("records")
    assert row["folds"] == 1
    assert row["difference"] > 0
    assert np.isnan([row["std"], row["t"], row["p"], row["p_holm"]]).all()
    assert np.isnan(corrected_t_test(np.array([]), [], [])).all()


@pytest.mark.parametrize(("differences", "p"), [([0, 0, 0], 1.0), ([0.1, 0.1, 0.1], np.nan)])
def test_differences_without_variance(differences: list[float], p: float):
    assert corrected_t_test(np.array(differences), 80, 20)[3] == pytest.approx(p, nan_ok=True)
