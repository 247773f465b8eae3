"""The reader `numpy`: files of one array, H×W or H×W×C."""

from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.readers.reader_registry import Header, check_samples, register_reader
from mml_lib.tasks.creators.file_kinds import ARRAY_SUFFIXES


def read_numpy_header(file: Path | str) -> Header:
    """Return the header of an image."""
    values = _load(file)
    return Header(values.shape[:2], str(values.dtype))


@register_reader("numpy", suffixes=ARRAY_SUFFIXES, header=read_numpy_header)
def read_numpy(file: Path | str) -> DeepImage:
    """Return the image of a `.npy` file, or of a `.npz` file with one array."""
    return DeepImage(_load(file))


def _load(file: Path | str) -> np.ndarray:
    try:
        loaded = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:  # the message of NumPy recommends loading pickled objects
        raise MMLError(
            f"the image {file} is not an array of numbers, or is damaged; save it by numpy.save or numpy.savez"
        ) from error
    if not isinstance(loaded, np.ndarray):
        with loaded as archive:
            if len(archive.files) != 1:
                raise MMLError(
                    f"the image {file} has the arrays {', '.join(archive.files) or 'none'}; save one array per file"
                )
            loaded = archive[archive.files[0]]
    values = loaded.astype(np.uint8) * 255 if loaded.dtype == bool else loaded
    return check_samples(values.astype(values.dtype.newbyteorder("="), copy=False), "numpy", file)
