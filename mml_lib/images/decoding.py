"""Decoding: one image file, whatever its format, to 8-bit RGB as people see it, its mask beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.files.manager import MANIFEST
from mml_lib.images.colours import has_other_bands, samples_to_rgb, to_rgb
from mml_lib.images.deep_images import DeepImage, depth_of, read_deep
from mml_lib.images.findings import PAGES, Findings
from mml_lib.images.image_digests import digest_deep, digest_pixels
from mml_lib.images.image_files import array_row, errors_named, has_other_pages, open_image
from mml_lib.images.mask_files import decode_mask
from mml_lib.images.orientation import load_upright, read_orientation, upright_size
from mml_lib.images.transforms import apply, draft_size
from mml_lib.images.value_mapping import to_eight_bits
from mml_lib.task_types import IGNORE
from mml_lib.tasks.mask_values import Color
from mml_lib.tasks.value_range import ValueRange


class Header(NamedTuple):
    """Size of an upright image in pixels, the type of its samples (`uint8` for 8 bits and less), its orientation."""

    size: tuple[int, int]
    depth: str
    orientation: int = 1


def read_header(file: Path | str) -> Header:
    """Return size, depth and orientation of an image without decoding it.

    Raises:
        MMLError: the file is missing or no image.
    """
    with errors_named(file):
        if (row := array_row(file)) is not None:
            return Header(row.shape[:2], str(row.dtype))
        with open_image(file) as image:
            return Header(upright_size(image), depth_of(image), read_orientation(image))


def read_values(file: Path | str) -> np.ndarray:
    """Return the samples of a deep image as its file has them, H×W or H×W×3, upright.

    Raises:
        MMLError: the file is missing or damaged, or its samples are stored in a way that is not read.
    """
    return read_deep_image(file).values


def read_deep_image(file: Path | str) -> DeepImage:
    """Return a deep image as its file has it, upright.

    Raises:
        MMLError: the file is missing or damaged, or its samples are stored in a way that is not read.
    """
    with errors_named(file):
        if (row := array_row(file)) is not None:
            return DeepImage(row)
        with open_image(file) as image:
            return read_deep(image, depth_of(image), file)


def read_digest(file: Path | str, depth: str) -> str:
    """Return the content digest of an image file, or of a row of an array.

    Args:
        file: as for `decode`.
        depth: type of its samples, as its header says.

    Raises:
        MMLError: the file is missing or damaged.
    """
    if depth == "uint8":
        return digest_pixels(np.asarray(_read_rgb(file, None, None)[0]))
    return digest_deep(read_deep_image(file))


def decode(
    file: Path | str,
    transforms: Sequence[Mapping[str, Any]] = (),
    mask: Path | str | None = None,
    padding: int = IGNORE,
    mask_colors: Sequence[Color] | None = None,
    value_range: ValueRange | None = None,
    findings: Findings | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode one image and its mask, and do to both what a preprocessing says.

    Args:
        file: PNG, JPEG, BMP, TIFF, WebP or GIF, of several frames the first; or a row of an array.
        transforms: as `resolve` gives them.
        mask: a file of class numbers, `EMPTY_MASK_TOKEN`, or None.
        padding: mask value of what transforms add, as `unused_value` gives it.
        mask_colors: colours that mask values stand for; None: they are numbers of the file.
        value_range: of the data set, where images have more than 8 bits.
        findings: takes down what is odd about the image.

    Returns:
        uint8 arrays, H×W×3 and H×W (None without a mask).

    Raises:
        MMLError: a file is missing, damaged, or holds what is no image or mask.
    """
    image, kinds = _read_rgb(file, None if mask is not None else draft_size(transforms), value_range)
    for kind in kinds if findings is not None else ():
        findings.add(kind, file, image.getpixel((0, 0)))
    if mask is None:
        return apply(transforms, image, None)
    # Transforms pad with 255, which may be a class here: both change places meanwhile.
    swap = np.arange(256, dtype=np.uint8)
    swap[[padding, IGNORE]] = IGNORE, padding
    image, classes = apply(transforms, image, swap[decode_mask(mask, (image.height, image.width), mask_colors)])
    return image, swap[classes]


def _read_rgb(file: Path | str, draft: int | None, value_range: ValueRange | None) -> tuple[Image.Image, list[str]]:
    with errors_named(file):
        if (row := array_row(file)) is not None:
            return samples_to_rgb(row if row.dtype == np.uint8 else _mapped(DeepImage(row), value_range, file))
        with open_image(file) as image:
            depth, other_bands = depth_of(image), has_other_bands(image)
            pages = [PAGES] if has_other_pages(image) else []
            if depth != "uint8":
                deep = read_deep(image, depth, file)
                rgb, kinds = samples_to_rgb(_mapped(deep, value_range, file), deep.alpha, other_bands)
                return rgb, pages + kinds
            if draft:
                # JPEG only: decode at the smallest of 1/1, 1/2, 1/4, 1/8 whose sides are not below this.
                image.draft("RGB", (draft, draft))
            rgb, kinds = to_rgb(load_upright(image), other_bands)
            return rgb, pages + kinds


def _mapped(deep: DeepImage, value_range: ValueRange | None, file: Path | str) -> np.ndarray:
    """Return the samples of a deep image as uint8."""
    if value_range is None:
        raise MMLError(
            f"the image {file} has {deep.values.dtype} samples, and its data set knows no range of values, as it was "
            f"listed before it had such images; list it anew: snakemake --force data/RAW/<data set>/{MANIFEST}"
        )
    mapped = to_eight_bits(deep.values, value_range)
    return 255 - mapped if deep.inverted else mapped
