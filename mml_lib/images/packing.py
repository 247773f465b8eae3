"""Packing: decode every image once, in parallel, into arrays that training maps into memory.

A folder of packed images holds, for N images in the order of their data set:
`images.npy` (N×H×W×C, of the type and with the channels of `Dataset.pixels`), `masks.npy` (uint8, N×H×W, where there
are masks; pixels in none get a value that none has), and `moments.npy` (float64, N×2×C), mean and mean square of each
channel in 0..1, from which the statistics of any subset follow. Images that keep sizes of their own lie in a sized
store (`images.stores.sized_store`) instead of the arrays. `format.json` says the format of all this and of the pixels.
Shards name odd images in `findings.json`, where there are some.
"""

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy
from tqdm import tqdm

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_whole_folder
from mml_lib.files.checksums import verify
from mml_lib.files.containers import PACKED_FORMAT, read_packed_format
from mml_lib.files.formats import STAMP
from mml_lib.files.manager import SHARDS
from mml_lib.files.stored import json_text
from mml_lib.images.decoding import decode_row
from mml_lib.images.findings import Findings
from mml_lib.images.image_files import kept_memory
from mml_lib.images.mask_files import unused_value
from mml_lib.images.stores.same_packs import share
from mml_lib.images.stores.sized_store import (
    MASK_PIXELS,
    OFFSETS,
    PIXELS,
    SIZES,
    SizedWriter,
    check_room,
    joined_offsets,
)
from mml_lib.images.transforms import check_colours, check_masks_move, packed_size, size_after
from mml_lib.machine.progress import progress
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.pixel_format import FULL_SCALE

CHUNK = 16
"""Images that a thread decodes before it reports."""

BUFFER = 2**22
"""Bytes copied at a time."""

IMAGES, MASKS, MOMENTS = "images.npy", "masks.npy", "moments.npy"
LARGE = (IMAGES, MASKS, PIXELS, MASK_PIXELS)
"""Files that data sets with the same images share."""


