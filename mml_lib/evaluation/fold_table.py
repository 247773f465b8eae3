"""The table of folds: the metrics of each network, with the intervals of its metrics file."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mml_lib.evaluation.run_labels import RunLabel

KEYS = ["task", "run", "label", "on", "split"]
"""Subject of a row; `on` is another task than the one that was trained on."""

ALL_FOLDS = -1
"""Stands for the fold of pooled predictions and of ensembles, which are of the networks of all folds."""

LOW, HIGH = "_low", "_high"
"""End of the names of the columns beside a metric that hold the ends of its interval."""


def fold_table(results: Sequence[Mapping[str, Any]], labels: Mapping[str, RunLabel]) -> pd.DataFrame:
    """Return one row for each run, fold and split, with columns `<metric> <metric>_low <metric>_high`.

    Where a network has no interval, `<metric>_reason` says why.

    Args:
        results: contents of metrics files.
        labels: labels of runs by run id.
    """
    rows = [_row(result, RunLabel.of_result(result, labels)) for result in results]
    return pd.DataFrame(rows).sort_values([*KEYS, "fold"], ignore_index=True)


def fold_of(result: Mapping[str, Any], label: RunLabel) -> int:
    """Return the fold of a metrics file in tables."""
    if label.fold is not None:
        return label.fold
    return ALL_FOLDS if result["fold"] is None else result["fold"]


def other_task(result: Mapping[str, Any]) -> str:
    """Return the task that a network was tested on, empty for the task that it was trained on."""
    on = result.get("on", result["task"])
    return "" if on == result["task"] else on


def _row(result: Mapping[str, Any], label: RunLabel) -> dict[str, Any]:
    columns = (label.task, label.run, label.label, other_task(result), result["split"], fold_of(result, label))
    row = dict(zip([*KEYS, "fold"], columns, strict=True))
    for metric, value in result["metrics"].items():
        row[metric] = value
        if metric in result.get("intervals", {}):
            row[metric + LOW], row[metric + HIGH] = result["intervals"][metric]
        if metric in result.get("reasons", {}):
            row[metric + "_reason"] = result["reasons"][metric]
    return row
