"""The reader `array_row`: rows of arrays that creators write instead of files."""

import functools
import re
from pathlib import Path

import numpy as np

from mml_lib.files.checksums import verify
from mml_lib.files.templates import MANIFEST
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.readers.reader_registry import Header, register_reader

ROW = re.compile(r"(?P<array>.+\.npy)#(?P<row>\d+)")


@functools.lru_cache(maxsize=16)
def _open_array(file: str) -> np.ndarray:
    verify(file, artefact=Path(file).parent / MANIFEST)
    return np.load(file, mmap_mode="r", allow_pickle=False)


def is_array_row(file: Path | str) -> bool:
    """Return True for a name such as `train.npy#17`."""
    name = str(file)
    return ".npy#" in name and ROW.fullmatch(name) is not None


def _row(file: Path | str) -> np.ndarray:
    array, _, row = str(file).rpartition("#")
    return _open_array(array)[int(row)]


def read_row_header(file: Path | str) -> Header:
    """Return the header of a row."""
    row = _row(file)
    return Header(row.shape[:2], str(row.dtype))


@register_reader("array_row", header=read_row_header)
def read_array_row(file: Path | str) -> DeepImage:
    """Return the row of an array with a name such as `train.npy#17`."""
    return DeepImage(_row(file))
