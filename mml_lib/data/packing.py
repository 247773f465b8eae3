"""Packing: decode every image once, in parallel, into one array that training maps into memory."""

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from tqdm import tqdm

from mml_lib.data.decoding import decode
from mml_lib.files.atomic import write_whole

CHUNK = 16
"""Images that a process decodes before it reports."""

PACK_VERSION = 1
"""Raised when the same files and options begin to give other pixels."""


def pack(
    files: Sequence[Path], options: Mapping[str, Any], images_path: str, moments_path: str, processes: int
) -> None:
    """Write the packed images (uint8, N×H×W×3) and their moments (float64, N×2×3), whole or not at all.

    The moments are mean and mean square of each channel in 0..1: the statistics of any subset follow from them.
    Every process writes its own rows, so memory does not grow with the number of images.

    Args:
        files: the images; row i of the arrays is the i-th file.
        options: `size`, `fit` and `interpolation` of `decode`.
        images_path: where the images go.
        moments_path: where the moments go.
        processes: how many to decode with.

    Raises:
        MMLError: an image is missing or damaged.
    """
    shape = (len(files), *options["size"], 3)
    with write_whole(moments_path) as moments_part, write_whole(images_path) as images_part:
        open_memmap(images_part, "w+", np.uint8, shape)
        moments = open_memmap(moments_part, "w+", np.float64, (len(files), 2, 3))
        jobs = [(start, files[start : start + CHUNK], options, images_part) for start in range(0, len(files), CHUNK)]
        with tqdm(total=len(files), desc="decode", unit="image", mininterval=1) as bar:
            for start, found in _in_parallel(jobs, processes):
                moments[start : start + len(found)] = found
                bar.update(len(found))
        moments.flush()


def _in_parallel(jobs: Sequence[tuple], processes: int) -> Iterator[tuple[int, np.ndarray]]:
    if processes == 1:
        yield from map(_decode_chunk, jobs)
        return
    # Forked before any thread of torch exists: this step imports none.
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap_unordered(_decode_chunk, jobs)


def _decode_chunk(job: tuple[int, Sequence[Path], Mapping[str, Any], Path]) -> tuple[int, np.ndarray]:
    start, files, options, images_part = job
    images = np.load(images_part, mmap_mode="r+")
    moments = np.empty((len(files), 2, 3))
    for offset, file in enumerate(files):
        image = decode(file, **options)
        images[start + offset] = image
        levels = np.stack([np.bincount(image[..., channel].ravel(), minlength=256) for channel in range(3)])
        values = np.arange(256) / 255
        moments[offset] = np.stack([levels @ values, levels @ values**2]) / image[..., 0].size
    return start, moments
