"""The leaderboard: what each procedure is worth, and which cannot be told apart from the best; its runs; ensembles."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mml_lib.config.metrics import LOWER_IS_BETTER
from mml_lib.errors import MMLError, nearest
from mml_lib.postprocessing.comparison import ALPHA, Resamples, compare, compare_ensembles
from mml_lib.postprocessing.fold_table import HIGH, LOW
from mml_lib.postprocessing.procedures import NETWORKS, PROCEDURE, Networks, estimate, less

MARK = "="
"""What stands, in a text, beside a procedure that is the best or cannot be told apart from it."""

RUN, ENSEMBLE = "run", "ensemble"
"""Kinds of rows beside `procedure`: runs of a procedure that has several, and ensembles."""

ABOUT = {
    PROCEDURE: "95 % intervals are of the expected metric of one training by a procedure, on new test samples "
    "(whole groups, where there are groups) and with another seed and fold, given the training set.",
    NETWORKS: "95 % intervals of a single network are of this network on new test samples: "
    "one network tells nothing of other trainings.",
}
"""What an interval is of, in a sentence."""

KEYS = ["kind", "procedure", "run"]
WORTH = ["runs", "folds", "mean", "std", "ci_low", "ci_high", "about", "reason"]
DIFFERENCE = ["difference", "difference" + LOW, "difference" + HIGH, "p", "p_holm"]


def standings(resamples: Resamples) -> pd.DataFrame:
    """Return what each procedure, run and ensemble is worth: a row for each of them and each metric.

    Procedures are compared with the best procedure, which `p_holm` corrects for all pairs, as the best one is told by
    the same samples. Runs of procedures that have several are compared with the best run, and ensembles, which have no
    rank, with the best procedure; both as networks.

    Returns:
        `metric kind procedure run runs folds mean std ci_low ci_high about rank difference difference_low
        difference_high p p_holm among_best`: the mean over networks with its interval; the rank among its kind (1 the
        best; NaN where it is undefined, equal ones share the first); by how much it exceeds the best (negative is
        worse, unless lower is better); of procedures, whether it is the best, or p_holm > 0.05, or nothing tells: a
        single network tells nothing of its procedure.
    """
    procedures = resamples.members()
    of_run = {run: name for name, networks in procedures.items() for run in networks}
    several = {run for networks in procedures.values() if len(networks) > 1 for run in networks}
    pairs = {PROCEDURE: compare(resamples), ENSEMBLE: compare_ensembles(resamples)}
    pairs[RUN] = compare(resamples, RUN) if several else pairs[PROCEDURE]
    tables = []
    for metric in resamples.metrics:
        of_metric = {kind: table[table["metric"] == metric] for kind, table in pairs.items()}
        table = _rows(PROCEDURE, procedures, metric)
        table["procedure"] = table["name"]
        table["run"] = [next(iter(each)) if len(each) == 1 else "" for each in procedures.values()]
        table, best = _beside_best(table, of_metric[PROCEDURE], metric)
        table["among_best"] &= table["mean"].notna()
        tables.append(table)
        if several:
            runs = _rows(RUN, {run: {run: resamples.runs[run]} for run in of_run}, metric)
            runs["run"], runs["procedure"] = runs["name"], [of_run[run] for run in runs["name"]]
            runs, _ = _beside_best(runs, of_metric[RUN], metric)
            tables.append(runs[runs["run"].isin(several)].assign(among_best=False))
        if resamples.ensembles:
            ensembles = {name: {name: resamples.runs[name]} for name in resamples.ensembles}
            rows = _rows(ENSEMBLE, ensembles, metric)
            rows["run"] = rows["name"]
            tables.append(_to(rows, of_metric[ENSEMBLE], best).assign(among_best=False))
    whole = pd.concat([table.dropna(axis=1, how="all") for table in tables], ignore_index=True)
    whole = whole.reindex(columns=["metric", *KEYS, *WORTH, "rank", *DIFFERENCE, "among_best"])
    return whole.assign(procedure=whole["procedure"].fillna(""))


def _rows(kind: str, networks: Mapping[str, Networks], metric: str) -> pd.DataFrame:
    """Return what some entries are worth by a metric, each by its `name`."""
    rows = []
    for name, runs in networks.items():
        found = estimate(runs, metric, NETWORKS if kind == ENSEMBLE else PROCEDURE)
        folds = {fold for of_run in runs.values() for fold in of_run}
        rows.append((metric, kind, name, len(runs), len(folds), *found[:4], found.about, found.reason))
    return pd.DataFrame(rows, columns=["metric", "kind", "name", *WORTH])


def _beside_best(table: pd.DataFrame, pairs: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, str | None]:
    """Return a table with ranks, differences to the best, and what is among the best; and the name of the best."""
    sign = 1 if metric in LOWER_IS_BETTER else -1
    table["rank"] = _ranks(sign * table["mean"].to_numpy())
    best = table["name"][table["rank"] == 1]
    if best.empty:  # nothing defines the metric
        return table.assign(among_best=False), None
    table = _to(table, pairs, best.iloc[0])
    told_apart = (table["p_holm"] <= ALPHA) & (table["compared"] == PROCEDURE)
    return table.assign(among_best=~told_apart), best.iloc[0]


def _to(table: pd.DataFrame, pairs: pd.DataFrame, best: str | None) -> pd.DataFrame:
    """Return a table with the differences of its entries to the best, whichever of a pair that is."""
    ends = {"difference": "difference", "ci_low": "difference" + LOW, "ci_high": "difference" + HIGH}
    first = pairs[pairs["other"] == best].set_index("run")
    second = pairs[pairs["run"] == best].set_index("other")
    turned = second.assign(difference=-second["difference"], ci_low=-second["ci_high"], ci_high=-second["ci_low"])
    both = [each[[*ends, "p", "p_holm", "about"]] for each in (first, turned) if len(each)]
    columns = {**ends, "about": "compared"}
    if not both:
        return table.reindex(columns=[*table.columns, *DIFFERENCE, "compared"])
    return table.join(pd.concat(both).rename(columns=columns), on="name")


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1, the least, on; what differs by rounding only shares the first, NaN has none."""
    ranks = np.full(len(values), np.nan)
    order = [row for row in np.argsort(values, kind="stable") if not np.isnan(values[row])]
    for place, row in enumerate(order):
        tied = place and less(values[row], values[order[place - 1]]) == 0
        ranks[row] = ranks[order[place - 1]] if tied else place + 1
    return ranks


