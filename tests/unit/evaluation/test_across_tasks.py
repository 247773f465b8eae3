"""Procedures across tasks: ranks, wins and losses, and tests as in published examples."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mml_lib.evaluation.comparisons.across_tasks import (
    as_text,
    cliques,
    differences,
    friedman,
    matrix_of,
    rank_table,
    score_table,
    signed_rank_posterior,
    table_of_tests,
    too_few,
    wilcoxon,
)
from mml_lib.evaluation.comparisons.tested import TestedNetwork
from mml_lib.reports.question_figures import draw_critical_differences
from tests.support.messages import mentions
from tests.support.small_networks import network_of

DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
"""AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets (Demšar 2006, tables 2 and 6)."""
NAMES = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]


def valued(values: np.ndarray, names: list[str], metric: str = "auroc") -> list[TestedNetwork]:
    """Return networks with given values, tasks×procedures; NaN: none there."""
    from dataclasses import replace

    model = network_of(metrics=(metric,), resamples=0)
    return [
        replace(
            model,
            task=f"t{task}",
            procedures=(name,),
            run=f"{name}{task}",
            metrics=replace(model.metrics, values=np.array([values[task, place]]), sample_set=f"t{task}"),
        )
        for task in range(len(values))
        for place, name in enumerate(names)
        if not np.isnan(values[task, place])
    ]


def tables(values: np.ndarray, names: list[str], metric: str = "auroc", siblings: dict | None = None) -> tuple:
    scores = score_table(valued(values, names, metric), siblings or {})
    return scores, rank_table(scores), table_of_tests(scores, 0.01)


def test_ranks_are_those_of_demsar():
    _, ranks, _ = tables(DEMSAR, NAMES)
    ordered = ranks.set_index("procedure")["average_rank"]
    assert ordered.round(3).to_dict() == {"C4.5+m+cf": 1.964, "C4.5+m": 2.0, "C4.5+cf": 2.893, "C4.5": 3.143}
    assert ordered.is_monotonic_increasing


def test_friedman_is_that_of_demsar():
    """He gives χ² = 9.28 without the correction for ties, which SciPy has."""
    _, ranks, tests = tables(DEMSAR, NAMES)
    means = ranks["average_rank"].to_numpy()
    uncorrected = 12 * 14 / (4 * 5) * ((means**2).sum() - 4 * 5**2 / 4)
    assert uncorrected == pytest.approx(9.28, abs=0.01)
    ties = sum(size**3 - size for size in (2, 2, 4, 2))
    corrected = uncorrected / (1 - ties / (14 * (4**3 - 4)))
    row = tests[tests["test"] == "friedman"].iloc[0]
    assert row["statistic"] == pytest.approx(corrected)
    assert 0.01 < row["p"] < 0.05


def test_wilcoxon_is_that_of_demsar():
    """He gives rank sums of 12 and 93, with ties halved, z = -2.54, and three decimals of each value."""
    scores, _, tests = tables(DEMSAR[:, :2], NAMES[:2])
    row = tests[tests["test"] == "wilcoxon"].iloc[0]
    assert row["statistic"] == 12
    assert row["p"] == pytest.approx(0.0111, abs=5e-4)
    assert (row["procedure"], row["wins"], row["ties"], row["losses"]) == ("C4.5", 2, 2, 10)
    assert "friedman" not in set(tests["test"]), "two procedures need no test of several"
    assert len(matrix_of(scores, "auroc")) == 14


@pytest.mark.parametrize("gaps", [DEMSAR[:7, 1] - DEMSAR[:7, 0], [1, 1, -1, 2, 0], [0.5, 1, 2, 3, -4], [1, 2, 0, 0, 3]])
def test_exact_p_of_few_tasks_is_that_of_scipy(gaps):
    from scipy.stats import wilcoxon as signed_rank

    expected = signed_rank(gaps, zero_method="zsplit")
    assert wilcoxon(np.array(gaps, float)) == pytest.approx((expected.statistic, expected.pvalue))


def test_bayesian_test_is_that_of_baycomp():
    """baycomp 1.0.3 gives 0.670, 0.330 and 0.000 (200,000 samples), and 0.9991 without a region of equivalence."""
    gaps = DEMSAR[:, 1] - DEMSAR[:, 0]
    assert signed_rank_posterior(gaps, 0.01) == pytest.approx((0.670, 0.330, 0), abs=0.01)
    assert signed_rank_posterior(gaps, 0.0)[0] == pytest.approx(0.9991, abs=1e-3)
    assert sum(signed_rank_posterior(-gaps, 0.01)) == pytest.approx(1)


def test_pairs_are_corrected_by_holm():
    _, _, tests = tables(DEMSAR, NAMES)
    pairs = tests[tests["test"] == "wilcoxon"]
    assert len(pairs) == 6
    assert pairs["p_holm"].min() == pytest.approx(6 * pairs["p"].min())


def test_lower_errors_rank_first():
    losses = np.array([[0.5, 0.2, 0.9]] * 6) + 0.01 * np.arange(6)[:, None]
    scores, ranks, tests = tables(losses, ["a", "b", "c"], "log_loss")
    assert ranks["procedure"].tolist() == ["b", "a", "c"]
    first = scores[scores["task"] == "t0"].set_index("procedure")
    assert first.loc["b", ["rank", "wins", "ties", "losses"]].tolist() == [1, 2, 0, 0]
    row = tests[(tests["test"] == "bayesian signed-rank") & (tests["procedure"] == "a")].iloc[0]
    assert (row["other"], row["wins"], row["losses"]) == ("b", 0, 6)
    assert row["p_worse"] > 0.99
    relative = differences(matrix_of(scores, "log_loss"), ("a", "b"), "log_loss")
    assert relative[0] == pytest.approx(-0.3 / 0.35), "errors are compared by their shares"


def test_ties_share_the_mean_of_their_ranks():
    scores, ranks, _ = tables(np.array([[0.5, 0.5, 0.4], [0.1 + 0.2, 0.3, 0.9]]), ["a", "b", "c"])
    assert scores["rank"].tolist() == [1.5, 1.5, 3, 2.5, 2.5, 1]
    assert ranks.set_index("procedure").loc["a", ["wins", "ties", "losses"]].tolist() == [1, 2, 1]


@pytest.mark.parametrize("tasks", [1, 2, 4])
def test_few_tasks_have_a_table_and_no_test(tasks: int, tmp_path: Path):
    scores, ranks, tests = tables(DEMSAR[:tasks], NAMES)
    assert len(scores) == 4 * tasks
    assert tests["test"].isna().all()
    assert "5 or more are needed" in tests["reason"].iloc[0]
    assert "5 or more are needed" in as_text(scores, ranks, tests, {})
    draw_critical_differences(ranks, tests, tmp_path)
    assert "no test: there" in (tmp_path / "auroc.svg").read_text(encoding="utf-8")


def test_metrics_share_the_sentence_that_says_why_there_is_no_test():
    scores, ranks, tests = tables(DEMSAR[:2], NAMES)
    twice = pd.concat([tests, tests.assign(metric="f1")])
    lines = as_text(scores, ranks, twice, {}).splitlines()
    assert [line.partition(":")[0] for line in lines if "no test" in line] == ["auroc, f1"]


def test_sentence_names_the_least_p_of_few_tasks():
    assert "there are 4 tasks" in too_few(4)
    assert "0.12" in too_few(4)
    assert "there is 1 task " in too_few(1)


def test_sentence_says_where_no_pair_can_be_told_apart():
    scores, ranks, tests = tables(DEMSAR[:6], NAMES)
    text = as_text(scores, ranks, tests, {})
    assert mentions(text, "6 tasks", "0.031", "corrected 0.19")
    scores, ranks, tests = tables(DEMSAR, NAMES)
    assert "no pair can be" not in as_text(scores, ranks, tests, {})


def test_siblings_are_in_the_table_and_in_no_test():
    siblings = {f"t{number}": "t0" for number in range(1, 10)}
    scores, ranks, tests = tables(DEMSAR, NAMES, siblings=siblings)
    assert len(scores) == 4 * 14
    assert set(tests["tasks"]) == {5}
    assert (ranks["tasks"] == 14).all()
    assert (ranks["tested"] == 5).all()
    assert mentions(as_text(scores, ranks, tests, siblings), "left out", "t1 (t0)")


def test_tasks_that_lack_a_procedure_are_in_no_test():
    lacking = DEMSAR.copy()
    lacking[0, 0] = np.nan
    scores, _, tests = tables(lacking, NAMES)
    assert set(tests["tasks"]) == {13}
    assert scores[scores["task"] == "t0"]["rank"].tolist() == [3, 2, 1]


def test_equal_procedures_are_not_told_apart():
    same = np.repeat(DEMSAR[:, :1], 3, axis=1)
    _, ranks, tests = tables(same, ["a", "b", "c"])
    assert friedman(same) == (0.0, 1.0)
    assert wilcoxon(np.zeros(5))[1] == 1.0
    assert tests["p"].dropna().eq(1).all()
    assert cliques(tests, ranks["procedure"].tolist()) == [(0, 2)]
    assert tests["p_equivalent"].dropna().eq(1).all()


def test_bars_join_neighbours_that_no_test_tells_apart():
    pairs = [("a", "b", 0.9), ("a", "c", 0.01), ("a", "d", 0.01), ("b", "c", 0.2), ("b", "d", 0.01), ("c", "d", 0.3)]
    rows = [{"test": "wilcoxon", "procedure": one, "other": two, "p_holm": p} for one, two, p in pairs]
    tests = pd.DataFrame([{"test": "friedman", "p": 0.001}, *rows])
    assert cliques(tests, ["a", "b", "c", "d"]) == [(0, 1), (1, 2), (2, 3)]
    tests.loc[0, "p"] = 0.2
    assert cliques(tests, ["a", "b", "c", "d"]) == [(0, 3)], "Friedman's test finds no difference at all"


def test_diagram_has_all_procedures(tmp_path: Path):
    _, ranks, tests = tables(DEMSAR, NAMES)
    draw_critical_differences(ranks, tests, tmp_path)
    drawn = (tmp_path / "auroc.svg").read_text(encoding="utf-8")
    assert all(f"{name} (" in drawn for name in NAMES)
    assert "over 14 tasks" in drawn
