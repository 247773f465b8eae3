"""Figures of explanations: images, with the parts by which a network decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from scipy.ndimage import gaussian_filter

from mml_lib.errors import MMLError
from mml_lib.reports.canvas import picture_grid, save, shorten

ACROSS = 2
"""Images in a line."""
SMOOTHING = 1 / 64
"""Deviation of the blur of maps of pixels, as a share of the longer side; at least one pixel."""
OUTLINED = 0.5
"""Share of the largest value of a map at which a line is drawn."""
SHARPEST = 99.5
"""Percentile of a map that has the lightest shade."""


@dataclass(frozen=True)
class ExplainedPicture:
    """An image of a figure.

    Args:
        picture: uint8 H×W×3.
        caption: lines above the image.
        maps: maps H×W with their captions, one or two.
        is_smooth: True for maps of regions; False for maps of pixels, which are blurred.
    """

    picture: np.ndarray
    caption: str
    maps: Sequence[tuple[str, np.ndarray]]
    is_smooth: bool


def draw_explanations(pictures: Sequence[ExplainedPicture], path: str | Path) -> None:
    """Draw images, each beside its map: evidence is light, and a line surrounds the strongest evidence.

    Args:
        pictures: the images.
        path: path of the figure.

    Raises:
        MMLError: there are no images.
    """
    if not pictures:
        raise MMLError("there are no images to explain; predict a labelled split")
    wide = 1 + max(len(picture.maps) for picture in pictures)
    across = min(ACROSS, len(pictures))
    lines = -(-len(pictures) // across)
    figure, axes = picture_grid(lines, wide * across, 1.75 * wide * across, 2.25 * lines + 0.1)
    for cells, picture in zip(axes.reshape(-1, wide), pictures, strict=False):
        cells[0].imshow(picture.picture, interpolation="nearest")
        cells[0].set_title(picture.caption, fontsize=6.5, loc="left", pad=3)
        for axis, (caption, values) in zip(cells[1:], picture.maps, strict=False):
            _draw_map(axis, picture.picture, display_values(values, picture.is_smooth))
            none = "" if values.any() else " (no evidence)"
            axis.set_title(caption + none, fontsize=6.5, loc="left", pad=3)
    save(figure, path)


def display_values(values: np.ndarray, is_smooth: bool) -> np.ndarray:
    """Return a map in 0..1 for drawing. Maps of pixels become blurred absolute values."""
    size = values if is_smooth else gaussian_filter(np.abs(values), max(1, SMOOTHING * max(values.shape)))
    most = np.percentile(size, SHARPEST) or size.max()
    return np.clip(size / most, 0, 1) if most > 0 else np.zeros_like(size)


def _draw_map(axis: Axes, picture: np.ndarray, strength: np.ndarray) -> None:
    """Draw a map over the grey image: shades of growing lightness, so that it is readable in black and white."""
    grey = picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    shades = matplotlib.colormaps["cividis"](strength)[..., :3]
    axis.imshow(0.35 * grey[..., None] + 0.65 * shades, interpolation="nearest")
    if min(strength.shape) > 1 and strength.min() < OUTLINED < strength.max():
        for color, width in (("black", 1.8), ("white", 0.8)):
            axis.contour(strength, levels=[OUTLINED], colors=color, linewidths=width)


def caption_of(id_: str, label: str, prediction: str, probability: float) -> str:
    """Return the lines above an image."""
    sure = "" if np.isnan(probability) else f" {probability:.2f}"
    return f"{shorten(id_, 26)}\ntrue {shorten(label, 24)}\npredicted {shorten(prediction, 20)}{sure}"
