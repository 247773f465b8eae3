"""Earth mover's distances of features."""

import os

import numpy as np

from mml_lib.distances.checked_arrays import checked_features
from mml_lib.distances.kernel_means import squared_distances
from mml_lib.distances.task_data import TaskData
from mml_lib.errors import MMLError

ROWS = 32
"""Number of dimensions that are compared at a time."""

LARGEST_EXPONENT = 500
"""Larger exponents let exp(−cost / regularisation) underflow, so that logarithms are used."""


def sorted_marginals(task: TaskData) -> np.ndarray:
    """Return the sorted values of each dimension of a task's features (float32, D×N).

    Raises:
        MMLError: features are missing or invalid.
    """
    return np.sort(np.ascontiguousarray(checked_features(task).T), axis=1)


def drawn_features(task: TaskData, samples: int, seed: int) -> np.ndarray:
    """Return the features of at most `samples` random samples of a task (float64, N×D).

    Raises:
        MMLError: features are missing or invalid.
    """
    features = checked_features(task)
    if len(features) > samples:
        features = features[np.random.default_rng(seed).permutation(len(features))[:samples]]
    return features.astype(np.float64)


def marginal_distance(source: np.ndarray, target: np.ndarray) -> float:
    """Return the mean over the dimensions of the 1-D Wasserstein distances of order 1.

    Args:
        source: sorted values of each dimension, D×n.
        target: sorted values of each dimension, D×m.
    """
    n, m = source.shape[1], target.shape[1]
    # Both quantile functions have steps at multiples of 1/n and 1/m, which are whole numbers in units of 1/(n·m).
    steps = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)
    shares = np.diff(steps) / (n * m)
    rows, columns = steps[:-1] // m, steps[:-1] // n
    total = 0.0
    for start in range(0, len(source), ROWS):
        part = slice(start, start + ROWS)
        differences = np.take(source[part], rows, axis=1) - np.take(target[part], columns, axis=1)
        total += float((np.abs(differences) @ shares).sum())
    return total / len(source)


def binned_distance(source: np.ndarray, target: np.ndarray, bins: int) -> float:
    """Return the mean over the dimensions of the distances of histograms over the common range of both tasks.

    Args:
        source: sorted values of each dimension, D×n.
        target: sorted values of each dimension, D×m.
        bins: number of bins.
    """
    total = 0.0
    for first, second in zip(source, target, strict=True):
        low, high = min(first[0], second[0]), max(first[-1], second[-1])
        edges = np.linspace(low, high, bins + 1)
        below = [np.searchsorted(values, edges[1:-1]) / len(values) for values in (first, second)]
        total += float(np.abs(below[0] - below[1]).sum()) * float(high - low) / bins
    return total / len(source)


def sinkhorn_divergence(x: np.ndarray, y: np.ndarray, regularisation: float) -> float:
    """Return the debiased entropic transport cost of whole feature vectors (Feydy et al. 2019).

    Args:
        x: features of a task (float64, n×D).
        y: features of a task (float64, m×D).
        regularisation: strength as a share of the mean cost between the tasks. The cost is the Euclidean distance.

    Raises:
        MMLError: the iteration does not converge.
    """
    between, within_x, within_y = (np.sqrt(squared_distances(a, b)) for a, b in ((x, y), (x, x), (y, y)))
    for within in (within_x, within_y):
        np.fill_diagonal(within, 0)
    strength = regularisation * float(between.mean())
    if not strength:
        return 0.0
    return _cost(between, strength) - (_cost(within_x, strength) + _cost(within_y, strength)) / 2


def _cost(costs: np.ndarray, strength: float) -> float:
    """Return the minimum cost of a transport between uniform weights, plus its entropic regularisation."""
    # POT would import every installed array package.
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")
    from ot.bregman import sinkhorn

    n, m = costs.shape
    method = "sinkhorn" if costs.max() < LARGEST_EXPONENT * strength else "sinkhorn_log"
    weights = np.full(n, 1 / n), np.full(m, 1 / m)
    _, log = sinkhorn(*weights, costs, strength, method=method, numItermax=2000, stopThr=1e-7, warn=False, log=True)
    if not log["err"] or not log["err"][-1] < 1e-4:
        raise MMLError("emd: sinkhorn does not converge; raise its option regularisation")
    logs = [log[f"log_{key}"] if f"log_{key}" in log else np.log(log[key]) for key in ("u", "v")]
    # The dual value; weights are 1/n and 1/m.
    return strength * float(logs[0].mean() + np.log(n) + logs[1].mean() + np.log(m))
