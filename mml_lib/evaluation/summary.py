"""Summaries: metrics of procedures and their runs over seeds and folds, with intervals and differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mml_lib.config.metric_options import PER_GROUP, is_metric, name_per_sample
from mml_lib.evaluation.comparisons.leaderboard import ESTIMATE, RUN, ordered, sentences, standings
from mml_lib.evaluation.comparisons.table_texts import intervals, numbers
from mml_lib.evaluation.fold_table import fold_of
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.evaluation.resampled import Resampled, undefined
from mml_lib.evaluation.run_comparison import Resamples
from mml_lib.evaluation.run_labels import MARK, RunLabel

COLUMNS = ["task", "kind", "procedure", "run", "label", "on", "split", "metric"]
DIFFERENCE = ["difference", "difference_low", "difference_high", "p_holm", "among_best"]


@dataclass(frozen=True)
class _Network:
    """Metrics of a network on a split.

    Args:
        label: label of its run.
        fold: fold in tables.
        metrics: its metrics on resamples of the samples.
    """

    label: RunLabel
    fold: int
    metrics: Resampled


def summarize(
    results: Sequence[NetworkMetrics], resampled: Sequence[Resampled], labels: Mapping[str, RunLabel]
) -> pd.DataFrame:
    """Return a row for each procedure, split and metric, the best first, each followed by its runs if it has several.

    Args:
        results: metrics of networks.
        resampled: the same metrics on resamples of their samples.
        labels: labels of runs by run id.

    Returns:
        `task kind procedure run label on split metric runs folds mean std ci_low ci_high about reason difference
        difference_low difference_high p_holm among_best`: see `leaderboard.standings`; `reason` explains a missing
        interval.
    """
    tables = []
    for (task, on, split), networks in _by_split(results, resampled, labels).items():
        texts = _texts([network.label for network in networks])
        table = standings(_resamples(networks))
        table = pd.concat([ordered(rows) for _, rows in table.groupby("metric", sort=False)], ignore_index=True)
        names = table["run"].where(table["run"] != "", table["procedure"])
        table = table.assign(task=task, on=on, split=split, label=[texts.get(name, "") for name in names])
        nameless = ~table["metric"].map(name_per_sample).map(is_metric)  # their direction is unknown
        table[DIFFERENCE] = table[DIFFERENCE].astype(object).mask(nameless)
        tables.append(table[[*COLUMNS, *ESTIMATE, *DIFFERENCE]])
    return pd.concat(tables, ignore_index=True)


def _by_split(
    results: Sequence[NetworkMetrics], resampled: Sequence[Resampled], labels: Mapping[str, RunLabel]
) -> dict[tuple[str, str, str], list[_Network]]:
    """Return networks by task, task tested on and split."""
    networks: dict[tuple[str, str, str], list[_Network]] = {}
    for result, metrics in zip(results, resampled, strict=True):
        label = RunLabel.of_run(result.task, result.run, labels)
        network = _Network(label, fold_of(result, label), _complete(metrics, result.metrics))
        networks.setdefault((label.task, result.other_task, result.split), []).append(network)
    return dict(sorted(networks.items()))


def _texts(labels: Sequence[RunLabel]) -> dict[str, str]:
    """Return the labels of procedures and of runs by their ids."""
    texts: dict[str, str] = {}
    for label in labels:
        texts |= {label.procedure: label.procedure_label, label.run: label.label}
    return texts


def _complete(resampled: Resampled, values: Mapping[str, float]) -> Resampled:
    """Return resampled metrics, followed by metrics without resamples, which are given by `_target_`."""
    further = [name for name in values if name not in resampled.metrics]
    if not further:
        return resampled
    added = undefined(further, np.empty(0), resampled.draws.shape[1])
    return resampled.join(replace(added, values=np.array([values[name] for name in further])))


def _resamples(networks: Sequence[_Network]) -> Resamples:
    """Return networks by run and fold, and runs by procedure."""
    runs: dict[str, dict[int, Resampled]] = {}
    procedures: dict[str, dict[str, None]] = {}
    for network in sorted(networks, key=lambda network: (network.label.run, network.fold)):
        label = network.label
        runs.setdefault(label.run, {})[network.fold] = network.metrics
        procedures.setdefault(label.procedure, {})[label.run] = None
    metrics = list(dict.fromkeys(name for network in networks for name in network.metrics.metrics))
    return Resamples(metrics, runs, {procedure: list(ids) for procedure, ids in procedures.items()})


def as_text(summary: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    """Return a summary as a table for a terminal, with sentences on the subject of its intervals.

    Args:
        summary: as `summarize` gives it.
        notes: lines about splits and networks, which precede these sentences.
    """
    notes = [
        *(f"{note}." for note in notes),
        *sentences(summary["about"][summary["ci_low"].notna()]),
        *_without_groups(summary),
    ]
    summary = summary[~_lacks_groups(summary)]
    repeated, several = (summary["kind"] == RUN).any(), summary["difference"].notna().any()
    hidden = [] if repeated else ["kind", "procedure", "runs"]
    hidden += [key for key in ("label", "on") if not summary[key].any()]
    table = summary[[key for key in [*COLUMNS, "runs", "folds"] if key not in hidden]].copy()
    best = summary["among_best"].eq(True) & several
    table["mean"] = numbers(summary["mean"]) + best.map({True: f" {MARK}", False: "  " if several else ""})
    table["std"] = numbers(summary["std"])
    ends = intervals(summary["ci_low"], summary["ci_high"])
    table["95 % interval"] = ends.where(summary["reason"] == "", summary["reason"])
    if several:
        table["to the best"] = numbers(summary["difference"], "{:+.4f}")
        table["its 95 % interval"] = intervals(summary["difference_low"], summary["difference_high"], "{:+.4f}")
    return "\n".join([table.to_string(index=False), *notes])


def _lacks_groups(summary: pd.DataFrame) -> pd.Series:
    return summary["metric"].str.endswith(PER_GROUP) & summary["mean"].isna()


def _without_groups(summary: pd.DataFrame) -> list[str]:
    """Return a line for each task and split whose groups have no metrics, with the reason."""
    rows = summary[_lacks_groups(summary)].drop_duplicates(["task", "on", "split"])
    return [f"No metrics per group for {row.split} of {row.on or row.task}: {row.reason}." for row in rows.itertuples()]
