"""Comparison of procedures across tasks: ranks, wins and losses, and tests that take each data set as one observation.

Demšar (Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006) recommends Friedman's test for
several procedures and Wilcoxon's signed-rank test for two. Benavoli et al. (Should we really use post-hoc tests based
on mean-ranks?, JMLR 17, 2016) recommend the latter for pairs of several too, and (Time for a change, JMLR 18, 2017) the
Bayesian signed-rank test, which says how probable it is that two are practically equivalent.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from mml_lib.config.metric_options import lower_is_better, name_per_sample
from mml_lib.evaluation.comparisons.tested import TestedNetwork, by_procedure, metrics_of, runs_of
from mml_lib.evaluation.procedures import estimate, less
from mml_lib.evaluation.run_comparison import ALPHA, holm
from mml_lib.metrics import properties_of

FEWEST = 5
"""Tasks that a test needs."""
FEW = 13
"""Tasks up to which signed ranks with ties have an exact distribution."""
DRAWS = 20_000
"""Draws from the posterior of the Bayesian signed-rank test."""

SCORES = ["metric", "task", "split", "procedure", "runs", "folds", "mean", "ci_low", "ci_high", "reason"]
RANKS = ["metric", "procedure", "tasks", "average_rank", "wins", "ties", "losses", "tested", "tested_rank"]
TESTS = [
    *("metric", "test", "procedure", "other", "tasks", "wins", "ties", "losses", "statistic", "p", "p_holm"),
    *("rope", "p_better", "p_equivalent", "p_worse", "reason"),
]
FRIEDMAN, WILCOXON, BAYES = "friedman", "wilcoxon", "bayesian signed-rank"


def score_table(networks: Sequence[TestedNetwork], siblings: Mapping[str, str]) -> pd.DataFrame:
    """Return a row for each metric, task and procedure that has a value there.

    Args:
        networks: networks of all tasks and procedures.
        siblings: tasks that are no further evidence, each with the task of the same data set that counts for both.

    Returns:
        `metric task split procedure runs folds mean ci_low ci_high reason rank wins ties losses tested`: the mean over
        networks with its interval, or the reason why there is none; the rank among the procedures of the task (1 the
        best, equal ones share the mean of their ranks); how many of the others it beats, equals and is beaten by;
        whether the task takes part in tests: all procedures have a value, and it is no sibling.
    """
    of_tasks: dict[str, list[TestedNetwork]] = {}
    for network in networks:
        of_tasks.setdefault(network.task, []).append(network)
    procedures = list(by_procedure(networks))
    tables = []
    for metric in metrics_of(networks):
        for task, of_task in of_tasks.items():
            rows = [_score(metric, task, name, members) for name, members in by_procedure(of_task).items()]
            table = pd.DataFrame(rows, columns=SCORES).dropna(subset="mean")
            values = _best_first(table["mean"].to_numpy(), metric)
            ahead = less(values[:, None], values[None])
            table["rank"] = ((ahead > 0).sum(axis=1) + (ahead >= 0).sum(axis=1) + 1) / 2
            table["wins"] = (ahead < 0).sum(axis=1)
            table["ties"] = (ahead == 0).sum(axis=1) - 1
            table["losses"] = (ahead > 0).sum(axis=1)
            table["tested"] = task not in siblings and len(table) == len(procedures)
            tables.append(table)
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def _score(metric: str, task: str, procedure: str, networks: Sequence[TestedNetwork]) -> tuple:
    with_metric = [network for network in networks if metric in network.metrics.metrics]
    if not with_metric:
        return (metric, task, "", procedure, 0, 0, np.nan, np.nan, np.nan, "")
    of_metric = estimate(runs_of(with_metric), metric)
    sizes = (len({network.run for network in with_metric}), len({network.fold for network in with_metric}))
    value = (of_metric.mean, of_metric.low, of_metric.high, of_metric.reason)
    return (metric, task, with_metric[0].split, procedure, *sizes, *value)


def _best_first(values: np.ndarray, metric: str) -> np.ndarray:
    """Return values of which the least is the best."""
    return values if lower_is_better(name_per_sample(metric)) else -values


def rank_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each metric and procedure, the best average rank first.

    Returns:
        `metric procedure tasks average_rank wins ties losses tested tested_rank`: wins, ties and losses against all
        others on all tasks; the number of tasks that take part in tests, and the average rank on these.
    """
    rows = []
    for (metric, procedure), table in scores.groupby(["metric", "procedure"], sort=False):
        tested = table[table["tested"]]
        counts = [int(table[key].sum()) for key in ("wins", "ties", "losses")]
        rows.append((metric, procedure, len(table), table["rank"].mean(), *counts, len(tested), tested["rank"].mean()))
    table = pd.DataFrame(rows, columns=RANKS)
    places = {metric: place for place, metric in enumerate(dict.fromkeys(table["metric"]))}
    order = table.assign(place=table["metric"].map(places)).sort_values(["place", "average_rank"], kind="stable")
    return order[RANKS].reset_index(drop=True)


