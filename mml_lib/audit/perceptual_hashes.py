"""Perceptual hashes: 64 bits of an image's low frequencies, which hardly change if it is saved or scaled again.

The hash is `phash` of the package imagehash: bits are set for those of the 8×8 lowest coefficients of the cosine
transform of a grey 32×32 thumbnail that are above their median. Flips and rotations by 90° change signs of coefficients
and transpose them, so that one transform gives the hashes of all eight views.
"""

from collections.abc import Iterator

import numpy as np

SIDE, LOW = 32, 8
"""Number of pixels per side of a thumbnail, and of coefficients per side of a hash."""

VIEWS = (
    *("same", "mirrored", "upside down", "turned by 180°"),
    *("transposed", "turned by 90°", "turned by 270°", "transposed the other way"),
)
"""Names of the eight symmetries of a square, in the order of `view_hashes`."""

BLOCK = 2**18
"""Number of pairs of hashes that are compared at a time, so that they fit into a processor's cache."""


def view_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """Return the hashes of the eight views of each image (uint64, 8×N).

    Args:
        thumbnails: grey thumbnails (N×32×32).
    """
    from scipy.fft import dctn

    coefficients = dctn(thumbnails.astype(np.float32), axes=(1, 2))[:, :LOW, :LOW]
    return np.stack([_bits(view) for view in _views(coefficients)])


def _views(coefficients: np.ndarray) -> Iterator[np.ndarray]:
    sign = np.where(np.arange(LOW) % 2, -1, 1).astype(coefficients.dtype)
    for transposed in (False, True):
        turned = coefficients.transpose(0, 2, 1) if transposed else coefficients
        yield turned
        yield turned * sign[None, None, :]
        yield turned * sign[None, :, None]
        yield turned * sign[None, :, None] * sign[None, None, :]


def view(thumbnails: np.ndarray, number: int) -> np.ndarray:
    """Return thumbnails (N×32×32) in one of the eight views of `VIEWS`."""
    turned = thumbnails.transpose(0, 2, 1) if number >= 4 else thumbnails
    turned = turned[:, :, ::-1] if number % 2 else turned
    return turned[:, ::-1] if number % 4 >= 2 else turned


def _bits(coefficients: np.ndarray) -> np.ndarray:
    flat = coefficients.reshape(-1, LOW * LOW)
    bits = flat > np.median(flat, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def similar_hashes(
    first: np.ndarray, second: np.ndarray, most_bits: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield pairs of similar hashes in blocks: rows of the first, later rows of the second, number of different bits.

    Args:
        first, second: hashes of two views of the same images (N).
        most_bits: largest number of different bits.
    """
    for start in range(0, len(first), 256):
        block = first[start : start + 256, None]
        step = max(1, BLOCK // len(block))
        for other in range(start, len(second), step):
            bits = np.bitwise_count(block ^ second[None, other : other + step])
            if not (is_similar := bits <= most_bits).any():
                continue
            rows, columns = np.nonzero(is_similar)
            left, right = rows + start, columns + other
            if (is_later := right > left).any():
                yield left[is_later], right[is_later], bits[rows, columns][is_later]
