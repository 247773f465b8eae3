"""Crops: parts of images and masks."""

import numpy as np


def cut(image: np.ndarray, top: int, left: int, crop: np.ndarray) -> None:
    """Copy the part of an image that a crop shows; what lies beyond the image stays as it is.

    Args:
        image: H×W×….
        top, left: the upper left corner of the crop in the image; may be below 0.
        crop: h×w×…, is written to.
    """
    (source, target) = _overlap(image.shape[:2], (top, left), crop.shape[:2])
    crop[target] = image[source]


def cut_mask(mask: np.ndarray, top: int, left: int, lookup: np.ndarray, crop: np.ndarray) -> None:
    """Like `cut`, for the classes of a mask's values."""
    (source, target) = _overlap(mask.shape[:2], (top, left), crop.shape[:2])
    crop[target] = lookup[mask[source]]


def _overlap(
    sides: tuple[int, ...], corner: tuple[int, int], lengths: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the slices of an image and of its crop that show the same."""
    source, target = [], []
    for side, start, length in zip(sides, corner, lengths, strict=True):
        low, high = max(0, start), min(side, start + length)
        source.append(slice(low, high))
        target.append(slice(low - start, high - start))
    return tuple(source), tuple(target)
