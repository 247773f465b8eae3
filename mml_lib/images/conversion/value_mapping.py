"""Mapping of the samples of image files to pixels of a type, from 0 to its full scale."""

import functools

import cv2
import numpy as np

from mml_lib.tasks.pixel_format import FULL_SCALE, Depth
from mml_lib.tasks.value_range import ValueRange


def to_depth(values: np.ndarray, value_range: ValueRange, depth: Depth = "uint8") -> np.ndarray:
    """Return values of any type as pixels: those of the range are spread over 0 to full scale, others are cut off."""
    if values.dtype in (np.uint16, np.int16):
        # Four times as fast as indexing with the values, which NumPy first turns into integers of 64 bits.
        rows = np.ascontiguousarray(values).view(np.uint16).reshape(len(values), -1)
        return cv2.LUT(rows, _table(value_range, values.dtype.str, depth)).reshape(values.shape)
    return _scaled(values, value_range, depth)


def widen(values: np.ndarray, depth: Depth) -> np.ndarray:
    """Return pixels of 8 bits as pixels of another type."""
    if depth == "uint8":
        return values
    if depth == "uint16":
        return values * np.uint16(257)
    return (values / np.float32(255)).astype(depth)


@functools.lru_cache(maxsize=16)
def _table(value_range: ValueRange, kind: str, depth: Depth) -> np.ndarray:
    return _scaled(np.arange(2**16, dtype=np.uint16).view(kind), value_range, depth)


def _scaled(values: np.ndarray, value_range: ValueRange, depth: Depth) -> np.ndarray:
    share = (values.astype(np.float64) - value_range.low) / (value_range.high - value_range.low)
    pixels = FULL_SCALE[depth] * np.clip(share, 0, 1)
    return (np.rint(pixels) if depth.startswith("uint") else pixels).astype(depth)
