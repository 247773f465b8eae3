"""Mapping of the samples of deep images to 8 bits."""

import functools

import numpy as np

from mml_lib.tasks.value_range import ValueRange


def to_eight_bits(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """Return values of any type as uint8: those of the range are spread over 0 to 255, those beyond are cut off."""
    if values.dtype in (np.uint16, np.int16):
        return _table(value_range, values.dtype.str)[values.view(np.uint16)]
    return _scaled(values, value_range)


@functools.lru_cache(maxsize=8)
def _table(value_range: ValueRange, kind: str) -> np.ndarray:
    return _scaled(np.arange(2**16, dtype=np.uint16).view(kind), value_range)


def _scaled(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    share = (values.astype(np.float64) - value_range.low) / (value_range.high - value_range.low)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
