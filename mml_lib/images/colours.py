"""Colours: pixels of any mode of Pillow to 8-bit RGB or grey as people see them."""

import functools

import numpy as np
from PIL import Image, ImageCms

from mml_lib.images.findings import BLANK, LEFT_OUT, UNSEEN

LEAST_OPACITY = 32
"""An alpha channel that is below this everywhere, 255 being opaque, is taken for something else than opacity."""

PHOTOMETRIC, SAMPLES_PER_PIXEL, EXTRA_SAMPLES = 262, 277, 338
"""Tags of TIFF."""

BANDS = {2: 3, 5: 4, 6: 3, 8: 3}
"""Bands of colour by photometric interpretation, where they are more than one."""

OPACITY = {1, 2, 999}
"""Values of ExtraSamples that stand for opacity; 999 is Corel's."""

CLEAR, CLEAR_SHARE = 1 / 8, 1 / 1000
"""Difference of channels, as part of the range, and share of pixels from which colours are meant: no noise of JPEG."""

COMPARED = 16
"""Pixels of an image that are compared before all are."""


def has_other_bands(image: Image.Image) -> bool:
    """Return True if an opened TIFF has bands beside its colours that it does not call opacity: near infrared, say."""
    if image.format != "TIFF":
        return False
    tags = image.tag_v2
    bands = tags.get(SAMPLES_PER_PIXEL, 1) - BANDS.get(tags.get(PHOTOMETRIC), 1)
    extra = tags.get(EXTRA_SAMPLES, ())
    return bands > 0 and not OPACITY & set(extra if isinstance(extra, tuple) else (extra,))


def to_picture(image: Image.Image, other_bands: bool = False) -> tuple[Image.Image, list[str]]:
    """Return a loaded 8-bit image as RGB, or grey where its mode is, transparency laid on white, and its findings.

    Args:
        image: of any mode but those with more than 8 bits.
        other_bands: its fourth band is no opacity; it is left out.
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
    """Return samples (uint8, H×W or H×W×3) with their opacity (uint8, H×W) as RGB, as `to_picture` does."""
    image = Image.fromarray(samples).convert("RGB")
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    return to_picture(image)


def has_clear_colours(pixels: np.ndarray) -> bool:
    """Return True if the channels of 1 in 1,000 pixels or more differ clearly: by more than an eighth of the range.

    Args:
        pixels: red, green and blue of any type, H×W×3.
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
    for number in range(1, COMPARED + 1):  # along the diagonal, where nearly all images differ
        if image.getpixel((number * width // COMPARED, number * height // COMPARED)) != first:
            return False
    return all(low == high for low, high in (band.getextrema() for band in image.split()))
