"""The leaderboard: metrics of procedures, their runs and ensembles, with differences to the best procedure."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mml_lib.config.metric_options import lower_is_better, name_per_sample
from mml_lib.errors import MMLError, nearest
from mml_lib.evaluation.comparisons.table_texts import intervals, notes_on, numbers
from mml_lib.evaluation.fold_table import HIGH, LOW
from mml_lib.evaluation.procedures import (
    NETWORKS,
    PROCEDURE,
    Comparison,
    Networks,
    compare_procedures,
    estimate,
    less,
)
from mml_lib.evaluation.run_comparison import ALPHA, Resamples, holm
from mml_lib.evaluation.run_labels import MARK

RUN, ENSEMBLE = "run", "ensemble"
"""Kinds of rows besides `procedure`: runs of procedures with several runs, and the ensemble, which has this name."""

ABOUT = {
    PROCEDURE: "95 % interval of the expected metric of one network that the procedure trains. It accounts for new "
    "test samples (whole groups, if there are groups) and for further trainings that differ by seed and fold. The "
    "training set is fixed.",
    NETWORKS: "95 % interval of the metric of a single network or an ensemble on new test samples (whole groups, if "
    "there are groups). It does not account for other trainings.",
}
"""Sentences on the subject of an interval; the guide and the captions of the report have the same."""

KEYS = ["kind", "procedure", "run"]
ESTIMATE = ["runs", "folds", "mean", "std", "ci_low", "ci_high", "about", "reason"]
DIFFERENCE = ["difference", "difference" + LOW, "difference" + HIGH, "p", "p_holm"]


def standings(resamples: Resamples) -> pd.DataFrame:
    """Return the metrics of each procedure, run and ensemble: one row for each of them and each metric.

    Procedures are compared with the best procedure. Because the same samples determine the best one, p is corrected by
    the procedure of Holm for the number of all pairs. Runs of procedures with several runs are compared with the best
    run, ensembles with the best procedure; both comparisons are about networks. Ensembles have no rank.

    Returns:
        `metric kind procedure run runs folds mean std ci_low ci_high about reason rank difference difference_low
        difference_high p p_holm among_best`: the mean over networks with its interval; the rank within the kind (1 is
        the best, NaN if undefined, ties share the lowest rank); the mean less that of the best. `among_best` is True
        for procedures that are the best or do not differ significantly from it (p_holm > 0.05), and for procedures with
        a single network, which cannot be compared.
    """
    procedures = resamples.members()
    single = {run: {run: folds} for run, folds in resamples.runs.items()}
    runs = {run: single[run] for networks in procedures.values() for run in networks}
    procedure_by_run = {run: name for name, networks in procedures.items() for run in networks}
    repeated = {run for networks in procedures.values() if len(networks) > 1 for run in networks}
    tables = []
    for metric in resamples.metrics:
        table, best = _with_best(_rows(PROCEDURE, procedures, metric), procedures, metric, PROCEDURE)
        lone = [next(iter(networks)) if len(networks) == 1 else "" for networks in procedures.values()]
        tables.append(table.assign(procedure=table["name"], run=lone))
        if repeated:
            table, _ = _with_best(_rows(RUN, runs, metric), runs, metric, NETWORKS)
            table = table.assign(procedure=table["name"].map(procedure_by_run), run=table["name"], among_best=False)
            tables.append(table[table["run"].isin(repeated)])
        if resamples.ensembles:
            ensembles = {name: single[name] for name in resamples.ensembles}
            table = _with_differences(
                _rows(ENSEMBLE, ensembles, metric), ensembles, procedures.get(best), metric, NETWORKS, 1
            )
            tables.append(table.assign(procedure="", run=table["name"], rank=np.nan, among_best=False))
    rows = pd.concat([table.dropna(axis=1, how="all") for table in tables], ignore_index=True)
    return rows.reindex(columns=["metric", *KEYS, *ESTIMATE, "rank", *DIFFERENCE, "among_best"])


def _rows(kind: str, entries: Mapping[str, Networks], metric: str) -> pd.DataFrame:
    """Return the estimates of a metric, one row for each `name` of an entry."""
    rows = []
    for name, runs in entries.items():
        interval = estimate(runs, metric, NETWORKS if kind == ENSEMBLE else PROCEDURE)
        folds = {fold: network.folds for networks in runs.values() for fold, network in networks.items()}
        rows.append(
            (metric, kind, name, len(runs), sum(folds.values()), *interval[:4], interval.about, interval.reason)
        )
    return pd.DataFrame(rows, columns=["metric", "kind", "name", *ESTIMATE])


def _with_best(
    table: pd.DataFrame, entries: Mapping[str, Networks], metric: str, about: str
) -> tuple[pd.DataFrame, str]:
    """Return a table with ranks, differences to the best and `among_best`, and the name of the best, or ""."""
    sign = 1 if lower_is_better(name_per_sample(metric)) else -1
    table["rank"] = _ranks(sign * table["mean"].to_numpy())
    best = next(iter(table["name"][table["rank"] == 1]), "")
    number = int(table["mean"].notna().sum())
    table = _with_differences(table, entries, entries.get(best), metric, about, number * (number - 1) // 2)
    differs = (table["p_holm"] <= ALPHA) & (table["compared"] == PROCEDURE)
    return table.assign(among_best=table["mean"].notna() & ~differs), best


def _with_differences(
    table: pd.DataFrame,
    entries: Mapping[str, Networks],
    best: Networks | None,
    metric: str,
    about: str,
    comparisons: int,
) -> pd.DataFrame:
    """Return a table with the differences of its entries to the best; NaN for the best itself."""
    undefined = Comparison(np.nan, np.nan, np.nan, np.nan, "", "")
    rows = [
        compare_procedures(entries[name], best, metric, about)
        if best is not None and entries[name] is not best
        else undefined
        for name in table["name"]
    ]
    differences = pd.DataFrame(rows, columns=[*DIFFERENCE[:-1], "compared", "why"], index=table.index)
    return table.join(differences.drop(columns="why").assign(p_holm=holm(differences["p"].to_numpy(), comparisons)))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks, 1 for the least value. Values that differ by rounding only share the lowest rank; NaN has none."""
    greater = less(values[:, None], values[None]) > 0
    return np.where(np.isnan(values), np.nan, 1 + greater.sum(axis=1))


