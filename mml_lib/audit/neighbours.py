"""Nearest neighbours: exact search in blocks of matrix products, in single precision.

A block of rows is compared with all rows by one product. The product rounds small distances off, so that those of the
candidates are computed again from differences.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_whole
from mml_lib.files.containers import reading_arrays
from mml_lib.files.formats import FORMATS

BLOCK = 2**23
"""Products that a thread holds at a time: 32 MB, which take less time than larger blocks."""

DEPTH = 64
"""Values of a part of a row, of which the minimum is taken first."""

MARGIN = 4
"""Candidates beyond the wanted neighbours, as the product rounds distances."""


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours of samples among the others, the nearest first.

    Args:
        rows: numbers of the neighbours (int64, N×k).
        distances: Euclidean distances (float32, N×k).
    """

    rows: np.ndarray
    distances: np.ndarray

    def write(self, path: str | Path) -> None:
        """Write an `.npz` file, whole or not at all."""
        with write_whole(path) as beside:
            np.savez(beside, **FORMATS["neighbours"].stamp, rows=self.rows, distances=self.distances)

    @classmethod
    def read(cls, path: str | Path) -> "Neighbours":
        """Read what `write` has written.

        Raises:
            MMLError: the file is damaged, or of a newer format.
        """
        with reading_arrays(path, "neighbours") as content:
            return cls(**content)


def check_features(values: np.ndarray, where: str, neighbours: int = 0) -> None:
    """Refuse features that nothing can be learned from, or in which a sample has too few neighbours.

    Args:
        values: features, N×D.
        where: the task, for errors.
        neighbours: number of neighbours, k, if they are searched.

    Raises:
        MMLError: features are not finite or constant, or samples are too few.
    """
    check_number(len(values), where, neighbours)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise MMLError(
            f"{where}: the features of {int((~finite).sum())} samples are not finite; take another extractor"
        )
    if (values == values[0]).all():
        raise MMLError(f"{where}: all samples have the same features; take another extractor")


def check_number(samples: int, where: str, neighbours: int) -> None:
    """Refuse a task whose samples have too few neighbours.

    Raises:
        MMLError: they have.
    """
    if samples <= neighbours:
        raise MMLError(
            f"{where}: {samples} samples have no {neighbours} neighbours; set audit.neighbours below {samples}"
        )


def scaled(values: np.ndarray) -> np.ndarray:
    """Return features (float32, N×D) about their mean, with a mean square distance of 1 from it."""
    centred = values.astype(np.float32) - values.mean(axis=0, dtype=np.float64).astype(np.float32)
    square = np.einsum("ij,ij->", centred, centred, dtype=np.float64) / len(values)
    return centred / np.float32(np.sqrt(square) if square else 1)


def nearest_neighbours(values: np.ndarray, neighbours: int, threads: int = 1) -> Neighbours:
    """Return the exact nearest neighbours of each sample among the others.

    Memory grows with N×k, and with 32 MB for each thread.

    Args:
        values: float32, N×D.
        neighbours: number of neighbours, below N.
        threads: number of threads.
    """
    from threadpoolctl import threadpool_limits

    values = np.ascontiguousarray(values, np.float32)
    half_squares = np.einsum("ij,ij->i", values, values) / 2
    rows = np.empty((len(values), neighbours), np.int64)
    distances = np.empty((len(values), neighbours), np.float32)

    def search(block: slice) -> None:
        rows[block], distances[block] = _of_block(values, half_squares, block, neighbours)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        list(pool.map(search, _blocks(len(values))))
    return Neighbours(rows, distances)


def _blocks(count: int) -> Iterator[slice]:
    size = max(16, BLOCK // count)
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _of_block(
    values: np.ndarray, half_squares: np.ndarray, block: slice, neighbours: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and distances of the neighbours of a block of samples."""
    own = np.arange(block.start, block.stop)
    nearness = values[block] @ values.T
    np.subtract(half_squares, nearness, out=nearness)  # half the squared distance, less half of the own square
    nearness[own - block.start, own] = np.inf
    candidates = _smallest(nearness, min(neighbours + MARGIN, len(values) - 1))
    distances = np.empty(candidates.shape, np.float32)
    for place in range(candidates.shape[1]):
        difference = values[candidates[:, place]] - values[block]
        distances[:, place] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    order = np.lexsort((candidates, distances), axis=1)[:, :neighbours]
    return np.take_along_axis(candidates, order, 1), np.take_along_axis(distances, order, 1)


def _smallest(matrix: np.ndarray, number: int) -> np.ndarray:
    """Return the columns of the smallest values of each row, in no order.

    A partition of whole rows takes longer than the product. Rows are cut into parts: the smallest values are no larger
    than the number-th smallest of the minima of parts, which few values are.
    """
    rows, columns = matrix.shape
    parts = columns // DEPTH
    if parts <= 4 * number:
        return np.argpartition(matrix, number - 1, axis=1)[:, :number]
    minima = matrix[:, : parts * DEPTH].reshape(rows, DEPTH, parts).min(axis=1)
    bound = np.partition(minima, number - 1, axis=1)[:, number - 1 : number]
    row, column = np.nonzero(matrix <= bound)
    order = np.lexsort((matrix[row, column], row))
    start = np.searchsorted(row, np.arange(rows))  # rows are sorted
    return column[order][start[:, None] + np.arange(number)]
