"""Decoding of an image file of any format, and of its mask, to the pixel format of its data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.images.conversion.rendering import Pixels, first_pixel, render
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.filters import size_of
from mml_lib.images.findings import Findings
from mml_lib.images.image_files import errors_named
from mml_lib.images.mask_files import decode_mask
from mml_lib.images.readers import Picture, as_deep_image, read_samples
from mml_lib.images.transforms import apply, draft_size
from mml_lib.task_types import IGNORE
from mml_lib.tasks.channel_files import ImageFile
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.mask_values import Color
from mml_lib.tasks.pixel_format import Conversion

EIGHT_BIT_RGB = Conversion()


def read_deep_image(file: ImageFile | str, **options: bool) -> DeepImage:
    """Return an image with its stored values, upright.

    Args:
        file: path of the file, or a row of an array.
        options: options of readers, as in `Conversion.reading`.

    Raises:
        MMLError: the file is missing or damaged, or has an unsupported kind of samples.
    """
    return as_deep_image(read_samples(file, **options))


def decode(
    file: ImageFile | str,
    transforms: Sequence[Mapping[str, Any]] = (),
    mask: Path | str | None = None,
    padding: int = IGNORE,
    mask_colors: Sequence[Color] | None = None,
    conversion: Conversion = EIGHT_BIT_RGB,
    findings: Findings | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return an image and its mask after the transforms of a preprocessing.

    Args:
        file: image of a format with a registered reader, row of an array, or files of the channels.
        transforms: result of `resolve`.
        mask: file of class numbers, `EMPTY_MASK_TOKEN`, or None without a mask.
        padding: mask value of pixels that transforms add, see `unused_value`.
        mask_colors: colours of the mask values; None: values are the numbers of the file.
        conversion: conversion of the data set.
        findings: findings that problems of the image are added to; None: they are ignored.

    Returns:
        The image, H×W×C of the dtype of `conversion.pixels`, and its mask, H×W (uint8); None without a mask.

    Raises:
        MMLError: a file is missing or damaged, or is not an image or a mask.
    """
    draft = None if mask is not None else draft_size(transforms)
    samples = read_samples(file, draft=draft, **conversion.reading)
    image = _rendered(samples, file, conversion, findings)
    if mask is None:
        return apply(transforms, image, None)
    # Transforms pad with 255, which may be a class: it is exchanged with the value for padding, and back afterwards.
    swap = np.arange(256, dtype=np.uint8)
    swap[[padding, IGNORE]] = IGNORE, padding
    pixels, classes = apply(transforms, image, swap[decode_mask(mask, size_of(image), mask_colors)])
    return pixels, swap[classes]


def transform_picture(
    picture: Picture,
    file: ImageFile,
    transforms: Sequence[Mapping[str, Any]],
    conversion: Conversion,
    findings: Findings | None = None,
) -> np.ndarray | None:
    """Return the transformed image that `decode` returns without a mask, of a file that was read already.

    None: the file has drafts, and `decode` may use one.

    Args:
        picture: as `read_samples` returns it without a draft.
        file, transforms, conversion, findings: as for `decode`.
    """
    draft = draft_size(transforms)
    if picture.has_drafts and draft is not None and min(picture.image.size) >= 2 * draft:
        return None
    return apply(transforms, _rendered(picture, file, conversion, findings), None)[0]


def _rendered(
    samples: DeepImage | Picture, file: ImageFile | str, conversion: Conversion, findings: Findings | None
) -> Pixels:
    """Return the pixels of an image, and add its findings."""
    with errors_named(file):
        image, kinds = render(samples, conversion, file)
    if findings is not None:
        for kind in kinds:
            findings.add(kind, file, first_pixel(image))
    return image


def decode_row(
    dataset: Dataset,
    row: int,
    transforms: Sequence[Mapping[str, Any]] = (),
    with_mask: bool = False,
    padding: int = IGNORE,
    findings: Findings | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return an image of a data set, with its mask if it has one and `with_mask` is set; see `decode`."""
    mask = dataset.mask_path(row) if with_mask else None
    file, colors = dataset.image_path(row), dataset.mask_colors
    return decode(file, transforms, mask, padding, colors, dataset.conversion, findings)
