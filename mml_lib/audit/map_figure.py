"""The figure of a map: samples by label, split and error."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mml_lib.reports.canvas import COLORS, MARKERS, panels, save, shorten

MOST_LABELS = 12
"""Number of labels with a colour of their own; these are the most frequent ones."""

AXES = {"tsne": "t-SNE", "pca": "principal component"}


def draw_map(table: pd.DataFrame, task: str, method: str, path: str | Path) -> None:
    """Draw a map of samples.

    Args:
        table: table of `mml_lib.audit.sample_map.map_table`.
        task: name of the task.
        method: `tsne` or `pca`.
        path: path of the figure.
    """
    parts = [("label", table["label"].fillna("").replace("", "no label")), ("split", table["split"])]
    if "wrong" in table:
        outcome = np.where(table["wrong"], "wrongly predicted", "rightly predicted")
        parts.append(("error", pd.Series(np.where(table["predicted"] == "", "not predicted", outcome), table.index)))
    figure, axes = panels(len(parts), width=5.2, height=5.6)
    for axis, (title, values) in zip(axes, parts, strict=True):
        _draw_panel(axis, table, values)
        axis.set_title(title, fontsize=10)
        axis.set(xlabel=f"{AXES[method]} 1", ylabel=f"{AXES[method]} 2", xticks=[], yticks=[])
    figure.suptitle(shorten(f"{task}: {len(table):,} samples", 90), fontsize=11)
    save(figure, path)


def _draw_panel(axis: Axes, table: pd.DataFrame, values: pd.Series) -> None:
    counts = values.value_counts()
    size = float(np.clip(12_000 / len(table), 2, 30))
    names = _ordered(counts.index[:MOST_LABELS].tolist())
    is_other = ~values.isin(names)
    if is_other.any():
        label = f"others ({is_other.sum():,})"
        axis.scatter(*_places(table, is_other), s=size / 2, color="0.75", marker=".", label=label)
    for place, name in enumerate(names):
        has_name = values == name
        style: dict[str, Any] = {"color": COLORS[place % len(COLORS)], "marker": MARKERS[place % len(MARKERS)]}
        label = f"{shorten(str(name), 28)} ({counts[name]:,})"
        axis.scatter(*_places(table, has_name), s=size, alpha=0.7, linewidths=0, label=label, **style)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=2, fontsize=7, frameon=False, markerscale=1.5)


def _ordered(names: Sequence[str]) -> list[str]:
    return sorted(names, key=str)


def _places(table: pd.DataFrame, is_selected: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    return table.loc[is_selected, "x"].to_numpy(), table.loc[is_selected, "y"].to_numpy()