# --- tests --------------------------------------------------------------------------------------------------------


def matrix_of(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the values of a metric on the tasks that take part in tests, tasks×procedures."""
    own = scores[(scores["metric"] == metric) & scores["tested"]]
    procedures = list(dict.fromkeys(scores["procedure"]))
    matrix = own.pivot(index="task", columns="procedure", values="mean")
    return matrix.reindex(columns=procedures, index=list(dict.fromkeys(own["task"])))


def table_of_tests(scores: pd.DataFrame, rope: float) -> pd.DataFrame:
    """Return the tests of each metric, or why there are none.

    Args:
        scores: as `score_table` gives them.
        rope: largest difference that does not matter.

    Returns:
        `metric test procedure other tasks wins ties losses statistic p p_holm rope p_better p_equivalent p_worse
        reason`: of Friedman's test the χ² statistic (of three procedures or more); of each pair the least rank sum of
        Wilcoxon's test and p_holm, corrected over the pairs; of the Bayesian test how probable it is that the first is
        better, that both are equivalent, and that it is worse, on a further task. Wins are those of the first.
    """
    rows = []
    for metric in dict.fromkeys(scores["metric"]):
        matrix = matrix_of(scores, metric)
        if len(matrix) < FEWEST:
            rows.append({"metric": metric, "tasks": len(matrix), "reason": too_few(len(matrix))})
            continue
        of_metric = {"metric": metric, "tasks": len(matrix)}
        if matrix.shape[1] > 2:
            statistic, p = friedman(matrix.to_numpy())
            rows.append({**of_metric, "test": FRIEDMAN, "statistic": statistic, "p": p})
        pairs = list(combinations(matrix.columns, 2))
        tests = [wilcoxon(differences(matrix, pair, metric)) for pair in pairs]
        corrected = holm(np.array([p for _, p in tests]))
        compared = [of_metric | _counts(matrix, pair, metric) for pair in pairs]
        for row, (statistic, p), p_holm in zip(compared, tests, corrected, strict=True):
            rows.append({**row, "test": WILCOXON, "statistic": statistic, "p": p, "p_holm": p_holm})
        for row, pair in zip(compared, pairs, strict=True):
            shares = signed_rank_posterior(differences(matrix, pair, metric), rope)
            of_test = dict(zip(("p_better", "p_equivalent", "p_worse"), shares, strict=True))
            rows.append({**row, "test": BAYES, "rope": rope, **of_test})
    return pd.DataFrame(rows, columns=TESTS).astype(dict.fromkeys(("tasks", "wins", "ties", "losses"), "Int64"))


def too_few(tasks: int) -> str:
    """Return why so few tasks are no test."""
    there = "there is 1 task" if tasks == 1 else f"there are {tasks} tasks"
    return (
        f"no test: {there} of different data that all procedures were tested on, and {FEWEST} or more are needed "
        f"(with {tasks}, the least p of a signed-rank test is {min(1.0, 2 / 2**tasks):.2g})"
    )


def too_few_for_pairs(tests: pd.DataFrame) -> str:
    """Return why so few tasks tell no pair of procedures apart; empty where they may.

    Args:
        tests: of one metric, as `table_of_tests` gives them.
    """
    pairs = tests[tests["test"] == WILCOXON]
    if not len(pairs):
        return ""
    tasks = int(pairs["tasks"].iloc[0])
    least = len(pairs) * 2 / 2**tasks
    if least <= ALPHA:
        return ""
    values = f"its least p is {2 / 2**tasks:.2g}, corrected {min(least, 1.0):.2g}"
    return f"with {tasks} tasks no pair can differ significantly: {values}"


def differences(matrix: pd.DataFrame, pair: tuple[str, str], metric: str) -> np.ndarray:
    """Return by how much the first of two procedures is better on each task; of errors as a share of their mean."""
    first, other = (matrix[name].to_numpy() for name in pair)
    better = less(other, first) if lower_is_better(name_per_sample(metric)) else less(first, other)
    if not _is_error(metric):
        return better
    means = (first + other) / 2
    return np.divide(better, means, out=np.zeros_like(better), where=means > 0)


def _is_error(metric: str) -> bool:
    """Return True for errors from 0 on, without end."""
    properties = properties_of(name_per_sample(metric))
    return properties is not None and properties.scale == "error"


def _counts(matrix: pd.DataFrame, pair: tuple[str, str], metric: str) -> dict[str, str | int]:
    signs = np.sign(differences(matrix, pair, metric))
    counts = {"wins": int((signs > 0).sum()), "ties": int((signs == 0).sum()), "losses": int((signs < 0).sum())}
    return {"procedure": pair[0], "other": pair[1], **counts}


def friedman(values: np.ndarray) -> tuple[float, float]:
    """Return the χ² statistic and the p of Friedman's test, corrected for ties.

    Args:
        values: tasks×procedures.
    """
    from scipy.stats import friedmanchisquare

    if (values == values[:, :1]).all():
        return 0.0, 1.0
    statistic, p = friedmanchisquare(*values.T)
    return float(statistic), float(p)


def wilcoxon(gaps: np.ndarray) -> tuple[float, float]:
    """Return the lesser rank sum and the two-sided p of Wilcoxon's signed-rank test; ties count half for either side.

    p is exact of up to 13 tasks, and of up to 50 where no differences are equal.

    Args:
        gaps: difference of each task.
    """
    from scipy.stats import rankdata
    from scipy.stats import wilcoxon as signed_rank

    if not gaps.any():
        return np.nan, 1.0
    ranks = rankdata(np.abs(gaps))
    if len(gaps) > FEW or len(np.unique(np.abs(gaps))) == len(gaps) == np.count_nonzero(gaps):
        result = signed_rank(gaps, zero_method="zsplit")
        return float(result.statistic), float(result.pvalue)
    # SciPy flips the signs of few tied differences one by one, which takes seconds.
    zeros = ranks[gaps == 0].sum() / 2
    doubled = np.rint(2 * ranks[gaps != 0]).astype(int)
    counts = np.ones(1)
    for rank in doubled:
        counts = np.pad(counts, (0, rank)) + np.pad(counts, (rank, 0))
    above = int(np.rint(2 * ranks[gaps > 0].sum()))
    tails = counts[: above + 1].sum(), counts[above:].sum()
    least = min(above, doubled.sum() - above) / 2 + zeros
    return float(least), float(min(1.0, 2 * min(tails) / counts.sum()))


def signed_rank_posterior(gaps: np.ndarray, rope: float, seed: int = 0) -> tuple[float, float, float]:
    """Return how probable it is that differences are above the region of equivalence, in it, and below it.

    The Bayesian signed-rank test (Benavoli et al. 2014, 2017): means of two differences are weighted by draws from a
    Dirichlet process whose prior is one observation of half a weight at 0.

    Args:
        gaps: difference of each task.
        rope: half the width of the region.
        seed: seed of the draws.
    """
    values = np.concatenate([[0.0], gaps])
    sums = values[:, None] + values[None]
    weights = np.random.default_rng(seed).dirichlet([0.5, *np.ones(len(gaps))], DRAWS)
    regions = [sums > 2 * rope, np.abs(sums) <= 2 * rope, sums < -2 * rope]
    shares = np.stack([((weights @ region) * weights).sum(axis=1) for region in regions])
    most = np.isclose(shares, shares.max(axis=0))
    above, within, below = (most / most.sum(axis=0)).mean(axis=1).tolist()
    return above, within, below


def cliques(tests: pd.DataFrame, order: Sequence[str]) -> list[tuple[int, int]]:
    """Return the first and last place of neighbours by rank that no test tells apart; those within others are left out.

    Where Friedman's test finds no difference at all, that is all of them.

    Args:
        tests: of one metric, as `table_of_tests` gives them.
        order: procedures, the best average rank first.
    """
    of_friedman = tests.loc[tests["test"] == FRIEDMAN, "p"]
    pairs = tests[(tests["test"] == WILCOXON) & (tests["p_holm"] <= ALPHA)]
    apart = {frozenset(pair) for pair in zip(pairs["procedure"], pairs["other"], strict=True)}
    if len(of_friedman) and not of_friedman.iloc[0] <= ALPHA:
        apart = set()
    groups: list[tuple[int, int]] = []
    for start in range(len(order)):
        end = start
        for place in range(start + 1, len(order)):
            if any(frozenset((order[place], other)) in apart for other in order[start:place]):
                break
            end = place
        if end > start and not (groups and groups[-1][1] >= end):
            groups.append((start, end))
    return groups


# --- texts --------------------------------------------------------------------------------------------------------


def sentences(scores: pd.DataFrame, tests: pd.DataFrame, siblings: Mapping[str, str]) -> list[str]:
    """Return the observations of the tests, and the reason if there are none."""
    without = tests.dropna(subset="reason")
    lines = [
        f"{', '.join(of_reason)}: {reason}."
        for reason, of_reason in without.groupby("reason", sort=False)["metric"].unique().items()
    ]
    for metric, of_metric in tests.groupby("metric", sort=False):
        lines += [f"{metric}: {reason}."] if (reason := too_few_for_pairs(of_metric)) else []
    there = [task for task in dict.fromkeys(scores["task"]) if task in siblings]
    if there:
        listed = ", ".join(f"{task} ({siblings[task]})" for task in there[:10])
        rest = f" and {len(there) - 10} more" if len(there) > 10 else ""
        lines.append(f"Tests use each data set once; left out, with the task that counts: {listed}{rest}.")
    if (tests["test"] == WILCOXON).any():
        lines.append("p of pairs is of Wilcoxon's signed-rank test over tasks, corrected by Holm.")
        relative = [metric for metric in dict.fromkeys(tests["metric"]) if _is_error(metric)]
        lines += [f"Differences of {', '.join(relative)} are shares of their mean."] if relative else []
    return lines


def as_text(scores: pd.DataFrame, ranks: pd.DataFrame, tests: pd.DataFrame, siblings: Mapping[str, str]) -> str:
    """Return average ranks and pairs as tables for a terminal."""
    view = ranks[["metric", "procedure", "tasks", "average_rank", "wins", "ties", "losses"]].copy()
    view["average_rank"] = view["average_rank"].map("{:.3f}".format)
    lines = [view.to_string(index=False)]
    pairs = tests[tests["test"] == WILCOXON][["metric", "procedure", "other", "tasks", "p", "p_holm"]]
    if len(pairs):
        lines.append(pairs.to_string(index=False, float_format="{:.4f}".format))
    return "\n".join([*lines, *sentences(scores, tests, siblings)])
