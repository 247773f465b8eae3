"""Reading: one image file of any format by the reader that its suffix names."""

from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.images.deep_images import DeepImage
from mml_lib.images.image_files import errors_named
from mml_lib.images.readers.array_rows import is_array_row
from mml_lib.images.readers.reader_registry import READERS, Header, Picture, Reader, split_frame
from mml_lib.tasks.creators.file_kinds import has_preamble, may_be_dicom, suffix_of


def reader_of(file: Path | str) -> Reader:
    """Return the reader of a file: `pillow`, unless its name, or the beginning of a DICOM, belongs to another one."""
    if is_array_row(file):
        return READERS["array_row"]
    path, _ = split_frame(file)
    suffix = suffix_of(path.name)
    if may_be_dicom(suffix) and has_preamble(str(path)):
        return READERS["dicom"]
    return next((reader for reader in READERS.values() if suffix in reader.suffixes), READERS["pillow"])


def as_deep_image(image: DeepImage | Picture) -> DeepImage:
    """Return the samples of an image, those of a picture as RGB or grey."""
    return DeepImage(np.asarray(image.image)) if isinstance(image, Picture) else image


def read_header(file: Path | str) -> Header:
    """Return size, depth and orientation of an image, if possible without decoding it.

    Raises:
        MMLError: the file is missing or no image.
    """
    with errors_named(file):
        return reader_of(file).read_header(file)


def read_samples(file: Path | str, **options: Any) -> DeepImage | Picture:
    """Return an upright image as its reader gives it.

    Args:
        file: its path, or a row of an array.
        options: parameters of readers, such as `draft`.

    Raises:
        MMLError: the file is missing or damaged, or its samples are stored in a way that is not read.
    """
    with errors_named(file):
        return reader_of(file).read(file, **options)
