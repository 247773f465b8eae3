"""Packing: decode every image once, in parallel, into one array that training maps into memory."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from tqdm import tqdm

from mml_lib.data.decoding import decode
from mml_lib.files.atomic import write_whole

CHUNK = 16
"""Images that a thread decodes before it reports."""

PACK_VERSION = 1
"""Raised when the same files and options begin to give other pixels."""


def pack(files: Sequence[Path], options: Mapping[str, Any], images_path: str, moments_path: str, threads: int) -> None:
    """Write the packed images (uint8, N×H×W×3) and their moments (float64, N×2×3), whole or not at all.

    The moments are mean and mean square of each channel in 0..1: the statistics of any subset follow from them.
    Every thread writes its own rows, so memory does not grow with the number of images.

    Args:
        files: the images; row i of the arrays is the i-th file.
        options: `size`, `fit` and `interpolation` of `decode`.
        images_path: where the images go.
        moments_path: where the moments go.
        threads: how many to decode with.

    Raises:
        MMLError: an image is missing or damaged.
    """
    shape = (len(files), *options["size"], 3)
    with write_whole(moments_path) as moments_part, write_whole(images_path) as images_part:
        images = open_memmap(images_part, "w+", np.uint8, shape)
        moments = open_memmap(moments_part, "w+", np.float64, (len(files), 2, 3))
        jobs = [(start, files[start : start + CHUNK], options, images) for start in range(0, len(files), CHUNK)]
        with tqdm(total=len(files), desc="decode", unit="image", **_where()) as bar:
            for start, found in _in_parallel(jobs, threads):
                moments[start : start + len(found)] = found
                bar.update(len(found))
        images.flush()
        moments.flush()


def _where() -> dict[str, Any]:
    """Return where progress goes: a bar in a terminal, now and then a line elsewhere."""
    return {"file": sys.__stderr__, "mininterval": 0.5 if sys.__stderr__.isatty() else 30}


def _in_parallel(jobs: Sequence[tuple], threads: int) -> Iterator[tuple[int, np.ndarray]]:
    # Pillow decodes and resizes without holding the interpreter's lock, so threads do; processes forked beside the
    # thread that watches over this step could hang.
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(_decode_chunk, jobs)
        finally:
            pool.shutdown(cancel_futures=True)


def _decode_chunk(job: tuple[int, Sequence[Path], Mapping[str, Any], np.ndarray]) -> tuple[int, np.ndarray]:
    start, files, options, images = job
    moments = np.empty((len(files), 2, 3))
    for offset, file in enumerate(files):
        image = decode(file, **options)
        images[start + offset] = image
        levels = np.stack([np.bincount(image[..., channel].ravel(), minlength=256) for channel in range(3)])
        values = np.arange(256) / 255
        moments[offset] = np.stack([levels @ values, levels @ values**2]) / image[..., 0].size
    return start, moments
