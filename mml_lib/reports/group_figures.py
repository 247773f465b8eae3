"""Figures of sub-groups: metrics of runs on the samples of each group."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from mml_lib.errors import MMLError
from mml_lib.reports.canvas import Style, display_names, legend_below, metric_label, save, shorten, single_panel

RUNS = 6
"""Runs that are drawn at most, the first of an order."""


def draw_groups(
    table: pd.DataFrame,
    metric: str,
    order: Sequence[str],
    styles: Mapping[str, Style],
    path: str | Path,
    names: Mapping[str, str] | None = None,
) -> None:
    """Draw the value of a metric for each group of one column, a row each: means over folds, and folds as small dots.

    Args:
        table: `run fold group samples metric value` of one column, groups in their order.
        metric: metric that is drawn.
        order: runs, the first ones are drawn.
        styles: styles of all runs of the study.
        path: path of the figure.
        names: display names of runs, by id.

    Raises:
        MMLError: no group defines the metric.
    """
    own = table[(table["metric"] == metric) & table["value"].notna()]
    runs = [run for run in order if run in set(own["run"])][:RUNS]
    if not runs:
        raise MMLError(f"no group defines {metric}; take another metric")
    groups = list(dict.fromkeys(own["group"]))
    figure, axis = single_panel(6.4, 1.1 + 0.19 * len(runs) + 0.42 * len(groups))
    offsets = np.linspace(-0.27, 0.27, len(runs)) if len(runs) > 1 else [0.0]
    for run, offset in zip(runs, offsets, strict=True):
        style = styles[run]
        for row, group in enumerate(groups):
            values = own[(own["run"] == run) & (own["group"] == group)]["value"].to_numpy()
            axis.plot(values, np.full(len(values), row + offset), ".", color=style.color, markersize=3, alpha=0.5)
            axis.plot(values.mean() if len(values) else [], row + offset, style.marker, color=style.color, markersize=6)
    axis.set_yticks(range(len(groups)), [_tick(group, own[own["group"] == group]["samples"]) for group in groups])
    axis.set_ylim(len(groups) - 0.5, -0.5)
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_xlabel(shorten(metric_label(metric), 40))
    handles = [
        Line2D([], [], label=name, markersize=6, **styles[run].line | {"linestyle": ""})
        for run, name in zip(runs, display_names(runs, names), strict=True)
    ]
    legend_below(figure, handles, min(2, len(handles)))
    save(figure, path)


def _tick(group: str, samples: pd.Series) -> str:
    """Return the name of a group, and how many samples of it a network is tested on."""
    low, high = samples.min(), samples.max()
    return f"{shorten(group, 30)} (n = {low if low == high else f'{low} to {high}'})"
