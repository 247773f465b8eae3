"""Maximum mean discrepancy of features, computed in blocks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mml_lib.distances.checked_arrays import checked_features
from mml_lib.distances.task_data import TaskData

BLOCK = 1024
"""Number of samples in a block; the distances of two blocks fit into a processor's cache."""

MEDIAN_SAMPLES = 1000
"""Number of samples of each task for the median distance, which is the bandwidth."""


@dataclass(frozen=True, eq=False)
class KernelSamples:
    """Samples of a task that a kernel compares.

    Args:
        features: features of the samples (float32, N×D).
        within: mean of the kernel over pairs of different samples; None if the bandwidth depends on the other task.
    """

    features: np.ndarray
    within: float | None = None


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the squared Euclidean distances of the rows of two arrays, n×m."""
    distances = x @ y.T
    distances *= -2
    distances += np.einsum("ij,ij->i", x, x)[:, None]
    distances += np.einsum("ij,ij->i", y, y)
    return np.maximum(distances, 0, out=distances)


def kernel_samples(
    task: TaskData, kernel: str, bandwidth: float | None, samples: int | None, seed: int
) -> KernelSamples:
    """Return the compared samples of a task.

    Args:
        task: data of the task.
        kernel: `cauchy`, `gaussian` or `energy`.
        bandwidth: bandwidth of the kernel; None: chosen for each pair of tasks.
        samples: largest number of samples, drawn at random; None: all.
        seed: seed of the draw.

    Raises:
        MMLError: features are missing or invalid.
    """
    features = checked_features(task)
    if samples is not None and len(features) > samples:
        features = features[np.random.default_rng(seed).permutation(len(features))[:samples]]
    if bandwidth is None and kernel != "energy":
        return KernelSamples(features)
    centred = (features - features.mean(axis=0, dtype=np.float64).astype(np.float32)) / np.float32(bandwidth or 1)
    return KernelSamples(features, _mean_within(centred, KERNELS[kernel]))


def mean_discrepancy(source: KernelSamples, target: KernelSamples, kernel: str, bandwidth: float | None) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy.

    Args:
        source: samples of a task.
        target: samples of a task.
        kernel: `cauchy`, `gaussian` or `energy`.
        bandwidth: bandwidth of the kernel; None: the median distance between samples of both tasks.
    """
    x, y = source.features, target.features
    # Distances lose fewer digits near the origin.
    centre = ((x.mean(axis=0, dtype=np.float64) + y.mean(axis=0, dtype=np.float64)) / 2).astype(np.float32)
    x, y = x - centre, y - centre
    scale = bandwidth or (1.0 if kernel == "energy" else _median_distance(x, y))
    x /= np.float32(scale)
    y /= np.float32(scale)
    apply = KERNELS[kernel]
    within = [
        _mean_within(values, apply) if samples.within is None else samples.within
        for values, samples in ((x, source), (y, target))
    ]
    return sum(within) - 2 * _mean_between(x, y, apply)


def _cauchy(squares: np.ndarray) -> np.ndarray:
    squares += 1
    return np.reciprocal(squares, out=squares)


def _gaussian(squares: np.ndarray) -> np.ndarray:
    squares *= np.float32(-0.5)
    return np.exp(squares, out=squares)


def _energy(squares: np.ndarray) -> np.ndarray:
    np.maximum(squares, 0, out=squares)
    return np.negative(np.sqrt(squares, out=squares), out=squares)


Kernel = Callable[[np.ndarray], np.ndarray]
KERNELS: dict[str, Kernel] = {"cauchy": _cauchy, "gaussian": _gaussian, "energy": _energy}
"""Kernels of squared distances in units of the squared bandwidth, computed in place."""


def _median_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return the median distance between different samples of both tasks, from a subset of each."""
    parts = [values[np.linspace(0, len(values) - 1, min(len(values), MEDIAN_SAMPLES)).astype(int)] for values in (x, y)]
    samples = np.concatenate(parts)
    squares = squared_distances(samples, samples)[np.triu_indices(len(samples), 1)]
    return float(np.sqrt(np.median(squares) or squares.mean(dtype=np.float64)))


def _factors(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays, n×(D+2) and m×(D+2), whose product contains the squared distances of the rows."""
    squares_x, squares_y = (np.einsum("ij,ij->i", values, values)[:, None] for values in (x, y))
    return np.hstack([-2 * x, squares_x, np.ones_like(squares_x)]), np.hstack([y, np.ones_like(squares_y), squares_y])


def _sum(block: np.ndarray) -> float:
    """Return the sum of a block: rows are summed pairwise in single precision, their sums in double precision."""
    return float(block.sum(axis=1).sum(dtype=np.float64))


def _mean_within(x: np.ndarray, kernel: Kernel) -> float:
    """Return the mean of the kernel over pairs of different samples."""
    left, right = _factors(x, x)
    total = 0.0
    for start in range(0, len(x), BLOCK):
        rows = left[start : start + BLOCK]
        diagonal = kernel(rows @ right[start : start + BLOCK].T)
        np.fill_diagonal(diagonal, 0)
        total += _sum(diagonal)
        for other in range(start + BLOCK, len(x), BLOCK):
            total += 2 * _sum(kernel(rows @ right[other : other + BLOCK].T))
    return total / (len(x) * (len(x) - 1))


def _mean_between(x: np.ndarray, y: np.ndarray, kernel: Kernel) -> float:
    left, right = _factors(x, y)
    total = 0.0
    for start in range(0, len(x), BLOCK):
        for other in range(0, len(y), BLOCK):
            total += _sum(kernel(left[start : start + BLOCK] @ right[other : other + BLOCK].T))
    return total / (len(x) * len(y))
