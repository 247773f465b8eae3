"""Figures of distances between tasks: a clustered heat map, a map, and the nearest sources of the pivot."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

from mml_lib.distances.pair_distances import nearest_sources
from mml_lib.reports.canvas import COLORS, NAME, panels, save, shorten
from mml_lib.reports.question_figures import draw_matrix

FEWEST = 3
"""Tasks that groups and maps need."""

LINE, LETTER = 0.17, 0.075
"""Height of a name beside a map, and width of a letter, in inches."""


def draw_distances(table: pd.DataFrame, measure: str, pivot: str | None, folder: Path) -> None:
    """Draw the distances between tasks.

    Args:
        table: row = source, column = target, NaN = undefined or not computed.
        measure: name of the measure.
        pivot: target of all distances; None: each task is a target.
        folder: folder of the figures: `nearest_sources.svg` with a pivot, otherwise `distances.svg` and, where there
            is a distance of each pair, `map.svg`.
    """
    if pivot is not None:
        _draw_nearest(nearest_sources(table, pivot), measure, pivot, folder / "nearest_sources.svg")
        return
    symmetric = symmetric_distances(table)
    _draw_heat_map(table, symmetric, measure, folder / "distances.svg")
    if symmetric is not None:
        _draw_map(symmetric, list(map(str, table.index)), measure, folder / "map.svg")


def symmetric_distances(table: pd.DataFrame) -> np.ndarray | None:
    """Return the mean of both directions, T×T, shifted so that none is negative.

    Returns:
        None where there are too few tasks, or a distance is undefined.
    """
    values = table.to_numpy(dtype=float)
    between = ~np.eye(len(values), dtype=bool)
    if len(values) < FEWEST or not np.isfinite(values[between]).all():
        return None
    mean = (values + values.T) / 2
    mean -= min(0.0, float(mean[between].min()))
    np.fill_diagonal(mean, 0)
    return mean


def _draw_heat_map(table: pd.DataFrame, symmetric: np.ndarray | None, measure: str, path: Path) -> None:
    side = 2.2 + 0.5 * len(table)
    figure, axes = panels(1 if symmetric is None else 2, width=side, height=side)
    order = np.arange(len(table))
    if symmetric is not None:
        tree = linkage(squareform(symmetric, checks=False), "average")
        names = [shorten(str(name), NAME // 2) for name in table.index]
        drawn = dendrogram(tree, labels=names, orientation="left", ax=axes[1], color_threshold=0, leaf_font_size=8)
        order = np.array(drawn["leaves"])[::-1]
        axes[1].set_xlabel("mean distance of groups")
        axes[1].spines[["left", "top", "right"]].set_visible(False)
    ordered = table.iloc[order, order]
    draw_matrix(axes[0], ordered, "{:.3g}", np.full(ordered.shape, ""), cmap="Greys_r")
    axes[0].set_title(f"distance {measure}", fontsize=9)
    save(figure, path)


def _draw_map(symmetric: np.ndarray, names: list[str], measure: str, path: Path) -> None:
    """Draw tasks as points. Names are placed next to the map, so that those of near tasks do not overlap."""
    texts = [shorten(name, NAME) for name in names]
    side = max(4.5, 0.5 + LINE * len(names))
    figure, (axis,) = panels(1, width=side + 0.4 + LETTER * max(map(len, texts)), height=side)
    places = scaled_places(symmetric)
    axis.scatter(*places.T, color=COLORS[0], s=25, zorder=3)
    centre, half = (places.max(axis=0) + places.min(axis=0)) / 2, 0.6 * max(float(np.ptp(places, axis=0).max()), 1e-9)
    axis.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half), xticks=[], yticks=[])
    axis.set_aspect("equal", anchor="W")
    axis.set_title(f"tasks by distance {measure}, multidimensional scaling", fontsize=9)
    heights = (places[:, 1] - centre[1] + half) / (2 * half)
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 3, "relpos": (0, 0.5)}
    for text, place, height in zip(texts, places, spread_out(heights, LINE / (side - 0.5)), strict=True):
        beside: dict[str, Any] = {"xytext": (1.04, height), "textcoords": "axes fraction", "va": "center"}
        axis.annotate(text, place, **beside, fontsize=8, arrowprops=line, annotation_clip=False)
    save(figure, path)


def spread_out(heights: np.ndarray, gap: float) -> np.ndarray:
    """Return N heights of labels in [0, 1], at least a gap apart, in the order of the requested heights."""
    order = np.argsort(heights, kind="stable")
    gap = min(gap, 1 / max(1, len(heights) - 1))
    steps = gap * np.arange(len(heights))
    free = heights[order] - steps
    upwards, downwards = np.maximum.accumulate(free), np.minimum.accumulate(free[::-1])[::-1]
    spread = np.empty(len(heights))
    spread[order] = np.clip((upwards + downwards) / 2, 0, 1 - steps[-1]) + steps
    return spread


def scaled_places(symmetric: np.ndarray) -> np.ndarray:
    """Return points in the plane, T×2, that approximate distances: classical multidimensional scaling."""
    centred = symmetric**2
    centred -= centred.mean(axis=0)
    centred -= centred.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(-centred / 2)
    return vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0))


def _draw_nearest(distances: dict[str, float], measure: str, pivot: str, path: Path) -> None:
    figure, (axis,) = panels(1, width=6, height=1.2 + 0.3 * max(1, len(distances)))
    _draw_bars(axis, distances)
    axis.set_title(f"distance {measure} to {shorten(pivot, NAME)}", fontsize=9)
    save(figure, path)


def _draw_bars(axis: Axes, distances: dict[str, float]) -> None:
    """Draw the nearest task at the top."""
    places = range(len(distances))
    axis.barh(places, list(distances.values()), color=COLORS[0], height=0.6)
    axis.set_yticks(places, [shorten(task, NAME) for task in distances], fontsize=8)
    axis.invert_yaxis()
    axis.axvline(0, color="0.5", linewidth=0.8)
    axis.set_xlabel("distance (small is near)")
