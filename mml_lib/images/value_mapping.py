"""Mapping of the samples of image files to pixels of a dtype, from 0 to its full scale."""

import functools
import math
from typing import NamedTuple

import cv2
import numpy as np

from mml_lib.tasks.pixel_format import FULL_SCALE, Depth, ValueRange


class WholeRescale(NamedTuple):
    """Rescaling of integers by slope and intercept. Results are clipped to the range of the dtype `depth`."""

    slope: int
    intercept: int
    depth: str

    def of(self, stored: np.ndarray) -> np.ndarray:
        """Return stored values times the slope plus the intercept."""
        limits = np.iinfo(self.depth)
        ends = [int(end) * self.slope + self.intercept for end in (stored.min(), stored.max())]
        if min(ends) < limits.min or max(ends) > limits.max:
            return fitted(stored.astype(np.int64) * self.slope + self.intercept, self.depth)
        # If all results fit, arithmetic that wraps around is correct, and several times as fast.
        factor, summand = (np.array(number).astype(self.depth) for number in (self.slope, self.intercept))
        values = stored.astype(self.depth)
        return (values if self.slope == 1 else values * factor) + summand


def fitted(values: np.ndarray, depth: str) -> np.ndarray:
    """Return values as another dtype, clipped to its range."""
    if depth.startswith("float"):
        return values.astype(depth)
    limits = np.iinfo(depth)
    if values.dtype != depth and values.size and (values.min() < limits.min or values.max() > limits.max):
        values = values.clip(limits.min, limits.max)
    return values.astype(depth, copy=False)


def to_depth(
    values: np.ndarray, value_range: ValueRange, depth: Depth = "uint8", rescale: WholeRescale | None = None
) -> np.ndarray:
    """Return values of any dtype as pixels: the range is mapped linearly to 0 … full scale, other values are clipped.

    Args:
        values: samples of any shape.
        value_range: values that become 0 and full scale.
        depth: dtype of the pixels.
        rescale: rescaling of the samples before the mapping; None without it.
    """
    if values.dtype in (np.uint16, np.int16):
        # Four times as fast as indexing with the values, which NumPy first converts to integers of 64 bits.
        rows = np.ascontiguousarray(values).view(np.uint16).reshape(len(values), -1)
        return cv2.LUT(rows, _table(value_range, values.dtype.str, depth, rescale)).reshape(values.shape)
    return _scaled(rescale.of(values) if rescale else values, value_range, depth)


def widen(values: np.ndarray, depth: Depth) -> np.ndarray:
    """Return pixels of 8 bits as pixels of another dtype."""
    if depth == "uint8":
        return values
    if depth == "uint16":
        return values * np.uint16(257)
    return (values / np.float32(255)).astype(depth)


@functools.lru_cache(maxsize=16)
def _table(value_range: ValueRange, kind: str, depth: Depth, rescale: WholeRescale | None) -> np.ndarray:
    stored = np.arange(2**16, dtype=np.uint16).view(kind)
    return _scaled(rescale.of(stored) if rescale else stored, value_range, depth)


def _scaled(values: np.ndarray, value_range: ValueRange, depth: Depth) -> np.ndarray:
    share = _above(values, value_range.low) / (value_range.high - value_range.low)
    pixels = FULL_SCALE[depth] * np.clip(share, 0, 1)
    return (np.rint(pixels) if depth.startswith("uint") else pixels).astype(depth)


def _above(values: np.ndarray, low: float) -> np.ndarray:
    """Return the differences of values to a bound (float64). 64-bit integers below the bound count as the bound.

    64-bit integers are subtracted before their conversion to floating-point numbers, which have 53 bits.
    """
    if values.dtype.kind not in "ui" or values.dtype.itemsize < 8:
        return values.astype(np.float64) - low
    limits = np.iinfo(values.dtype)
    base = min(max(math.floor(low), int(limits.min)), int(limits.max))
    # Unsigned differences wrap around to the correct values, even above the largest signed integer.
    whole = np.maximum(values, values.dtype.type(base)).astype(np.uint64) - np.uint64(base % 2**64)
    return whole.astype(np.float64) - float(low - base)