def leaderboard(table: pd.DataFrame, main: str, shown: Mapping[str, Mapping[str, str]] | None = None) -> pd.DataFrame:
    """Return one row for each procedure, the best by the main metric first, its runs beneath it, ensembles last.

    Args:
        table: as `standings` gives it.
        main: the metric that orders rows.
        shown: what the study says of each procedure and run, columns beside it: its `label`, say.

    Returns:
        `kind procedure run`, columns of `shown`, `runs folds`, and for each metric, the main one first, `<metric>` (the
        mean over networks) and `<metric>_std _low _high _about _rank _difference _difference_low _difference_high _p
        _p_holm _among_best`.

    Raises:
        MMLError: there is no such metric.
    """
    metrics = list(dict.fromkeys(table["metric"]))
    if main not in metrics:
        raise MMLError(f"the leaderboard cannot be ordered by '{main}'{nearest(main, metrics)}")
    result = ordered(table[table["metric"] == main])[[*KEYS, "runs", "folds"]]
    shown = shown or {}
    for place, key in enumerate(dict.fromkeys(key for each in shown.values() for key in each), start=len(KEYS)):
        names = result["run"].where(result["run"] != "", result["procedure"])
        result.insert(place, key, [shown.get(name, {}).get(key, "") for name in names])
    for metric in sorted(metrics, key=lambda name: name != main):
        own = table[table["metric"] == metric].drop(columns=["metric", "runs", "folds", "reason"]).set_index(KEYS)
        own = own.rename(columns={"ci_low": "low", "ci_high": "high"}).add_prefix(f"{metric}_")
        result = result.join(own.rename(columns={f"{metric}_mean": metric}), on=KEYS)
    return result


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Return procedures by rank, each with its runs by rank beneath it, and ensembles last."""
    of_procedure = table[table["kind"] == PROCEDURE].set_index("procedure")["rank"]
    kinds = table["kind"].map({PROCEDURE: 0, RUN: 1, ENSEMBLE: 2})
    order = table.assign(last=kinds == 2, above=table["procedure"].map(of_procedure), level=kinds)
    keys = ["last", "above", "procedure", "level", "rank", "run"]
    return order.sort_values(keys, na_position="last")[table.columns].reset_index(drop=True)


def as_text(board: pd.DataFrame, main: str) -> str:
    """Return a leaderboard as a table for a terminal: all of the main metric, of others what they are worth.

    `=` marks procedures that are the best of a metric or cannot be told apart from it.
    """
    metrics = [column.removesuffix("_among_best") for column in board.columns if column.endswith("_among_best")]
    repeated = (board["kind"] == RUN).any()
    keys = [column for column in board.columns[: board.columns.get_loc("folds") + 1] if (board[column] != "").any()]
    shown = board[[key for key in keys if repeated or key not in ("kind", "procedure", "runs")]].copy()
    shown.insert(0, "rank", board[f"{main}_rank"].map("{:.0f}".format).where(board[f"{main}_rank"].notna(), ""))
    for metric in metrics:
        marks = board[f"{metric}_among_best"].map({True: f" {MARK}", False: "  "})
        shown[metric] = _numbers(board[metric]) + marks
        if metric == main:
            shown["std"] = _numbers(board[f"{metric}_std"])
            shown["95 % interval"] = _interval(board, metric)
            if len(board) > 1:
                shown["to the best"] = _numbers(board[f"{metric}_difference"], "{:+.4f}")
                shown["its 95 % interval"] = _interval(board, f"{metric}_difference", "{:+.4f}")
                shown["p (Holm)"] = _numbers(board[f"{metric}_p_holm"])
    return "\n".join([shown.to_string(index=False), *_notes(board, main)])


def _notes(board: pd.DataFrame, main: str) -> list[str]:
    """Return what intervals and marks are about, in sentences."""
    procedures = board[board["kind"] == PROCEDURE]
    single = (procedures[f"{main}_about"] == NETWORKS) & procedures[main].notna()
    notes = [f"{MARK}: procedures that are the best or cannot be told apart from it (p > 0.05, Holm)."]
    if single.any():
        notes.append(
            "Differences of procedures with a single network are of these networks, and nothing tells such procedures "
            "apart; train on more folds, or with more seeds."
        )
    return notes if len(procedures) > 1 else []


def _numbers(column: pd.Series, style: str = "{:.4f}") -> pd.Series:
    return column.astype(float).map(lambda value: "" if np.isnan(value) else style.format(value))


def _interval(board: pd.DataFrame, column: str, style: str = "{:.4f}") -> pd.Series:
    low, high = (_numbers(board[column + end], style) for end in (LOW, HIGH))
    return (low + " … " + high).where(low != "", "")
