"""Sized store: images of different sizes, pixel after pixel in one file, which is mapped into memory and read by crop.

A folder holds, for N images with P pixels in all: `pixels.npy` (P×C), `mask_pixels.npy` (uint8, P, where there are
masks), `sizes.npy` (int64, N×2: height and width) and `offsets.npy` (int64, N): the first pixel of each image. Images
lie in their order, so that the same images give the same bytes.
"""

import math
import os
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from mml_lib.errors import MMLError

PIXELS, MASK_PIXELS, SIZES, OFFSETS = "pixels.npy", "mask_pixels.npy", "sizes.npy", "offsets.npy"

GIGABYTE = 1e9


class SizedPixels:
    """Images or masks of a sized store, as views of the file.

    Args:
        file: `pixels.npy` or `mask_pixels.npy`.
    """

    def __init__(self, file: Path):
        self.sizes = np.load(file.parent / SIZES)
        self._offsets = np.load(file.parent / OFFSETS)
        self._file = file

    @cached_property
    def _pixels(self) -> np.ndarray:
        # A plain view: indexing the memmap class itself costs more.
        return np.asarray(np.load(self._file, mmap_mode="r"))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of pixels of all images, P, and of channels, C; of masks P alone."""
        return self._pixels.shape

    @property
    def dtype(self) -> np.dtype:
        return self._pixels.dtype

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, row: int) -> np.ndarray:
        """Return an image, H×W×C, or a mask, H×W; nothing is read before its pixels are."""
        height, width = self.sizes[row].tolist()
        start = int(self._offsets[row])
        part = self._pixels[start : start + height * width]
        return part.reshape(height, width, *self._pixels.shape[1:])


class SizedWriter:
    """Writes a sized store, several threads at once, which take turns in finding the place of their image.

    Args:
        folder: where its files go.
        count: number of images.
        masks: whether there are masks.
    """

    def __init__(self, folder: Path, count: int, masks: bool):
        self._folder = folder
        self._sizes = np.zeros((count, 2), np.int64)
        self._offsets = np.zeros(count, np.int64)
        self._images = _Growing(folder / PIXELS)
        self._masks = _Growing(folder / MASK_PIXELS) if masks else None
        self._turn = threading.Condition()
        self._written = 0
        self._failed: float = math.inf
        self._end = 0

    def write(self, place: int, image: np.ndarray, mask: np.ndarray | None) -> None:
        """Write an image, H×W×C, and its mask, uint8 H×W, where there are masks, after all images before it.

        Raises:
            MMLError: the image has other channels, or another type, than those before it; one of those is missing.
        """
        height, width, channels = image.shape
        with self._turn:
            self._turn.wait_for(lambda: self._written == place or self._failed < place)
            if self._failed < place:
                raise MMLError("preprocessing: an image before this one could not be packed")
            self._images.begin(image.dtype, (channels,))
            if self._masks is not None:
                self._masks.begin(np.dtype(np.uint8), ())
            start, self._end = self._end, self._end + height * width
            self._written += 1
            self._turn.notify_all()
        self._sizes[place], self._offsets[place] = (height, width), start
        self._images.write(start, image)
        if self._masks is not None and mask is not None:
            self._masks.write(start, mask)

    def fail(self, place: int) -> None:
        """Let no thread wait for an image that will not come."""
        with self._turn:
            self._failed = min(self._failed, place)
            self._turn.notify_all()

    def __enter__(self) -> "SizedWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for file in filter(None, (self._images, self._masks)):
            file.close(self._end)
        if kind is None:
            np.save(self._folder / SIZES, self._sizes)
            np.save(self._folder / OFFSETS, self._offsets)


class _Growing:
    """An array on disk whose length is known at the end.

    Not mapped into memory: written pages would count as memory of this process, and a full disk would kill it.
    """

    def __init__(self, path: Path):
        self._path = path
        self._file = open(path, "wb", buffering=0)
        self._row: tuple[np.dtype, tuple[int, ...]] | None = None
        self._start = 0

    def begin(self, kind: np.dtype, row: tuple[int, ...]) -> None:
        """State the type and the shape of a row; the first call counts.

        Raises:
            MMLError: a later call says something else.
        """
        if self._row is None:
            self._row = kind, row
            self._write_header(0)
            self._start = self._file.tell()
        elif self._row != (kind, row):
            stated, other = (f"{part[0]} with {part[1][0]} channels" for part in (self._row, (kind, row)))
            raise MMLError(
                f"preprocessing: the transforms make {other} of an image, not {stated} as of others; let them make the "
                "same of all"
            )

    def write(self, start: int, rows: np.ndarray) -> None:
        assert self._row is not None
        content = np.ascontiguousarray(rows, self._row[0]).data.cast("B")
        place = self._start + start * self._row[0].itemsize * int(np.prod(self._row[1], dtype=np.int64))
        while content:
            written = os.pwrite(self._file.fileno(), content, place)
            content, place = content[written:], place + written

    def close(self, length: int) -> None:
        if self._row is not None:
            self._file.seek(0)
            self._write_header(length)
        self._file.close()
        if self._row is None:
            self._path.unlink()  # an empty shard

    def _write_header(self, length: int) -> None:
        """Write the header; NumPy leaves room for the digits of any length."""
        kind, row = self._row or (np.dtype(np.uint8), ())
        header = {"descr": kind.str, "fortran_order": False, "shape": (length, *row)}
        npy.write_array_header_1_0(self._file, header)


def joined_offsets(shards: Sequence[Path]) -> np.ndarray:
    """Return the offsets of images when the pixels of several stores lie one after the other."""
    offsets, start = [], 0
    for shard in shards:
        offsets.append(np.load(shard / OFFSETS) + start)
        if (shard / PIXELS).exists():  # it is not in an empty shard
            start += len(np.load(shard / PIXELS, mmap_mode="r"))
    return np.concatenate(offsets)


def check_room(needed: int, folder: Path, name: str) -> None:
    """Refuse to write more than the disk has room for.

    Args:
        needed: bytes to write.
        folder: an existing folder of the disk.
        name: of the data set, for the message.

    Raises:
        MMLError: the disk has less room.
    """
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if needed > free:
        raise MMLError(
            f"preprocessing: the images of {name} take {needed / GIGABYTE:.1f} GB as pixels, and the disk has "
            f"{free / GIGABYTE:.1f} GB free; bound their size ({{name: resize_longest, size: 1024}}), or make space"
        )
