"""Gains of transfer: improvement of networks that start from a source over networks trained from scratch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mml_lib.config.metric_options import lower_is_better, name_per_sample
from mml_lib.evaluation.comparisons.table_texts import intervals, notes_on, numbers
from mml_lib.evaluation.comparisons.tested import TestedNetwork, by_procedure, metrics_of, runs_of, samples_of
from mml_lib.evaluation.procedures import NETWORKS, PROCEDURE, compare_procedures, estimate
from mml_lib.evaluation.run_comparison import holm

COLUMNS = [
    *("source", "setting", "target", "split", "metric", "gain", "gain_low", "gain_high", "p", "p_holm"),
    *("mean", "scratch_mean", "runs", "folds", "samples", "about", "reason"),
]

NOTES = {
    PROCEDURE: "Gains about procedures are paired over samples, folds and repeats; 95 % intervals and p account for "
    "new test samples, and for trainings with other seeds and folds from the same source.",
    NETWORKS: "Gains about networks apply to these networks on new test samples: train on more folds, or with repeats.",
}
"""Sentences on the subject of gains."""


def gain_table(networks: Sequence[TestedNetwork], transfers: Sequence[Mapping[str, str]], metric: str) -> pd.DataFrame:
    """Return a row for each target, source and setting.

    Args:
        networks: networks of all targets and procedures.
        transfers: `source`, `setting`, and names of the compared procedures, `procedure` and `scratch`.
        metric: metric of the gains.

    Returns:
        `source setting target split metric gain gain_low gain_high p p_holm mean scratch_mean runs folds samples about
        reason`: a positive gain is an improvement, whatever the direction of the metric. `p_holm` is corrected over
        the sources of a target. `reason` explains a missing value or interval.
    """
    targets: dict[str, list[TestedNetwork]] = {}
    for network in networks:
        if metric in metrics_of([network]):
            targets.setdefault(network.task, []).append(network)
    rows: list[dict[str, Any]] = []
    for target, target_networks in targets.items():
        members = by_procedure(target_networks)
        target_rows = [_row(transfer, members, metric) for transfer in transfers]
        corrected = holm(np.array([row["p"] for row in target_rows]))
        for row, p_holm in zip(target_rows, corrected, strict=True):
            rows.append({"target": target, "metric": metric, **row, "p_holm": p_holm})
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype(dict.fromkeys(("runs", "folds", "samples"), "Int64"))


def _row(transfer: Mapping[str, str], members: Mapping[str, Sequence[TestedNetwork]], metric: str) -> dict[str, Any]:
    """Return the gain of a procedure over the one from scratch."""
    row = {key: transfer[key] for key in ("source", "setting")}
    networks, scratch_networks = (members.get(transfer[key]) for key in ("procedure", "scratch"))
    if not networks or not scratch_networks:
        return row | {"p": np.nan, "reason": "no network of the target has this source"}
    own, scratch = runs_of(networks), runs_of(scratch_networks)
    difference = compare_procedures(own, scratch, metric)
    sign = -1.0 if lower_is_better(name_per_sample(metric)) else 1.0
    low, high = sorted((sign * difference.low, sign * difference.high))  # two NaN remain NaN
    return row | {
        "split": networks[0].split,
        **{"gain": sign * difference.difference, "gain_low": low, "gain_high": high, "p": difference.p},
        **{"mean": estimate(own, metric).mean, "scratch_mean": estimate(scratch, metric).mean},
        **{"runs": len(own), "folds": len({network.fold for network in networks}), "samples": samples_of(networks)},
        **{"about": difference.about, "reason": difference.reason},
    }


def gain_matrix(gains: pd.DataFrame, values: str = "gain") -> pd.DataFrame:
    """Return gains as a matrix: row = source with its setting, column = target; NaN = undefined."""
    rows, targets = row_labels(gains), list(dict.fromkeys(gains["target"]))
    matrix = gains.assign(source=rows).pivot(index="source", columns="target", values=values)
    matrix = matrix.reindex(index=list(dict.fromkeys(rows)), columns=targets)
    matrix.columns.name = None
    return matrix


def row_labels(gains: pd.DataFrame) -> list[str]:
    """Return the name of the row of each gain: the source, with its setting if it has one."""
    pairs = zip(gains["source"], gains["setting"].fillna(""), strict=True)
    return [f"{source} ({setting})" if setting else source for source, setting in pairs]


def sentences(gains: pd.DataFrame) -> list[str]:
    """Return the sentences on the gains of a table."""
    return notes_on(gains["about"][gains["gain_low"].notna()], NOTES)


def as_text(gains: pd.DataFrame) -> str:
    """Return gains as a table for a terminal."""
    gains = gains[gains["gain"].notna()]
    view = gains[["target", "metric"]].copy()
    view.insert(0, "source", row_labels(gains))
    view["gain"] = numbers(gains["gain"], "{:+.4f}")
    view["95 % interval"] = intervals(gains["gain_low"], gains["gain_high"], "{:+.4f}")
    view["p (Holm)"] = numbers(gains["p_holm"])
    return "\n".join([view.to_string(index=False), *sentences(gains)])
