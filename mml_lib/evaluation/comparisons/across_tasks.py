"""Comparison of procedures across tasks: ranks, wins and losses, and tests with one observation per data set.

Demšar (Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006) recommends Friedman's test for
several procedures and Wilcoxon's signed-rank test for two. Benavoli et al. (Should we really use post-hoc tests based
on mean-ranks?, JMLR 17, 2016) recommend the latter for pairs of several procedures, too. They also recommend (Time for
a change, JMLR 18, 2017) the Bayesian signed-rank test, which gives the probability of practical equivalence.
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
"""Least number of tasks for a test."""
FEW = 13
"""Largest number of tasks for which SciPy computes the exact distribution of signed ranks with ties."""
DRAWS = 20_000
"""Number of draws from the posterior of the Bayesian signed-rank test."""

SCORES = ["metric", "task", "split", "procedure", "runs", "folds", "mean", "ci_low", "ci_high", "reason"]
RANKS = ["metric", "procedure", "tasks", "average_rank", "wins", "ties", "losses", "tested", "tested_rank"]
TESTS = [
    *("metric", "test", "procedure", "other", "tasks", "wins", "ties", "losses", "statistic", "p", "p_holm"),
    *("rope", "p_better", "p_equivalent", "p_worse", "reason"),
]
FRIEDMAN, WILCOXON, BAYES = "friedman", "wilcoxon", "bayesian signed-rank"


def score_table(networks: Sequence[TestedNetwork], siblings: Mapping[str, str]) -> pd.DataFrame:
    """Return a row for each metric, task and procedure with a value.

    Args:
        networks: networks of all tasks and procedures.
        siblings: tasks that are no independent observations, each with the task of the same data set that represents
            it.

    Returns:
        `metric task split procedure runs folds mean ci_low ci_high reason rank wins ties losses tested`: the mean over
        networks with its interval, or the reason for a missing interval; the rank among the procedures of the task (1
        is the best, ties share the mean of their ranks); the number of other procedures that are worse, equal and
        better. `tested` is True if tests use the task: all procedures have a value, and it is no sibling.
    """
    networks_by_task: dict[str, list[TestedNetwork]] = {}
    for network in networks:
        networks_by_task.setdefault(network.task, []).append(network)
    procedures = list(by_procedure(networks))
    tables = []
    for metric in metrics_of(networks):
        for task, task_networks in networks_by_task.items():
            rows = [_score(metric, task, name, members) for name, members in by_procedure(task_networks).items()]
            table = pd.DataFrame(rows, columns=SCORES).dropna(subset="mean")
            values = _as_losses(table["mean"].to_numpy(), metric)
            excess = less(values[:, None], values[None])
            table["rank"] = ((excess > 0).sum(axis=1) + (excess >= 0).sum(axis=1) + 1) / 2
            table["wins"] = (excess < 0).sum(axis=1)
            table["ties"] = (excess == 0).sum(axis=1) - 1
            table["losses"] = (excess > 0).sum(axis=1)
            table["tested"] = task not in siblings and len(table) == len(procedures)
            tables.append(table)
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def _score(metric: str, task: str, procedure: str, networks: Sequence[TestedNetwork]) -> tuple:
    with_metric = [network for network in networks if metric in network.metrics.metrics]
    if not with_metric:
        return (metric, task, "", procedure, 0, 0, np.nan, np.nan, np.nan, "")
    interval = estimate(runs_of(with_metric), metric)
    sizes = (len({network.run for network in with_metric}), len({network.fold for network in with_metric}))
    value = (interval.mean, interval.low, interval.high, interval.reason)
    return (metric, task, with_metric[0].split, procedure, *sizes, *value)


def _as_losses(values: np.ndarray, metric: str) -> np.ndarray:
    """Return values of a metric with the sign for which lower is better."""
    return values if lower_is_better(name_per_sample(metric)) else -values


def rank_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each metric and procedure, the best average rank first.

    Returns:
        `metric procedure tasks average_rank wins ties losses tested tested_rank`: wins, ties and losses against all
        others on all tasks; the number of tasks in the tests, and the average rank on these.
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
    """Return the values of a metric on the tasks of the tests, tasks×procedures."""
    rows = scores[(scores["metric"] == metric) & scores["tested"]]
    procedures = list(dict.fromkeys(scores["procedure"]))
    matrix = rows.pivot(index="task", columns="procedure", values="mean")
    return matrix.reindex(columns=procedures, index=list(dict.fromkeys(rows["task"])))


def table_of_tests(scores: pd.DataFrame, rope: float) -> pd.DataFrame:
    """Return the tests of each metric, or the reason why there are none.

    Args:
        scores: result of `score_table`.
        rope: largest difference without practical relevance (half-width of the region of practical equivalence).

    Returns:
        `metric test procedure other tasks wins ties losses statistic p p_holm rope p_better p_equivalent p_worse
        reason`: Friedman's test of three or more procedures with the χ² statistic; Wilcoxon's test of each pair with
        the lesser rank sum, and `p_holm` corrected over the pairs; the Bayesian test of each pair with the
        probabilities that, on another task, the first is better, both are equivalent, and the first is worse. Wins are
        those of the first.
    """
    rows = []
    for metric in dict.fromkeys(scores["metric"]):
        matrix = matrix_of(scores, metric)
        if len(matrix) < FEWEST:
            rows.append({"metric": metric, "tasks": len(matrix), "reason": too_few(len(matrix))})
            continue
        keys = {"metric": metric, "tasks": len(matrix)}
        if matrix.shape[1] > 2:
            statistic, p = friedman(matrix.to_numpy())
            rows.append({**keys, "test": FRIEDMAN, "statistic": statistic, "p": p})
        pairs = list(combinations(matrix.columns, 2))
        tests = [wilcoxon(differences(matrix, pair, metric)) for pair in pairs]
        corrected = holm(np.array([p for _, p in tests]))
        compared = [keys | _counts(matrix, pair, metric) for pair in pairs]
        for row, (statistic, p), p_holm in zip(compared, tests, corrected, strict=True):
            rows.append({**row, "test": WILCOXON, "statistic": statistic, "p": p, "p_holm": p_holm})
        for row, pair in zip(compared, pairs, strict=True):
            posterior = signed_rank_posterior(differences(matrix, pair, metric), rope)
            probabilities = dict(zip(("p_better", "p_equivalent", "p_worse"), posterior, strict=True))
            rows.append({**row, "test": BAYES, "rope": rope, **probabilities})
    return pd.DataFrame(rows, columns=TESTS).astype(dict.fromkeys(("tasks", "wins", "ties", "losses"), "Int64"))


def too_few(tasks: int) -> str:
    """Return the reason why there is no test with few tasks."""
    count = "there is 1 task" if tasks == 1 else f"there are {tasks} tasks"
    return (
        f"no test: {count} of different data that all procedures were tested on, and {FEWEST} or more are needed "
        f"(with {tasks}, the least p of a signed-rank test is {min(1.0, 2 / 2**tasks):.2g})"
    )


def too_few_for_pairs(tests: pd.DataFrame) -> str:
    """Return the reason why no pair of procedures can differ significantly with few tasks; empty if pairs can.

    Args:
        tests: rows of one metric of `table_of_tests`.
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
    """Return the improvement of the first of two procedures on each task; for errors, divided by the mean of both."""
    first, other = (matrix[name].to_numpy() for name in pair)
    better = less(other, first) if lower_is_better(name_per_sample(metric)) else less(first, other)
    if not _is_error(metric):
        return better
    means = (first + other) / 2
    return np.divide(better, means, out=np.zeros_like(better), where=means > 0)


