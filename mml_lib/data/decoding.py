"""Decoding: one image file, whatever its format, to 8-bit RGB as people see it, its mask beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mml_lib.config.task_types import IGNORE
from mml_lib.data.image_files import array_row, errors_named, open_image
from mml_lib.data.masks import decode_mask
from mml_lib.data.orientation import load_upright, upright_size
from mml_lib.data.transforms import apply, draft_size
from mml_lib.errors import MMLError
from mml_lib.tasks.mask_values import Color


def read_size(file: Path | str) -> tuple[int, int]:
    """Return height and width in pixels of the upright image, from the header.

    Raises:
        MMLError: the file is missing or no image.
    """
    with errors_named(file):
        if (row := array_row(file)) is not None:
            return row.shape[0], row.shape[1]
        with open_image(file) as image:
            return upright_size(image)


def decode(
    file: Path | str,
    transforms: Sequence[Mapping[str, Any]] = (),
    mask: Path | str | None = None,
    padding: int = IGNORE,
    mask_colors: Sequence[Color] | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode one image and its mask, and do to both what a preprocessing says.

    Args:
        file: PNG, JPEG, BMP, TIFF or WebP, of several frames the first; or a row of an array.
        transforms: as `resolve` gives them.
        mask: a file of class numbers, `EMPTY_MASK_TOKEN`, or None.
        padding: mask value of what transforms add, as `unused_value` gives it.
        mask_colors: colours that mask values stand for; None: they are numbers of the file.

    Returns:
        uint8 arrays, H×W×3 and H×W (None without a mask).

    Raises:
        MMLError: a file is missing, damaged, or holds what is no image or mask.
    """
    image = _read_rgb(file, None if mask is not None else draft_size(transforms))
    if mask is None:
        return apply(transforms, image, None)
    # Transforms pad with 255, which may be a class here: both change places meanwhile.
    swap = np.arange(256, dtype=np.uint8)
    swap[[padding, IGNORE]] = IGNORE, padding
    image, classes = apply(transforms, image, swap[decode_mask(mask, (image.height, image.width), mask_colors)])
    return image, swap[classes]


def _read_rgb(file: Path | str, draft: int | None) -> Image.Image:
    with errors_named(file):
        if (row := array_row(file)) is not None:
            return Image.fromarray(row).convert("RGB")
        with open_image(file) as image:
            if draft:
                # JPEG only: decode at the smallest of 1/1, 1/2, 1/4, 1/8 whose sides are not below this.
                image.draft("RGB", (draft, draft))
            rgb = to_rgb(load_upright(image), file)
            rgb.load()
            return rgb


def to_rgb(image: Image.Image, file: Path | str) -> Image.Image:
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
    return image if image.mode == "RGB" else image.convert("RGB")
