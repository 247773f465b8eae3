"""Figures of confusion matrices, in reports and while training."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mml_lib.reports.canvas import shorten

COUNTED = 20
"""Classes up to which numbers are written into a matrix."""
NAMED = 40
"""Largest number of classes for which a matrix names all classes."""


def confusion_figure(counts: np.ndarray, classes: Sequence[str], unit: str = "images", networks: float = 1) -> Figure:
    """Return a confusion matrix: shades are shares of a row, the samples of a class; numbers are counts and shares.

    Args:
        counts: counts of true and predicted class, C×C.
        classes: names of the classes.
        unit: unit of the counts, `images` or `pixels`.
        networks: number of networks that predict each image; their predictions are counted.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = [
        [f"{shorten_count(count)}\n{share:.0%}" if count else "" for count, share in zip(*row, strict=True)]
        for row in zip(counts.tolist(), shares.tolist(), strict=True)
    ]
    names = [shorten(name, 24) for name in classes]
    side = min(11.0, 2.4 + 0.5 * len(classes))
    figure = Figure(figsize=(side + 0.9, side), layout="constrained")
    axis = figure.add_subplot()
    image = draw_matrix(axis, shares, texts, names, names)
    axis.set_xlabel("predicted class", fontsize=9)
    axis.set_ylabel("true class", fontsize=9)
    axis.set_title(_title(counts, unit, networks), fontsize=9)
    bar = figure.colorbar(image, ax=axis, shrink=0.6, aspect=30)
    bar.set_label(f"share of the {unit} of a true class", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _title(counts: np.ndarray, unit: str, networks: float) -> str:
    """Return the share of right predictions with the numbers of images and networks."""
    total = int(counts.sum())
    right, different = f"{counts.trace() / max(total, 1):.1%}", f"{total / networks:,.0f} {unit}"
    if networks == 1:
        return f"{right} of {different} are right"
    if networks == int(networks):
        return f"{right} right: {different}, each predicted by {networks:.0f} networks\n(numbers: predictions)"
    return f"{right} right: {total:,} predictions of {different}\n(numbers: predictions)"


def draw_matrix(
    axis: Axes,
    shares: np.ndarray,
    texts: Sequence[Sequence[str]],
    columns: Sequence[str],
    rows: Sequence[str],
    aspect: Literal["equal", "auto"] = "equal",
) -> Any:
    """Draw shares as shades, with texts in small matrices; return the image."""
    image = axis.imshow(shares, cmap="Greys", vmin=0, vmax=1, interpolation="none", aspect=aspect)
    for names, set_ticks, angle in ((columns, axis.set_xticks, 45), (rows, axis.set_yticks, 0)):
        indices = range(0, len(names), -(-len(names) // NAMED))
        turned: dict[str, Any] = {"rotation": angle, "ha": "right", "rotation_mode": "anchor"} if angle else {}
        set_ticks(indices, [names[index] for index in indices], fontsize=7, **turned)
    if len(rows) <= COUNTED:
        for (row, column), share in np.ndenumerate(shares):
            color = "white" if share > 0.5 else "black"
            axis.text(column, row, texts[row][column], ha="center", va="center", fontsize=6, color=color)
    return image


def shorten_count(count: int) -> str:
    """Return a number in at most five characters: 12345, 123k, 12M."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= 100 * size:
            return f"{count // size}{letter}"
    return str(count)
