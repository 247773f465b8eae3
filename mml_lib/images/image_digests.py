"""Content digests: digests of the decoded pixels of images, independent of their files.

Two files have the same digest if MML reads the same picture from them. Digests do not depend on format, lossless
compression, name, metadata, an opaque alpha channel, grey stored as colours, the dtype of equal integers, 8 or 12 bits
that were widened to 16, or integers that were scaled to 0 … 1. The orientation is applied, and transparency is replaced
by white.
"""

import hashlib
import re

import numpy as np

from mml_lib.images.colours import samples_to_rgb
from mml_lib.images.deep_images import DeepImage

DIGITS = 32
"""Hexadecimal digits of a digest, 128 bits: two of 10⁹ different images share one with a probability below 10⁻²⁰."""

INTEGERS = ("uint8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
"""Dtypes of integers, in the order in which they are tried."""

WIDENED = (257, 256, 16)
"""Factors by which programs widen 8 bits (0 … 255 to 65535, or to 65280) and 12 bits to 16."""

SLICE = re.compile(r"(?<!\.npy)#\d+$")
"""End of the name of a slice, frame or page of a file; rows of arrays are images of their own."""

UNITS = ((255, 1e-3), (65535, 1e-2))
"""Largest values of integers that programs scale to 0 … 1, and largest rounding error of the restored integers."""


def digest_pixels(pixels: np.ndarray) -> str:
    """Return the digest of an image with 8 bits.

    Args:
        pixels: upright pixels, H×W or H×W×3 (uint8).
    """
    return _digest(without_colours(pixels))


def digest_deep(image: DeepImage) -> str:
    """Return the digest of an image whose samples have more than 8 bits."""
    values = _narrowed(image.values, image.inverted)
    if image.alpha is None or bool((image.alpha == 255).all()):
        return _digest(without_colours(values))
    if values.dtype == np.uint8:
        return digest_pixels(np.asarray(samples_to_rgb(values, image.alpha)[0]))
    return _digest(without_colours(values), image.alpha)


def digest_slice(values: np.ndarray, name: str) -> str | None:
    """Return a digest of the name for a slice with a single value; None for other images.

    Volumes often have such slices at their ends. They must not count as copies, which would connect volumes.

    Args:
        values: samples of an image.
        name: name of the image in its data set, with `#<slice>` for a slice of a file.
    """
    if not SLICE.search(name) or not bool((values == values.flat[0]).all()):
        return None
    return hashlib.sha256(name.encode()).hexdigest()[:DIGITS]


def _digest(*arrays: np.ndarray) -> str:
    # SHA-256 of OpenSSL takes half the time of BLAKE2b on processors with instructions for it.
    digest = hashlib.sha256(repr([(array.shape, array.dtype.str) for array in arrays]).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:DIGITS]


def without_colours(pixels: np.ndarray) -> np.ndarray:
    """Return grey samples H×W×3 as H×W, and others without change."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 1:
        return pixels[..., 0]
    for part in (pixels[:1], pixels):  # the first row shows nearly all colour images
        if not (part[..., :1] == part).all():
            return pixels
    return pixels[..., 0]


def _narrowed(values: np.ndarray, is_inverted: bool) -> np.ndarray:
    """Return the samples in the smallest dtype that represents all of them.

    Args:
        values: samples of any dtype, H×W or H×W×3.
        is_inverted: True if the least value is white. Values are then inverted.
    """
    if values.dtype.kind == "f":
        values = _from_units(values + 0.0)  # no -0.0
    if values.dtype.kind == "f":
        if not (np.rint(values) == values).all() or np.abs(values).max() >= 2**53:
            with np.errstate(over="ignore"):  # infinity differs from the value, which then keeps its type
                single = values.astype(np.float32)
            values = single if bool((single == values).all()) else values.astype(np.float64)
            return -values if is_inverted else values
        values = values.astype(np.int64)
    if is_inverted:
        values = np.iinfo(values.dtype).max - values if values.dtype.kind == "u" else -values
    if values.dtype == np.uint16 and values.max() > 255:
        values = values // next((factor for factor in WIDENED if _all_multiples(values, factor)), 1)
    low, high = values.min(), values.max()
    fitting = next(name for name in INTEGERS if np.iinfo(name).min <= low and high <= np.iinfo(name).max)
    return values.astype(fitting)


def _all_multiples(values: np.ndarray, factor: int) -> bool:
    return not any((part % factor).any() for part in (values[:1], values))  # the first row decides nearly always


def _from_units(values: np.ndarray) -> np.ndarray:
    """Return the unsigned integers that were divided by their largest value to give values in 0..1, or the values.

    Values that rounding would merge are not such numbers: small values, such as diffusion in m²/s, would become 0.
    """
    if values.min() < 0 or values.max() > 1 or (np.rint(values) == values).all():
        return values
    for largest, tolerance in UNITS:
        scaled = values.astype(np.float64) * largest
        if not (np.abs(scaled - np.rint(scaled)) < tolerance).all():
            continue
        integers = np.rint(scaled).astype(np.uint16)
        if _stand_for(integers, values):
            return integers
    return values


def _stand_for(integers: np.ndarray, values: np.ndarray) -> bool:
    """Return True if each integer stands for one of the values, and 0 for 0."""
    table = np.zeros(int(integers.max()) + 1, values.dtype)
    table[integers] = values
    table[0] = 0
    return bool((table[integers] == values).all())
