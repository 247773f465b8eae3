"""Decoding: one image file, whatever its format, to 8-bit RGB as people see it, its mask beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.files.templates import MANIFEST
from mml_lib.images.colours import samples_to_rgb
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.findings import Findings
from mml_lib.images.image_files import errors_named
from mml_lib.images.mask_files import decode_mask
from mml_lib.images.readers import Picture, as_deep_image, read_samples
from mml_lib.images.transforms import apply, draft_size
from mml_lib.images.value_mapping import to_eight_bits
from mml_lib.task_types import IGNORE
from mml_lib.tasks.mask_values import Color
from mml_lib.tasks.value_range import ValueRange


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
    return as_deep_image(read_samples(file))


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
        file: an image of a format that a reader is registered for; or a row of an array.
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
    if findings is not None:
        for kind in kinds:
            findings.add(kind, file, image.getpixel((0, 0)))
    if mask is None:
        return apply(transforms, image, None)
    # Transforms pad with 255, which may be a class here: both change places meanwhile.
    swap = np.arange(256, dtype=np.uint8)
    swap[[padding, IGNORE]] = IGNORE, padding
    image, classes = apply(transforms, image, swap[decode_mask(mask, (image.height, image.width), mask_colors)])
    return image, swap[classes]


def _read_rgb(file: Path | str, draft: int | None, value_range: ValueRange | None) -> tuple[Image.Image, Sequence[str]]:
    image = read_samples(file, draft=draft, own_window=value_range is not None and value_range.is_own)
    if isinstance(image, Picture):
        return image.rgb, image.findings
    with errors_named(file):
        samples = image.values if image.values.dtype == np.uint8 else _mapped(image, value_range, file)
        rgb, kinds = samples_to_rgb(samples, image.alpha)
        return rgb, [*image.findings, *kinds]


def _mapped(deep: DeepImage, value_range: ValueRange | None, file: Path | str) -> np.ndarray:
    """Return the samples of a deep image as uint8."""
    if value_range is None:
        raise MMLError(
            f"the image {file} has {deep.values.dtype} samples, and its data set knows no range of values, as it was "
            f"listed before it had such images; list it anew: snakemake --force data/RAW/<data set>/{MANIFEST}"
        )
    if value_range.is_own:
        if deep.own_range is None:
            raise MMLError(
                f"the image {file} has no window of its own, as it had when its data set was listed; list it anew: "
                f"snakemake --force data/RAW/<data set>/{MANIFEST}"
            )
        value_range = deep.own_range
    mapped = to_eight_bits(deep.values, value_range)
    pixels = 255 - mapped if deep.inverted else mapped
    return pixels if deep.padding is None else np.where(deep.padding, 0, pixels).astype(np.uint8)