def _is_error(metric: str) -> bool:
    """Return True for errors, which have the range 0 to infinity."""
    properties = properties_of(name_per_sample(metric))
    return properties is not None and properties.scale == "error"


def _counts(matrix: pd.DataFrame, pair: tuple[str, str], metric: str) -> dict[str, str | int]:
    signs = np.sign(differences(matrix, pair, metric))
    counts = {"wins": int((signs > 0).sum()), "ties": int((signs == 0).sum()), "losses": int((signs < 0).sum())}
    return {"procedure": pair[0], "other": pair[1], **counts}


def friedman(values: np.ndarray) -> tuple[float, float]:
    """Return the χ² statistic and the p of Friedman's test, corrected for ties.

    Args:
        values: values of a metric, tasks×procedures.
    """
    from scipy.stats import friedmanchisquare

    if (values == values[:, :1]).all():
        return 0.0, 1.0
    statistic, p = friedmanchisquare(*values.T)
    return float(statistic), float(p)


def wilcoxon(gaps: np.ndarray) -> tuple[float, float]:
    """Return the lesser rank sum and the two-sided p of Wilcoxon's signed-rank test. Ties count half for each side.

    p is exact for up to 13 tasks, and for up to 50 tasks without equal differences.

    Args:
        gaps: difference of two procedures on each task.
    """
    from scipy.stats import rankdata
    from scipy.stats import wilcoxon as signed_rank

    if not gaps.any():
        return np.nan, 1.0
    ranks = rankdata(np.abs(gaps))
    if len(gaps) > FEW or len(np.unique(np.abs(gaps))) == len(gaps) == np.count_nonzero(gaps):
        result = signed_rank(gaps, zero_method="zsplit")
        return float(result.statistic), float(result.pvalue)
    # With ties, SciPy enumerates all signs, which takes seconds. This counts them by convolution.
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
    """Return the probabilities that differences are above, in and below the region of practical equivalence.

    The Bayesian signed-rank test (Benavoli et al. 2014, 2017): means of pairs of differences are weighted by draws from
    a Dirichlet process. Its prior is one observation at 0 with the weight 0.5.

    Args:
        gaps: difference of two procedures on each task.
        rope: half-width of the region.
        seed: seed of the draws.
    """
    values = np.concatenate([[0.0], gaps])
    sums = values[:, None] + values[None]
    weights = np.random.default_rng(seed).dirichlet([0.5, *np.ones(len(gaps))], DRAWS)
    regions = [sums > 2 * rope, np.abs(sums) <= 2 * rope, sums < -2 * rope]
    shares = np.stack([((weights @ region) * weights).sum(axis=1) for region in regions])
    largest = np.isclose(shares, shares.max(axis=0))
    above, within, below = (largest / largest.sum(axis=0)).mean(axis=1).tolist()
    return above, within, below


