"""Maximum mean discrepancy of features, block by block."""

from collections.abc import Callable

import numpy as np

from mml_lib.distances.checked_arrays import checked_features
from mml_lib.distances.task_data import TaskData

BLOCK = 1024
"""Samples of a block: two blocks of distances fit a processor's cache."""

MEDIAN_SAMPLES = 1000
"""Samples of each task whose median distance is the bandwidth."""


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the squared Euclidean distances of the rows of two arrays, n×m."""
    distances = x @ y.T
    distances *= -2
    distances += np.einsum("ij,ij->i", x, x)[:, None]
    distances += np.einsum("ij,ij->i", y, y)
    return np.maximum(distances, 0, out=distances)


def mean_discrepancy(source: TaskData, target: TaskData, kernel: str, bandwidth: float | None) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy.

    Args:
        source: data of a task, n×D features.
        target: data of a task, m×D features.
        kernel: `cauchy`, `gaussian` or `energy`.
        bandwidth: of the kernel; None: the median distance between samples of both tasks together.

    Raises:
        MMLError: the features do not fit.
    """
    x, y = checked_features(source), checked_features(target)
    # Distances lose fewer digits near the origin.
    centre = ((x.mean(axis=0, dtype=np.float64) + y.mean(axis=0, dtype=np.float64)) / 2).astype(np.float32)
    x, y = x - centre, y - centre
    scale = bandwidth**2 if bandwidth else 1.0 if kernel == "energy" else _median_square(x, y)
    apply = KERNELS[kernel]
    return _mean_within(x, apply, scale) + _mean_within(y, apply, scale) - 2 * _mean_between(x, y, apply, scale)


def _cauchy(squares: np.ndarray, scale: float) -> np.ndarray:
    squares /= np.float32(scale)
    squares += 1
    return np.reciprocal(squares, out=squares)


def _gaussian(squares: np.ndarray, scale: float) -> np.ndarray:
    squares *= np.float32(-0.5 / scale)
    return np.exp(squares, out=squares)


def _energy(squares: np.ndarray, scale: float) -> np.ndarray:
    return np.negative(np.sqrt(squares, out=squares), out=squares)


Kernel = Callable[[np.ndarray, float], np.ndarray]
KERNELS: dict[str, Kernel] = {"cauchy": _cauchy, "gaussian": _gaussian, "energy": _energy}
"""Kernels of squared distances, computed in place; the scale is the square of the bandwidth."""


def _median_square(x: np.ndarray, y: np.ndarray) -> float:
    """Return the median squared distance between different samples of both tasks together, of some of each."""
    parts = [values[np.linspace(0, len(values) - 1, min(len(values), MEDIAN_SAMPLES)).astype(int)] for values in (x, y)]
    together = np.concatenate(parts)
    squares = squared_distances(together, together)[np.triu_indices(len(together), 1)]
    return float(np.median(squares) or squares.mean(dtype=np.float64))


def _mean_within(x: np.ndarray, kernel: Kernel, scale: float) -> float:
    """Return the mean of the kernel over pairs of different samples."""
    total = 0.0
    for start in range(0, len(x), BLOCK):
        rows = x[start : start + BLOCK]
        diagonal = kernel(squared_distances(rows, rows), scale)
        np.fill_diagonal(diagonal, 0)
        total += float(diagonal.sum(dtype=np.float64))
        for other in range(start + BLOCK, len(x), BLOCK):
            block = kernel(squared_distances(rows, x[other : other + BLOCK]), scale)
            total += 2 * float(block.sum(dtype=np.float64))
    return total / (len(x) * (len(x) - 1))


def _mean_between(x: np.ndarray, y: np.ndarray, kernel: Kernel, scale: float) -> float:
    total = 0.0
    for start in range(0, len(x), BLOCK):
        for other in range(0, len(y), BLOCK):
            block = kernel(squared_distances(x[start : start + BLOCK], y[other : other + BLOCK]), scale)
            total += float(block.sum(dtype=np.float64))
    return total / (len(x) * len(y))
