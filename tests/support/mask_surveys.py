"""Masks of small data sets, and the survey of a data set that has them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.targets import Targets

MASK = np.array([[0, 1, 2, 1], [0, 0, 2, 1]], np.uint8)
RED, GREEN, WHITE, BLACK = [255, 0, 0], [0, 255, 0], [255, 255, 255], [0, 0, 0]
LESION = {0: "background", 1: "lesion"}
COLORS = [["background", [BLACK]], ["lesion", [RED]]]

Content = np.ndarray | Image.Image | str


def paletted(indices: np.ndarray, *colors: Sequence[int], **info: Any) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette([channel for color in colors for channel in color])
    image.info |= info
    return image


def colored(indices: np.ndarray, *colors: Sequence[int]) -> np.ndarray:
    return np.array(colors, np.uint8)[indices]


def shape(number: int, value: int = 1, size: int = 8) -> np.ndarray:
    """Return a mask of 0 and a value, another one for each number."""
    mask = np.zeros((size, size), np.uint8)
    mask[1 : 3 + number % 4, 2:6] = value
    return mask


def pixels(data: Dataset, idx_to_class: dict | None = None, colors: Any = None) -> list[dict[str, int]]:
    """Return the pixels of each class in each mask."""
    targets = Targets.of(data, idx_to_class, "t", colors)
    return [dict(zip(targets.classes, row, strict=True)) for row in targets.values.tolist()]
