"""The table of folds: the metrics of each network, with the intervals of its metrics file."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

KEYS = ["task", "run", "label", "on", "split"]
"""Subject of a row; `on` is another task than the one that was trained on."""

ALL_FOLDS = -1
"""Stands for the fold of pooled predictions, which are of the networks of all folds."""

LOW, HIGH = "_low", "_high"
"""End of the names of the columns beside a metric that hold the ends of its interval."""


def fold_table(results: Sequence[Mapping[str, Any]], labels: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row for each run, fold and split, with columns `<metric> <metric>_low <metric>_high`.

    Where a network has no interval, `<metric>_reason` says why.

    Args:
        results: contents of metrics files.
        shown: what the study calls each run: `task`, `run`, `label`, and `fold` where it is not the network's.
    """
    rows = [_row(result, labels.get(result["run"], {})) for result in results]
    return pd.DataFrame(rows).sort_values([*KEYS, "fold"], ignore_index=True)


def _row(result: Mapping[str, Any], label: Mapping[str, Any]) -> dict[str, Any]:
    fold = ALL_FOLDS if result["fold"] is None else result["fold"]
    labels = {"task": result["task"], "run": result["run"], "label": "", "fold": fold} | dict(label)
    on = result.get("on", result["task"])
    keys = {"on": "" if on == result["task"] else on, "split": result["split"]}
    row = {key: (labels | keys)[key] for key in [*KEYS, "fold"]}
    for metric, value in result["metrics"].items():
        row[metric] = value
        if metric in result.get("intervals", {}):
            row[metric + LOW], row[metric + HIGH] = result["intervals"][metric]
        if metric in result.get("reasons", {}):
            row[metric + "_reason"] = result["reasons"][metric]
    return row
