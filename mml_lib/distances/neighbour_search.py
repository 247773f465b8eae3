"""Nearest neighbours: exact search in blocks of matrix products, in single precision.

One product compares a block of rows with all rows. Because the product rounds small distances, the distances of the
candidates are computed again from differences.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

BLOCK = 2**23
"""Number of products in a thread's block: 32 MB, which are faster than larger blocks."""

DEPTH = 64
"""Number of values in a part of a row, whose minimum is taken first."""

MARGIN = 4
"""Number of candidates in addition to the neighbours, because the product rounds distances."""


def find_nearest(
    queries: np.ndarray, references: np.ndarray, number: int, own: np.ndarray | None = None, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact nearest references of each query, the nearest first, and their Euclidean distances.

    It needs memory for N×k results, and 32 MB for each thread.

    Args:
        queries: query vectors (float32, N×D).
        references: reference vectors (float32, M×D).
        number: number of neighbours, k, at most M, or below M with `own`.
        own: row of each query among the references, which is not its neighbour (N); None: queries are not references.
        threads: number of threads.

    Returns:
        Rows of the references (int64, N×k), and distances (float32, N×k).
    """
    from threadpoolctl import threadpool_limits

    queries, references = (np.ascontiguousarray(values, np.float32) for values in (queries, references))
    half_squares = np.einsum("ij,ij->i", references, references) / 2
    rows = np.empty((len(queries), number), np.int64)
    distances = np.empty((len(queries), number), np.float32)

    def search(block: slice) -> None:
        nearness = queries[block] @ references.T
        np.subtract(half_squares, nearness, out=nearness)  # half the squared distance, less half of the own square
        if own is not None:
            nearness[np.arange(len(nearness)), own[block]] = np.inf
        most = len(references) - (own is not None)
        candidates = _smallest(nearness, min(number + MARGIN, most))
        rows[block], distances[block] = _in_order(queries[block], references, candidates, number)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        list(pool.map(search, _blocks(len(queries), len(references))))
    return rows, distances


def _blocks(count: int, width: int) -> Iterator[slice]:
    size = max(16, BLOCK // width)
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _in_order(
    queries: np.ndarray, references: np.ndarray, candidates: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest candidates and their distances, computed from differences."""
    distances = np.empty(candidates.shape, np.float32)
    for place in range(candidates.shape[1]):
        difference = references[candidates[:, place]] - queries
        distances[:, place] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    order = np.lexsort((candidates, distances), axis=1)[:, :number]
    return np.take_along_axis(candidates, order, 1), np.take_along_axis(distances, order, 1)


def _smallest(matrix: np.ndarray, number: int) -> np.ndarray:
    """Return the columns of the smallest values of each row, in arbitrary order.

    A partition of whole rows takes longer than the product. Rows are therefore divided into parts: the smallest values
    are at most the number-th smallest minimum of a part, and only few values are.
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
