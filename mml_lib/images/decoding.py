"""Decoding: one image file, whatever its format, to pixels of its data set's type and channels, its mask beside it."""

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
    """Return an image as its file has it, upright.

    Args:
        file: its path, or a row of an array.
        options: for readers, as `Conversion.reading` gives them.

    Raises:
        MMLError: the file is missing or damaged, or its samples are stored in a way that is not read.
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
    """Decode one image and its mask, and do to both what a preprocessing says.

    Args:
        file: an image of a format that a reader is registered for, a row of an array, or the files of its channels.
        transforms: as `resolve` gives them.
        mask: a file of class numbers, `EMPTY_MASK_TOKEN`, or None.
        padding: mask value of what transforms add, as `unused_value` gives it.
        mask_colors: colours that mask values stand for; None: they are numbers of the file.
        conversion: of the data set.
        findings: takes down what is odd about the image.

    Returns:
        The image, H×W×C of the type of `conversion.pixels`, and its mask, uint8 H×W (None without a mask).

    Raises:
        MMLError: a file is missing, damaged, or holds what is no image or mask.
    """
    draft = None if mask is not None else draft_size(transforms)
    samples = read_samples(file, draft=draft, **conversion.reading)
    image = _rendered(samples, file, conversion, findings)
    if mask is None:
        return apply(transforms, image, None)
    # Transforms pad with 255, which may be a class here: both change places meanwhile.
    swap = np.arange(256, dtype=np.uint8)
    swap[[padding, IGNORE]] = IGNORE, padding
    made, classes = apply(transforms, image, swap[decode_mask(mask, size_of(image), mask_colors)])
    return made, swap[classes]


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
    """Decode an image of a data set as `decode` does, with its mask where it has one and `with_mask` is set."""
    mask = dataset.mask_path(row) if with_mask else None
    file, colors = dataset.image_path(row), dataset.mask_colors
    return decode(file, transforms, mask, padding, colors, dataset.conversion, findings)
