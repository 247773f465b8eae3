"""The table of folds: the metrics of each network, with the intervals of its metrics file."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.evaluation.run_labels import RunLabel

KEYS = ["task", "run", "label", "on", "split"]
"""Subject of a row. `on` is the task that was tested on, if it differs from the task that was trained on."""

ALL_FOLDS = -1
"""Fold of pooled predictions and of ensembles, which combine the networks of all folds."""

LOW, HIGH = "_low", "_high"
"""Suffixes of the columns that contain the ends of the interval of a metric."""


def fold_table(networks: Sequence[NetworkMetrics], labels: Mapping[str, RunLabel]) -> pd.DataFrame:
    """Return one row for each run, fold and split, with columns `<metric> <metric>_low <metric>_high`.

    The column `<metric>_reason` explains why a network has no interval.

    Args:
        networks: metrics of networks.
        labels: labels of runs by run id.
    """
    rows = [_row(network, RunLabel.of_run(network.task, network.run, labels)) for network in networks]
    return pd.DataFrame(rows).sort_values([*KEYS, "fold"], ignore_index=True)


def fold_of(network: NetworkMetrics, label: RunLabel) -> int:
    """Return the fold of a network in tables."""
    if label.fold is not None:
        return label.fold
    return ALL_FOLDS if network.fold is None else network.fold


def _row(network: NetworkMetrics, label: RunLabel) -> dict[str, Any]:
    keys = (label.task, label.run, label.label, network.other_task, network.split, fold_of(network, label))
    row: dict[str, Any] = dict(zip([*KEYS, "fold"], keys, strict=True))
    for metric, value in network.metrics.items():
        row[metric] = value
        if metric in network.intervals:
            row[metric + LOW], row[metric + HIGH] = network.intervals[metric]
        if metric in network.reasons:
            row[metric + "_reason"] = network.reasons[metric]
    return row
