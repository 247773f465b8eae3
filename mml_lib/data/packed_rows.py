"""Packed images by row, from an array of one size or from a sized store."""

from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.files.checksums import verify
from mml_lib.files.containers import read_packed_format
from mml_lib.images.packing import IMAGES
from mml_lib.images.stores.sized_store import PIXELS, SizedPixels


def open_packed(folder: str | Path) -> np.ndarray | SizedPixels:
    """Return the packed images of a folder by row, H×W×C each, mapped into memory.

    Raises:
        MMLError: the folder is damaged, or of another version of MML.
    """
    folder = Path(folder)
    verify(folder)
    read_packed_format(folder)
    if (folder / IMAGES).exists():
        return np.asarray(np.load(folder / IMAGES, mmap_mode="r"))
    if (folder / PIXELS).exists():
        return SizedPixels(folder / PIXELS)
    raise MMLError(
        f"the images of {folder} are not packed, as they were by an earlier version of MML; remove the folder, and the "
        "same command packs them"
    )
