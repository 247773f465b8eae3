"""Sized store: images of different sizes in one file of pixels, which is mapped into memory and read by crop.

For N images with P pixels in total, a folder contains `pixels.npy` (P×C), `mask_pixels.npy` (P, uint8; only with
masks), `sizes.npy` (N×2, int64: height and width) and `offsets.npy` (N, int64: first pixel of each image). Images are
stored in their order, so that equal images give equal files.
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
        # A plain view, because indexing a memmap is slower.
        return np.asarray(np.load(self._file, mmap_mode="r"))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of pixels of all images, P, and number of channels, C; (P,) for masks."""
        return self._pixels.shape

    @property
    def dtype(self) -> np.dtype:
        return self._pixels.dtype

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, row: int) -> np.ndarray:
        """Return a view of an image, H×W×C, or of a mask, H×W, without reading its pixels."""
        height, width = self.sizes[row].tolist()
        start = int(self._offsets[row])
        part = self._pixels[start : start + height * width]
        return part.reshape(height, width, *self._pixels.shape[1:])


class SizedWriter:
    """Writes a sized store from several threads. They wait for their turn to reserve the place of their image.

    Args:
        folder: folder of the files.
        count: number of images.
        masks: True if images have masks.
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
        """Write an image, H×W×C, and its mask, H×W (uint8), at its place among all images.

        Args:
            place: index of the image, from 0.
            image: the image.
            mask: the mask; None without masks.

        Raises:
            MMLError: the image has other channels or another dtype than previous ones, or a previous one has failed.
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
        """Report that an image has failed, so that no thread waits for it."""
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
    """An array on disk whose length is unknown until the end.

    It is not mapped into memory: written pages would count as memory of this process, and a full disk would kill it.
    """

    def __init__(self, path: Path):
        self._path = path
        self._file = open(path, "wb", buffering=0)
        self._row: tuple[np.dtype, tuple[int, ...]] | None = None
        self._start = 0

    def begin(self, kind: np.dtype, row: tuple[int, ...]) -> None:
        """Set the dtype and the shape of a row by the first call.

        Raises:
            MMLError: a later call has another dtype or shape.
        """
        if self._row is None:
            self._row = kind, row
            self._write_header(0)
            self._start = self._file.tell()
        elif self._row != (kind, row):
            stated, other = (f"{part[0]} with {part[1][0]} channels" for part in (self._row, (kind, row)))
            raise MMLError(
                f"preprocessing: the transforms return {other} for an image, but {stated} for previous ones; let them "
                "return the same for all"
            )

    def write(self, start: int, rows: np.ndarray) -> None:
        """Write rows from the row number `start`."""
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
        """Write the header. NumPy reserves space for the digits of any length."""
        kind, row = self._row or (np.dtype(np.uint8), ())
        header = {"descr": kind.str, "fortran_order": False, "shape": (length, *row)}
        npy.write_array_header_1_0(self._file, header)


def joined_offsets(shards: Sequence[Path]) -> np.ndarray:
    """Return the offsets of images in the concatenated pixels of several stores."""
    offsets, start = [], 0
    for shard in shards:
        offsets.append(np.load(shard / OFFSETS) + start)
        if (shard / PIXELS).exists():  # empty shards have no such file
            start += len(np.load(shard / PIXELS, mmap_mode="r"))
    return np.concatenate(offsets)


def check_room(needed: int, folder: Path, name: str) -> None:
    """Check that the disk has enough free space.

    Args:
        needed: number of bytes to write.
        folder: existing folder on the disk.
        name: name of the data set, for the message.

    Raises:
        MMLError: the free space is smaller.
    """
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if needed > free:
        raise MMLError(
            f"preprocessing: the images of {name} take {needed / GIGABYTE:.1f} GB as pixels, and the disk has "
            f"{free / GIGABYTE:.1f} GB free; bound their size ({{name: resize_longest, size: 1024}}), or make space"
        )
