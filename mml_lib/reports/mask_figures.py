"""Figures of a segmentation: metrics of each class, and predicted masks beside true ones."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mml_lib.errors import MMLError
from mml_lib.reports.canvas import (
    FILLED,
    HATCHED,
    draw_bar_pairs,
    legend_below,
    name_rows,
    picture_grid,
    save,
    shorten,
    single_panel,
)
from mml_lib.task_types import IGNORE

BARS = 40
"""Classes that have bars at most: the worst ones."""
ACROSS = 2
"""Images in a line, each with two masks."""
NAMED = 24
"""Classes that a legend names at most."""
DETAIL = 512
"""Rows and columns that are drawn of an image at most."""


def draw_overlap(table: pd.DataFrame, path: str | Path) -> None:
    """Draw Dice coefficient and intersection over union of each class as bars: means over images.

    Args:
        table: table of `mml_lib.evaluation.subgroups.class_table` for masks.
        path: path of the figure.

    Raises:
        MMLError: no mask has any class.
    """
    defined = table[table["dice"].notna()]
    if defined.empty:
        raise MMLError("no class is in any of the masks; evaluate a labelled split")
    drawn = table if len(table) <= BARS else defined.sort_values("dice", kind="stable").head(BARS)
    figure, axis = single_panel(6.6, 1.2 + 0.44 * len(drawn))
    pairs = {"Dice coefficient": drawn["dice"], "intersection over union": drawn["iou"]}
    draw_bar_pairs(axis, pairs, [FILLED, HATCHED], size=7)
    names = [
        f"{shorten(row['class'], 30)} ({row['support']:,.0f})" + ("" if row["dice"] >= 0 else ", in no mask")
        for row in drawn.to_dict("records")
    ]
    name_rows(axis, names)
    axis.set(xlim=(0, 1.09), ylabel="class (true pixels)")
    rest = f"{len(defined) - len(drawn)} better ones are left out" if len(drawn) < len(table) else ""
    axis.set_xlabel("mean over the images in which a class is true or predicted")
    handles, _ = axis.get_legend_handles_labels()
    legend_below(figure, handles, 2, loc="outside lower center", title=rest or None)
    save(figure, path)


def worst_part(mask: np.ndarray, target: np.ndarray) -> tuple[slice, slice]:
    """Return the part of a large image, up to `DETAIL` rows and columns, with the most wrong pixels.

    Args:
        mask: predicted classes, H×W.
        target: true classes, H×W, 255 ignored.
    """
    wrong = np.pad(((mask != target) & (target != IGNORE)).astype(np.int32), ((1, 0), (1, 0)))
    sums = wrong.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    height, width = (min(DETAIL, side) for side in mask.shape)
    counts = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = divmod(int(counts.argmax()), counts.shape[1])
    return slice(top, top + height), slice(left, left + width)


def draw_worst_masks(
    worst: pd.DataFrame,
    images: Sequence[np.ndarray],
    masks: Sequence[tuple[np.ndarray, np.ndarray]],
    classes: Sequence[str],
    path: str | Path,
) -> None:
    """Draw images, and beside each the true and the predicted mask, in shades of their classes.

    Args:
        worst: table of `mml_lib.evaluation.subgroups.largest_losses`, N rows.
        images: N preprocessed images or crops of large ones, uint8, H×W×3.
        masks: N pairs of predicted and true masks, H×W.
        classes: names of the classes.
        path: path of the figure.

    Raises:
        MMLError: there are no images.
    """
    if worst.empty:
        raise MMLError("there are no masks with a loss to draw; evaluate a labelled split")
    # Of growing lightness: they are told apart in black and white too.
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 1, max(2, len(classes))))[:, :3]
    lines = -(-len(worst) // ACROSS)
    across = min(ACROSS, len(worst))
    figure, axes = picture_grid(lines, 3 * across, 5.3 * across, 2.15 * lines + 0.1)
    seen: set[int] = set()
    for trio, row, image, (mask, target) in zip(
        axes.reshape(-1, 3), worst.to_dict("records"), images, masks, strict=False
    ):
        trio[0].imshow(image)
        trio[0].set_title(f"{shorten(str(row['id']), 26)}\n1 − Dice {row['loss']:.3g}", fontsize=6.5, loc="left", pad=3)
        for axis, classes_of, name in ((trio[1], target, "true"), (trio[2], mask, "predicted")):
            _show_mask(axis, classes_of, target == IGNORE, shades)
            axis.set_title(name, fontsize=6.5, loc="left", pad=3)
            seen |= {*np.unique(classes_of).tolist()}
    _name_classes(figure, shades, classes, seen)
    save(figure, path)


def _show_mask(axis: Axes, mask: np.ndarray, ignored: np.ndarray, shades: np.ndarray) -> None:
    """Show the classes of pixels. Ignored pixels are white and hatched."""
    picture = np.ones((*mask.shape, 3))
    picture[~ignored] = shades[np.minimum(mask[~ignored], len(shades) - 1)]
    axis.imshow(picture, interpolation="nearest")
    if ignored.any():
        axis.contourf(ignored, levels=[0.5, 1.5], colors="none", hatches=["////"])
    height, width = mask.shape
    axis.plot([-0.5, width - 0.5, width - 0.5, -0.5, -0.5], [-0.5, -0.5, height - 0.5, height - 0.5, -0.5], "k", lw=0.6)


def _name_classes(figure: Figure, shades: np.ndarray, classes: Sequence[str], seen: set[int]) -> None:
    """Add a legend of the visible classes below a figure."""
    present = [index for index in range(len(classes)) if index in seen]
    handles = [
        Patch(facecolor=shades[index], edgecolor="black", linewidth=0.6, label=shorten(classes[index], 24))
        for index in present[:NAMED]
    ]
    if IGNORE in seen:
        handles.append(Patch(facecolor="white", edgecolor="black", hatch="////", linewidth=0.6, label="ignored"))
    rest = f"and {len(present) - NAMED} further classes" if len(present) > NAMED else None
    columns = max(1, int(figure.get_figwidth() / 1.8))
    legend_below(figure, handles, columns, room=0.22, fontsize=7, title=rest, title_fontsize=7)