def leaderboard(table: pd.DataFrame, main: str, texts: Mapping[str, Mapping[str, str]] | None = None) -> pd.DataFrame:
    """Return one row for each procedure, the best by the main metric first, each followed by its runs; ensembles last.

    Args:
        table: result of `standings`.
        main: metric that orders rows.
        texts: additional columns of each procedure and run, for example `label`.

    Returns:
        `kind procedure run`, columns of `texts`, `runs folds`, and for each metric, the main one first, `<metric>` (the
        mean over networks) and `<metric>_std _low _high _about _reason _rank _difference _difference_low
        _difference_high _p _p_holm _among_best`.

    Raises:
        MMLError: the main metric is not in the table.
    """
    metrics = list(dict.fromkeys(table["metric"]))
    if main not in metrics:
        raise MMLError(f"the leaderboard cannot be ordered by '{main}'{nearest(main, metrics)}")
    result = ordered(table[table["metric"] == main])[[*KEYS, "runs", "folds"]]
    texts = texts or {}
    for place, key in enumerate(dict.fromkeys(key for columns in texts.values() for key in columns), start=len(KEYS)):
        names = result["run"].where(result["run"] != "", result["procedure"])
        result.insert(place, key, [texts.get(name, {}).get(key, "") for name in names])
    for metric in sorted(metrics, key=lambda name: name != main):
        columns = table[table["metric"] == metric].drop(columns=["metric", "runs", "folds"]).set_index(KEYS)
        columns = columns.rename(columns={"ci_low": "low", "ci_high": "high"}).add_prefix(f"{metric}_")
        result = result.join(columns.rename(columns={f"{metric}_mean": metric}), on=KEYS)
    return result


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Return procedures by rank, each followed by its runs by rank, and ensembles last."""
    procedure_ranks = table[table["kind"] == PROCEDURE].set_index("procedure")["rank"]
    kinds = table["kind"].map({PROCEDURE: 0, RUN: 1, ENSEMBLE: 2})
    order = table.assign(last=kinds == 2, above=table["procedure"].map(procedure_ranks), level=kinds)
    keys = ["last", "above", "procedure", "level", "rank", "run"]
    return order.sort_values(keys, na_position="last")[table.columns].reset_index(drop=True)


def as_text(board: pd.DataFrame, main: str) -> str:
    """Return a leaderboard as a table for a terminal: all columns of the main metric, and the means of others.

    `=` marks procedures that are the best by a metric or do not differ significantly from it.

    Args:
        board: result of `leaderboard`.
        main: main metric.
    """
    metrics = [column.removesuffix("_among_best") for column in board.columns if column.endswith("_among_best")]
    repeated = (board["kind"] == RUN).any()
    keys = [column for column in board.columns[: board.columns.get_loc("folds") + 1] if (board[column] != "").any()]
    view = board[[key for key in keys if repeated or key not in ("kind", "procedure", "runs")]].copy()
    view.insert(0, "rank", board[f"{main}_rank"].map("{:.0f}".format).where(board[f"{main}_rank"].notna(), ""))
    for metric in metrics:
        marks = board[f"{metric}_among_best"].map({True: f" {MARK}", False: "  "})
        view[metric] = numbers(board[metric]) + marks
        if metric == main:
            view["std"] = numbers(board[f"{metric}_std"])
            reasons = board[f"{metric}_reason"].fillna("")
            ends = intervals(board[f"{metric}_low"], board[f"{metric}_high"])
            view["95 % interval"] = ends.where(reasons == "", reasons)
            if len(board) > 1:
                difference, low, high = (board[f"{metric}_{column}"] for column in DIFFERENCE[:3])
                view["to the best"] = numbers(difference, "{:+.4f}")
                view["its 95 % interval"] = intervals(low, high, "{:+.4f}")
                view["p (Holm)"] = numbers(board[f"{metric}_p_holm"])
    return "\n".join([view.to_string(index=False), *_notes(board, main)])


def _notes(board: pd.DataFrame, main: str) -> list[str]:
    """Return sentences that explain intervals and marks."""
    procedures = board[board["kind"] == PROCEDURE]
    single = (procedures[f"{main}_about"] == NETWORKS) & procedures[main].notna()
    of_intervals = sentences(board[f"{main}_about"][board[f"{main}_low"].notna()])
    notes = [f"{MARK}: procedures that are the best or do not differ significantly from it (p > 0.05, Holm)."]
    if single.any():
        notes.append(
            "Differences of procedures with a single network apply to these networks, which cannot distinguish "
            "procedures; train on more folds, or with more seeds."
        )
    return [*(notes if len(procedures) > 1 else []), *of_intervals]


def sentences(about: pd.Series) -> list[str]:
    """Return the sentences on intervals, by their column `about`."""
    return notes_on(about, ABOUT)
