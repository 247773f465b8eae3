"""The leaderboard: what each run is worth, and which cannot be told apart from the best."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mml_lib.config.metrics import LOWER_IS_BETTER
from mml_lib.errors import MMLError, nearest
from mml_lib.postprocessing.comparison import ALPHA, Resamples, compare, less
from mml_lib.postprocessing.summary import HIGH, LOW

MARK = "="
"""What stands, in a text, beside a value that is the best or cannot be told apart from it."""


def standings(resamples: Resamples) -> pd.DataFrame:
    """Return what each run, or ensemble, is worth, next to the best one: a row for each run and metric.

    Corrected are the comparisons with the best of a metric. Which run is best is told by the same samples, so that of
    equally good runs the worst is told apart from the best somewhat more often than in 5 % of cases (of ten runs in
    about 9 %); where that matters, compare all pairs.

    Returns:
        `metric run folds mean ci_low ci_high rank difference difference_low difference_high p p_holm among_best`:
        the mean over folds with its bootstrap interval; its rank (1 the best; NaN where it is undefined, equal ones
        share the first); by how much it exceeds the best (negative is worse, unless lower is better); whether it is the
        best, or p_holm > 0.05, or there is no p (a single sample, no spread).
    """
    tables = []
    for number, metric in enumerate(resamples.metrics):
        rows = [
            (metric, run, len(folds), resamples.means(run)[number], *resamples.interval(run)[number])
            for run, folds in resamples.folds.items()
        ]
        table = pd.DataFrame(rows, columns=["metric", "run", "folds", "mean", "ci_low", "ci_high"])
        sign = 1 if metric in LOWER_IS_BETTER else -1
        table["rank"] = _ranks(sign * table["mean"].to_numpy())
        tables.append(table.merge(_next_to_best(resamples, table, metric), how="left", on="run"))
    found = pd.concat(tables, ignore_index=True)
    found["among_best"] = found["among_best"].eq(True)
    return found


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1, the least, on; what differs by rounding only shares the first, NaN has none."""
    ranks = np.full(len(values), np.nan)
    order = [row for row in np.argsort(values, kind="stable") if not np.isnan(values[row])]
    for place, row in enumerate(order):
        tied = place and less(values[row], values[order[place - 1]]) == 0
        ranks[row] = ranks[order[place - 1]] if tied else place + 1
    return ranks


def _next_to_best(resamples: Resamples, table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the comparison of all runs with the best one, which is compared with none."""
    names = {"difference": "difference", "ci_low": "difference" + LOW, "ci_high": "difference" + HIGH}
    best = table["run"][table["rank"] == 1]
    if best.empty:  # nothing defines the metric
        return pd.DataFrame(columns=["run", *names.values(), "p", "p_holm", "among_best"])
    compared = compare(resamples, to=best.iloc[0])
    compared = compared[compared["metric"] == metric].rename(columns=names)[["run", *names.values(), "p", "p_holm"]]
    compared["among_best"] = compared["difference"].notna() & ~(compared["p_holm"] <= ALPHA)
    return pd.concat([compared, pd.DataFrame({"run": best.iloc[:1], "among_best": True})], ignore_index=True)


def leaderboard(table: pd.DataFrame, main: str, shown: Mapping[str, Mapping[str, str]] | None = None) -> pd.DataFrame:
    """Return one row for each run, the best by the main metric first.

    Args:
        table: as `standings` gives it.
        main: the metric that orders runs.
        shown: what the study says of each run, columns beside it: its `label`, say.

    Returns:
        `run`, columns of `shown`, `folds`, and for each metric, the main one first, `<metric>` (the mean over folds)
        and `<metric>_low _high _rank _difference _difference_low _difference_high _p _p_holm _among_best`.

    Raises:
        MMLError: there is no such metric.
    """
    metrics = list(dict.fromkeys(table["metric"]))
    if main not in metrics:
        raise MMLError(f"the leaderboard cannot be ordered by '{main}'{nearest(main, metrics)}")
    result = table[table["metric"] == main][["run", "folds", "rank"]].sort_values(
        ["rank", "run"], ignore_index=True, na_position="last"
    )
    for place, key in enumerate(dict.fromkeys(key for told in (shown or {}).values() for key in told), start=1):
        result.insert(place, key, [(shown or {}).get(run, {}).get(key, "") for run in result["run"]])
    result = result.drop(columns="rank")
    for metric in sorted(metrics, key=lambda name: name != main):
        own = table[table["metric"] == metric].drop(columns=["metric", "folds"]).set_index("run")
        own = own.rename(columns={"ci_low": "low", "ci_high": "high"}).add_prefix(f"{metric}_")
        result = result.join(own.rename(columns={f"{metric}_mean": metric}), on="run")
    return result


def as_text(board: pd.DataFrame, main: str) -> str:
    """Return a leaderboard as a table for a terminal: all of the main metric, of others what they are worth.

    `=` marks what is the best of a metric or cannot be told apart from it.
    """
    metrics = [column.removesuffix("_among_best") for column in board.columns if column.endswith("_among_best")]
    told = [column for column in board.columns[: board.columns.get_loc("folds") + 1] if (board[column] != "").any()]
    shown = board[told].copy()
    shown.insert(0, "rank", board[f"{main}_rank"].map("{:.0f}".format).where(board[f"{main}_rank"].notna(), ""))
    for metric in metrics:
        marks = board[f"{metric}_among_best"].map({True: f" {MARK}", False: "  "})
        shown[metric] = _numbers(board[metric]) + marks
        if metric == main:
            shown["95 % interval"] = _interval(board, metric)
            if len(board) > 1:
                shown["to the best"] = _numbers(board[f"{metric}_difference"], "{:+.4f}")
                shown["its 95 % interval"] = _interval(board, f"{metric}_difference", "{:+.4f}")
                shown["p (Holm)"] = _numbers(board[f"{metric}_p_holm"])
    return shown.to_string(index=False)


def _numbers(column: pd.Series, style: str = "{:.4f}") -> pd.Series:
    return column.astype(float).map(lambda value: "" if np.isnan(value) else style.format(value))


def _interval(board: pd.DataFrame, column: str, style: str = "{:.4f}") -> pd.Series:
    low, high = (_numbers(board[column + end], style) for end in (LOW, HIGH))
    return (low + " … " + high).where(low != "", "")
