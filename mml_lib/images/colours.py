"""Colours: conversion of 8-bit images of any mode of Pillow to RGB or grey, as they are displayed."""

import functools

import numpy as np
from PIL import Image, ImageCms

from mml_lib.images.findings import BLANK, LEFT_OUT, UNSEEN

LEAST_OPACITY = 32
"""Alpha channels with a maximum below this value are not considered opacity; 255 is opaque."""

PHOTOMETRIC, SAMPLES_PER_PIXEL, EXTRA_SAMPLES = 262, 277, 338
"""Tags of TIFF."""

BANDS = {2: 3, 5: 4, 6: 3, 8: 3}
"""Number of colour bands by photometric interpretation; 1 for others."""

OPACITY = {1, 2, 999}
"""Values of ExtraSamples for opacity. 999 is written by Corel."""

CLEAR, CLEAR_SHARE = 1 / 8, 1 / 1000
"""Least difference of channels, as a share of the range, and least share of pixels with it, in an image with colours.
Both exceed the noise of JPEG.
"""

COMPARED = 16
"""Number of pixels that are compared before all pixels are."""


def has_other_bands(image: Image.Image) -> bool:
    """Return True if an opened TIFF has additional bands that are not declared as opacity, such as near infrared."""
    if image.format != "TIFF":
        return False
    tags = image.tag_v2
    bands = tags.get(SAMPLES_PER_PIXEL, 1) - BANDS.get(tags.get(PHOTOMETRIC), 1)
    extra = tags.get(EXTRA_SAMPLES, ())
    return bands > 0 and not OPACITY & set(extra if isinstance(extra, tuple) else (extra,))


def to_picture(image: Image.Image, other_bands: bool = False) -> tuple[Image.Image, list[str]]:
    """Return an 8-bit image as RGB, or as grey if its mode is grey, and its findings. Transparency becomes white.

    Args:
        image: loaded image of any mode with 8 bits.
        other_bands: True if the fourth band is not opacity; it is left out.
    """
    findings = [LEFT_OUT] if other_bands else []
    if image.mode == "LAB":
        image = ImageCms.applyTransform(image, _lab_transform())
    elif image.has_transparency_data and not other_bands:
        image = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
        if image.getchannel("A").getextrema()[1] < LEAST_OPACITY:
            findings.append(UNSEEN)
        else:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    mode = "L" if image.mode in ("1", "L") else "RGB"
    picture = image if image.mode == mode else image.convert(mode)
    return picture, [*findings, BLANK] if is_blank(picture) else findings


def samples_to_rgb(samples: np.ndarray, alpha: np.ndarray | None = None) -> tuple[Image.Image, list[str]]:
    """Return samples, H×W or H×W×3 (uint8), with opacity, H×W (uint8), as RGB with findings; see `to_picture`."""
    image = Image.fromarray(samples).convert("RGB")
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    return to_picture(image)


def has_clear_colours(pixels: np.ndarray) -> bool:
    """Return True if the channels of at least 1 in 1,000 pixels differ by more than an eighth of the range.

    Args:
        pixels: red, green and blue, H×W×3, of any dtype.
    """
    largest = 255 if pixels.dtype == np.uint8 else float(pixels.max())
    differences = pixels.max(axis=2).astype(np.float64) - pixels.min(axis=2)
    return bool(np.count_nonzero(differences > CLEAR * largest) >= CLEAR_SHARE * differences.size)


@functools.lru_cache(maxsize=1)
def _lab_transform() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def is_blank(image: Image.Image) -> bool:
    """Return True if all pixels of an image, RGB or grey, have one colour."""
    first, width, height = image.getpixel((0, 0)), image.width - 1, image.height - 1
    for number in range(1, COMPARED + 1):  # along the diagonal, where nearly all images have different pixels
        if image.getpixel((number * width // COMPARED, number * height // COMPARED)) != first:
            return False
    return all(low == high for low, high in (band.getextrema() for band in image.split()))
