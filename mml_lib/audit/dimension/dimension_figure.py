"""The figure of intrinsic dimensions: each task by its dimension and the performance of its best run."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mml_lib.reports.canvas import COLORS, MARKERS, metric_label, panels, save, shorten

COLUMN = "dimension"


def performances(models: pd.DataFrame, metrics: Mapping[str, str]) -> pd.DataFrame:
    """Return the metric of the best run of each task, by its mean over folds, in columns `task`, `metric`, `value`.

    Args:
        models: table of models, with `task`, `run`, and columns `val/<metric>`.
        metrics: main metric by task, with a minus if smaller values are better: `accuracy`, `-mae`.
    """
    rows = []
    for task, metric in metrics.items():
        name = metric.removeprefix("-")
        task_models = models[models["task"] == task]
        column = f"val/{name}"
        if column not in models or not task_models[column].notna().any():
            continue
        means = task_models.groupby("run")[column].mean()
        rows.append({"task": task, "metric": name, "value": means.min() if metric.startswith("-") else means.max()})
    return pd.DataFrame(rows, columns=["task", "metric", "value"])


def draw_dimensions(tasks: pd.DataFrame, models: pd.DataFrame, metrics: Mapping[str, str], path: str | Path) -> None:
    """Draw performance over intrinsic dimension, with a panel for each metric and a point for each task.

    Args:
        tasks: table of tasks, with `task` and `dimension`.
        models: table of models.
        metrics: metrics as in `performances`.
        path: path of the figure.
    """
    points = performances(models, metrics).merge(tasks[["task", COLUMN]], on="task").dropna()
    names = list(dict.fromkeys(points["metric"]))
    figure, axes = panels(max(1, len(names)), width=5.5, height=4.2)
    for axis, name in zip(axes, names, strict=False):
        metric_points = points[points["metric"] == name].reset_index(drop=True)
        for index, row in metric_points.iterrows():
            number = int(index) if isinstance(index, int | np.integer) else 0
            axis.plot(row[COLUMN], row["value"], MARKERS[number % len(MARKERS)], color=COLORS[number % len(COLORS)])
            axis.annotate(
                shorten(row["task"], 24),
                (row[COLUMN], row["value"]),
                (4, 4),
                textcoords="offset points",
                fontsize=7,
            )
        axis.set(xlabel="intrinsic dimension", ylabel=metric_label(name, "validation "))
        axis.margins(0.18)
    if not names:
        axes[0].axis("off")
        axes[0].text(0.5, 0.5, "no trained networks of these tasks yet", ha="center", va="center")
    save(figure, path)
