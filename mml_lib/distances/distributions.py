"""Distances of distributions over dimensions or parameters."""

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr, softmax

from mml_lib.distances.checked_arrays import checked_features
from mml_lib.distances.task_data import TaskData
from mml_lib.errors import MMLError


def activation_distribution(task: TaskData, activations: str, smoothing: float) -> np.ndarray:
    """Return the distribution of a task's mean activations over the dimensions of its features.

    Args:
        task: data of the task.
        activations: `sum` divides the means by their sum, `softmax` takes their softmax.
        smoothing: weight of the uniform distribution in the result, so that it has no 0.

    Returns:
        Positive shares (float64, D) that add up to 1.

    Raises:
        MMLError: features are missing or invalid, or `sum` meets negative means.
    """
    means = checked_features(task, least=1).mean(axis=0, dtype=np.float64)
    if activations == "softmax":
        shares = softmax(means)
    elif means.min() < 0 or not means.any():
        raise MMLError(
            f"{task.name}: some of its mean activations are negative, or all are 0, so that their shares are not a "
            "distribution; set the option activations of kld to softmax"
        )
    else:
        shares = means / means.sum()
    return (1 - smoothing) * shares + smoothing / len(shares)


def kullback_leibler(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Kullback–Leibler divergence KL(first ‖ second) in nats."""
    return float(rel_entr(first, second).sum())


def normalised_cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Return the cosine distance of two vectors, both divided by their sum (Achille et al. 2019, section 3.3)."""
    total = first + second
    used = total > 0
    a, b = first[used] / total[used], second[used] / total[used]
    return float(max(0.0, 1 - a @ b / np.sqrt((a @ a) * (b @ b))))


def unit_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Euclidean distance of two vectors, each divided by its length."""
    return float(np.linalg.norm(first / np.linalg.norm(first) - second / np.linalg.norm(second)))


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Jensen–Shannon distance of two vectors, each divided by its sum; from 0 to 1."""
    return float(jensenshannon(first, second, base=2))


FISHER_DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "cosine": normalised_cosine,
    "euclidean": unit_distance,
    "jensen_shannon": jensen_shannon,
}
"""Distances of Fisher information by the option `distance` of `fed`."""