def shard_rows(count: int, shard: str) -> range:
    """Return the rows of a shard: `1of4` is the second quarter of `count` images."""
    number, of = map(int, shard.split("of"))
    return range(number * count // of, (number + 1) * count // of)


def pack(dataset: Dataset, rows: range, transforms: Sequence[Mapping[str, Any]], folder: str, threads: int) -> None:
    """Write the packed images of some rows of a data set, whole or not at all.

    Every thread writes its own rows, so memory does not grow with the number of images.

    Args:
        dataset: what is packed.
        rows: which images of it.
        transforms: as `transforms.resolve` gives them.
        folder: where the arrays go.
        threads: how many to decode with.

    Raises:
        MMLError: an image or mask is missing or damaged, the transforms do not give one size where they should, or one
            of them leaves masks where they are; images of many sizes have no room on the disk.
    """
    size = packed_size(transforms)
    check_colours(transforms, dataset.pixels)
    if dataset.values is not None:
        check_masks_move(transforms, dataset.pixels)
    if size is None:
        _check_room(dataset, rows, transforms, folder)
    with write_whole_folder(folder) as beside, ExitStack() as stack:
        packer = Packer(dataset, transforms, beside, len(rows), stack)
        step = CHUNK if size else 1  # images of many sizes are written in turn
        chunks = [(rows[start : start + step], start) for start in range(0, len(rows), step)]
        stack.enter_context(kept_memory(threads))
        with tqdm(total=len(rows), desc="decode", unit="image", **progress()) as bar:
            for done in _in_parallel(packer, chunks, threads):
                bar.update(done)
        packer.findings.write(beside)


def _check_room(dataset: Dataset, rows: range, transforms: Sequence[Mapping[str, Any]], folder: str) -> None:
    """Refuse to pack images of many sizes for which the disk has no room."""
    above = next(parent for parent in Path(folder).absolute().parents if parent.is_dir())
    pixels = sum(math.prod(size_after(transforms, dataset.sizes[row])) for row in rows)
    form = dataset.pixels
    bytes_per_pixel = np.dtype(form.depth).itemsize * len(form.channels) + (dataset.values is not None)
    check_room(pixels * bytes_per_pixel, above, dataset.name)


def copy_packed(other: Path, rows: range, folder: str) -> None:
    """Write the packed images of some rows as another pack has them, whole or not at all.

    Args:
        other: a pack of the same images, as `stores.same_packs.same_images` finds it.
        rows: some of its rows.
        folder: where the arrays go.

    Raises:
        MMLError: the other pack is damaged.
    """
    verify(other)
    with write_whole_folder(folder) as beside:
        shutil.copyfile(other / PACKED_FORMAT, beside / PACKED_FORMAT)
        for name in (IMAGES, MOMENTS):
            array = np.load(other / name, mmap_mode="r")
            with _Array(beside / name, array.dtype, (len(rows), *array.shape[1:])) as copied:
                for place, row in enumerate(rows):
                    copied[place] = array[row]


class _Array:
    """An array on disk, filled row by row by several threads.

    Not mapped into memory: written pages would count as memory of this process, and a full disk would kill it.
    """

    def __init__(self, path: Path, kind: npt.DTypeLike, shape: tuple[int, ...]):
        self.kind = np.dtype(kind)
        self.file = open(path, "wb", buffering=0)
        _write_header(self.file, self.kind, shape)
        self.start = self.file.tell()
        self.file.truncate(self.start + math.prod(shape) * self.kind.itemsize)

    def __setitem__(self, row: int, value: np.ndarray) -> None:
        content = np.ascontiguousarray(value, self.kind).data.cast("B")
        place = self.start + row * len(content)
        while content:
            written = os.pwrite(self.file.fileno(), content, place)
            content, place = content[written:], place + written

    def __enter__(self) -> "_Array":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


class Packer:
    """Decodes images, and writes them to the arrays of a folder of packed images.

    Args:
        dataset: what is packed.
        transforms: as `transforms.resolve` gives them.
        folder: where the arrays go.
        count: number of images.
        stack: closes the arrays.
    """

    def __init__(
        self,
        dataset: Dataset,
        transforms: Sequence[Mapping[str, Any]],
        folder: Path,
        count: int,
        stack: ExitStack,
    ):
        (folder / PACKED_FORMAT).write_text(json_text("packed", {"pixels": asdict(dataset.pixels)}))
        size = packed_size(transforms)

        def array(name: str, kind: npt.DTypeLike, *shape: int) -> _Array:
            return stack.enter_context(_Array(folder / name, kind, (count, *shape)))

        self.dataset = dataset
        self.transforms = transforms
        self.folder = folder
        self.size = size
        self.padding = unused_value(dataset.values or ())
        self.findings = Findings()
        channels = len(dataset.pixels.channels)
        self.moments = array(MOMENTS, np.float64, 2, channels)
        self.images = array(IMAGES, dataset.pixels.depth, *size, channels) if size else None
        self.masks = array(MASKS, np.uint8, *size) if size and dataset.values is not None else None
        sized = None if size else SizedWriter(folder, count, dataset.values is not None)
        self.sized = stack.enter_context(sized) if sized else None

    def __call__(self, chunk: tuple[range, int]) -> int:
        """Pack some rows of the data set, to the places from the given one on, and return how many they are."""
        rows, start = chunk
        for place, row in enumerate(rows, start):
            try:
                self._pack(row, place)
            except BaseException:
                if self.sized is not None:
                    self.sized.fail(place)
                raise
        return len(rows)

    def _pack(self, row: int, place: int) -> None:
        image, mask = decode_row(self.dataset, row, self.transforms, True, self.padding, self.findings)
        self.write(row, place, image, mask)

    def write(self, row: int, place: int, image: np.ndarray, mask: np.ndarray | None) -> None:
        """Write an image with its moments, and its mask where there are masks.

        Args:
            row: of the data set.
            place: in the arrays.
            image: H×W×C, of the type of the data set's pixels.
            mask: uint8 H×W; None: the sample has none.

        Raises:
            MMLError: the image has another size than the others.
        """
        self.moments[place] = _moments(image)
        if self.sized is not None:
            self.sized.write(place, image, self._filled(mask, image.shape[:2]))
            return
        if image.shape[:2] != self.size:
            file = self.dataset.image_path(row)
            pixels, wanted = ("×".join(map(str, size)) for size in (image.shape[:2], self.size or ()))
            raise MMLError(
                f"preprocessing: the transforms make {pixels} pixels of {file}, not {wanted} as of the others; "
                "end them with resize or center_crop"
            )
        if self.images is not None:
            self.images[place] = image
        if self.masks is not None:
            self.masks[place] = self._filled(mask, image.shape[:2])

    def _filled(self, mask: np.ndarray | None, size: tuple[int, ...]) -> np.ndarray:
        """Return a mask; a sample without one (unlabelled) is ignored everywhere."""
        return np.full(size, self.padding, np.uint8) if mask is None else mask


def _in_parallel(packer: Packer, chunks: Sequence[tuple[range, int]], threads: int) -> Iterator[int]:
    # Pillow decodes and resizes without holding the interpreter's lock, so threads do; processes forked beside the
    # thread that watches over this step could hang.
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(packer, chunks)
        finally:
            pool.shutdown(cancel_futures=True)


def _moments(image: np.ndarray) -> np.ndarray:
    import cv2

    full_scale = FULL_SCALE[image.dtype.name]
    values = image.astype(np.float32) if image.dtype == np.float16 else image  # which OpenCV does not read
    if image.shape[2] == 1:  # eight times as fast
        sums = np.array([cv2.sumElems(values)[0], cv2.norm(values, cv2.NORM_L2SQR) / full_scale])
        return sums[:, None] / (values.size * full_scale)
    mean, std = (moment[:, 0] / full_scale for moment in cv2.meanStdDev(values))
    return np.stack([mean, std**2 + mean**2])


def join(shards: Sequence[str], folder: str, packs: Sequence[Path] = ()) -> list[Path]:
    """Lay the packed images of shards one after the other; a single shard is taken over without a copy.

    How many there were is kept, so that another number of shards packs nothing again.

    Odd images of all shards are warned of.

    Args:
        shards: folders of the shards.
        folder: where the joined images go.
        packs: packs of other data sets, whose files are linked where they have the same bytes.

    Returns:
        The packs with which files are shared.

    Raises:
        MMLError: a shard is damaged, or most images show nothing but one colour.
    """
    for shard in shards:
        verify(shard)
    findings = Findings.read(map(Path, shards))
    findings.refuse_if_blank(sum(len(np.load(Path(shard) / MOMENTS, mmap_mode="r")) for shard in shards))
    findings.warn()
    with write_whole_folder(folder) as beside:
        (beside / SHARDS).write_text(f"{len(shards)}\n")
        stated = read_packed_format(Path(shards[0]))
        (beside / PACKED_FORMAT).write_text(json_text("packed", {key: stated[key] for key in stated.keys() - STAMP}))
        for name in (IMAGES, MASKS, MOMENTS, SIZES, OFFSETS, PIXELS, MASK_PIXELS):
            parts = [path for shard in shards if (path := Path(shard) / name).exists()]
            if len(parts) == 1:
                _take_over(parts[0], beside / name)
            elif parts and name == OFFSETS:
                np.save(beside / name, joined_offsets(list(map(Path, shards))))
            elif parts:
                _concatenate(parts, beside / name)
        return share((beside / name for name in LARGE if (beside / name).exists()), packs)


def _take_over(part: Path, target: Path) -> None:
    try:
        os.link(part, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(part, target)


def _concatenate(parts: Sequence[Path], target: Path) -> None:
    arrays = [np.load(part, mmap_mode="r") for part in parts]
    with open(target, "wb") as whole:
        _write_header(whole, arrays[0].dtype, (sum(map(len, arrays)), *arrays[0].shape[1:]))
        for part, array in zip(parts, arrays, strict=True):
            with open(part, "rb") as file:
                file.seek(array.offset)
                shutil.copyfileobj(file, whole, BUFFER)


def _write_header(file: BinaryIO, kind: np.dtype, shape: tuple[int, ...]) -> None:
    npy.write_array_header_1_0(file, {"descr": kind.str, "fortran_order": False, "shape": shape})