def cliques(tests: pd.DataFrame, order: Sequence[str]) -> list[tuple[int, int]]:
    """Return the first and last place of each maximal group of neighbours by rank without significant differences.

    All procedures are one group if Friedman's test is not significant.

    Args:
        tests: rows of one metric of `table_of_tests`.
        order: procedures, the best average rank first.
    """
    friedman_p = tests.loc[tests["test"] == FRIEDMAN, "p"]
    pairs = tests[(tests["test"] == WILCOXON) & (tests["p_holm"] <= ALPHA)]
    significant = {frozenset(pair) for pair in zip(pairs["procedure"], pairs["other"], strict=True)}
    if len(friedman_p) and not friedman_p.iloc[0] <= ALPHA:
        significant = set()
    groups: list[tuple[int, int]] = []
    for start in range(len(order)):
        end = start
        for place in range(start + 1, len(order)):
            if any(frozenset((order[place], other)) in significant for other in order[start:place]):
                break
            end = place
        if end > start and not (groups and groups[-1][1] >= end):
            groups.append((start, end))
    return groups


# --- texts --------------------------------------------------------------------------------------------------------


def sentences(scores: pd.DataFrame, tests: pd.DataFrame, siblings: Mapping[str, str]) -> list[str]:
    """Return the observations of the tests, and the reason if there are none."""
    untested = tests.dropna(subset="reason")
    lines = [
        f"{', '.join(metrics)}: {reason}."
        for reason, metrics in untested.groupby("reason", sort=False)["metric"].unique().items()
    ]
    for metric, rows in tests.groupby("metric", sort=False):
        lines += [f"{metric}: {reason}."] if (reason := too_few_for_pairs(rows)) else []
    left_out = [task for task in dict.fromkeys(scores["task"]) if task in siblings]
    if left_out:
        listed = ", ".join(f"{task} ({siblings[task]})" for task in left_out[:10])
        rest = f" and {len(left_out) - 10} more" if len(left_out) > 10 else ""
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
