"""Content digests: what tells images apart by their decoded pixels, however and wherever they are stored.

Two files have one digest if MML reads the same picture out of them. Format and lossless compression, name, metadata, an
opaque alpha channel, grey stored as colours, and the type of integers that hold the same values do not count; an
orientation is applied, transparency is laid on white.
"""

import hashlib

import numpy as np

from mml_lib.data.colours import samples_to_rgb
from mml_lib.data.deep_images import DeepImage

DIGITS = 32
"""Hexadecimal digits of a digest, 128 bits: two of 10⁹ different images share one with a probability below 10⁻²⁰."""

INTEGERS = ("uint8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
"""Types of integers, each tried before those that hold more values."""

WIDENED = 257
"""Factor by which programs widen 8 bits to 16: 0 … 255 become 0 … 65535."""


def digest_pixels(pixels: np.ndarray) -> str:
    """Return the digest of an image with 8 bits.

    Args:
        pixels: uint8, H×W or H×W×3, upright.
    """
    return _digest(_without_colours(pixels))


def digest_deep(image: DeepImage) -> str:
    """Return the digest of an image whose samples have more than 8 bits."""
    values = _narrowed(image.values, image.inverted)
    if image.alpha is None or bool((image.alpha == 255).all()):
        return _digest(_without_colours(values))
    if values.dtype == np.uint8:
        return digest_pixels(np.asarray(samples_to_rgb(values, image.alpha)[0]))
    return _digest(_without_colours(values), image.alpha)


def _digest(*arrays: np.ndarray) -> str:
    # OpenSSL's SHA-256 uses the instructions of the processor: half the time of BLAKE2b where there are some.
    digest = hashlib.sha256(repr([(array.shape, array.dtype.str) for array in arrays]).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:DIGITS]


def _without_colours(pixels: np.ndarray) -> np.ndarray:
    """Return H×W samples in place of H×W×3 that are grey."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 1:
        return pixels[..., 0]
    for part in (pixels[:1], pixels):  # the first row shows nearly all colour images
        if not (part[..., :1] == part).all():
            return pixels
    return pixels[..., 0]


def _narrowed(values: np.ndarray, is_inverted: bool) -> np.ndarray:
    """Return the same samples in the type that holds all of them with the fewest bits.

    Args:
        values: samples of any type, H×W or H×W×3.
        is_inverted: the least value is white; unsigned integers are turned round.
    """
    if values.dtype.kind == "f":
        values = values + 0.0  # no -0.0
        if not (np.rint(values) == values).all() or np.abs(values).max() >= 2**53:
            single = values.astype(np.float32)
            values = single if bool((single == values).all()) else values.astype(np.float64)
            return -values if is_inverted else values
        values = values.astype(np.int64)
    if is_inverted:
        values = np.iinfo(values.dtype).max - values if values.dtype.kind == "u" else -values
    if values.dtype == np.uint16 and not (values[:1] % WIDENED).any() and not (values % WIDENED).any():
        values = values // WIDENED
    low, high = values.min(), values.max()
    fitting = next(name for name in INTEGERS if np.iinfo(name).min <= low and high <= np.iinfo(name).max)
    return values.astype(fitting)
