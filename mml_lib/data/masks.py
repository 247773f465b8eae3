"""Masks: one mask file to class numbers, and the values that it holds."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mml_lib.config.task_types import IGNORE
from mml_lib.data.image_files import array_row, errors_named, open_image
from mml_lib.data.orientation import load_upright
from mml_lib.errors import MMLError
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN


def decode_mask(file: Path | str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return class numbers, uint8 H×W, as they are in the file (of a palette the indices, of 1 bit 0 and 1).

    Args:
        file: an image with one channel, a row of an array, or `EMPTY_MASK_TOKEN`.
        size: height and width that it must have.

    Raises:
        MMLError: colours, values over 255, another size.
    """
    if file == EMPTY_MASK_TOKEN:
        return np.zeros(size, dtype=np.uint8)
    with errors_named(file, "mask"):
        row = array_row(file)
        if row is None:
            with open_image(file) as image:
                image = load_upright(image)
                if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
                    raise MMLError(f"the mask {file} has colours ({image.mode}); store class numbers in one channel")
                row = np.asarray(image)
        if row.dtype != np.uint8:
            if row.size and (row.min() < 0 or row.max() > 255):
                raise MMLError(f"the mask {file} has values outside 0..255; store class numbers with 8 bits")
            row = row.astype(np.uint8)
        if size is not None and row.shape != tuple(size):
            raise MMLError(f"the mask {file} has {row.shape[0]}×{row.shape[1]} pixels, its image {size[0]}×{size[1]}")
        return np.array(row)


def count_values(file: Path | str, size: tuple[int, int]) -> tuple[tuple[int, int], dict[int, int]]:
    """Return height and width of a mask, and how many pixels each value has.

    Args:
        file: as for `decode_mask`.
        size: of the image, for an empty mask.
    """
    mask = decode_mask(file, size if file == EMPTY_MASK_TOKEN else None)
    counts = np.bincount(mask.ravel(), minlength=256)
    return mask.shape, {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def unused_value(counts: Iterable[Mapping[int, int] | None]) -> int:
    """Return the largest value that no mask has, to stand for what is in none: 255, where that is no class.

    Args:
        counts: pixels of each value in each mask.
    """
    used = {value for values in counts for value in values or ()}
    return max(set(range(256)) - used, default=IGNORE)
