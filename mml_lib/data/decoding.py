"""Decoding: one image file, whatever its format, to 8-bit RGB as people see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mml_lib.errors import MMLError

FILTERS = {name: Image.Resampling[name.upper()] for name in ("nearest", "bilinear", "bicubic", "lanczos")}
ORIENTATION = 0x0112  # EXIF tag; values from 5 on swap height and width


@contextmanager
def _errors_named(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise MMLError(f"the image {file} does not exist") from error
    except UnidentifiedImageError as error:
        raise MMLError(f"the image {file} is in no format that can be read; replace or remove it") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MMLError(f"the image {file} is truncated or damaged ({error}); replace or remove it") from error


def read_size(file: Path) -> tuple[int, int]:
    """Return height and width in pixels from the header, EXIF orientation honoured.

    Raises:
        MMLError: the file is missing or no image.
    """
    with _errors_named(file), Image.open(file) as image:
        width, height = image.size
        return (width, height) if image.getexif().get(ORIENTATION, 1) >= 5 else (height, width)


def decode(file: Path, size: tuple[int, int], fit: str = "squash", interpolation: str = "bilinear") -> np.ndarray:
    """Decode and resize one image.

    Args:
        file: PNG, JPEG, BMP, TIFF or WebP; of several frames the first.
        size: height and width to give, in pixels.
        fit: `squash`, `crop` or `pad` for another aspect ratio.
        interpolation: nearest, bilinear, bicubic or lanczos.

    Returns:
        uint8 array H×W×3.

    Raises:
        MMLError: the file is missing, damaged, or holds floating-point values.
    """
    height, width = size
    with _errors_named(file), Image.open(file) as image:
        # JPEG only: decode at the smallest of 1/1, 1/2, 1/4, 1/8 that is not below twice the size asked for.
        image.draft("RGB", (2 * max(size), 2 * max(size)))
        image = to_rgb(ImageOps.exif_transpose(image), file)
        resample = FILTERS[interpolation]
        if fit == "crop":
            image = ImageOps.fit(image, (width, height), method=resample)
        elif fit == "pad":
            image = ImageOps.pad(image, (width, height), method=resample)
        else:
            image = image.resize((width, height), resample, reducing_gap=2.0)
        return np.asarray(image)


def to_rgb(image: Image.Image, file: Path) -> Image.Image:
    """Bring any mode to 8-bit RGB: 16 bits lose their lower half, transparency is laid on white.

    Raises:
        MMLError: floating-point or 32-bit values, whose range nobody knows.
    """
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise MMLError(f"the image {file} has values outside 0..65535; store it with 8 or 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise MMLError(f"the image {file} has floating-point values of unknown range; store it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")
