"""LogME: log maximum evidence of labels, given a linear model of features."""

import numpy as np

from mml_lib.distances.checked_arrays import checked_features, checked_labels
from mml_lib.distances.task_data import TaskData
from mml_lib.errors import MMLError

MOST_ITERATIONS = 1000
TOLERANCE = 1e-6
"""Relative change of the ratio of both precisions at convergence."""

LEAST = 1e-12
"""Smallest explained or unexplained share of the labels' sum of squares, so that precisions are finite."""


def log_maximum_evidence(task: TaskData) -> float:
    """Return the log evidence per sample in nats, averaged over classes, labels or values (You et al. 2021).

    Labels y are modelled as F w + noise, with weights w of precision α and noise of precision β. A fixed-point
    iteration on the singular values of F finds the precisions that maximise the evidence (You et al. 2022).

    Raises:
        MMLError: features or labels are missing or invalid.
    """
    features = checked_features(task).astype(np.float64)
    labels = _columns(task, len(features))
    number, width = features.shape
    if number > width:
        sigma, directions = np.linalg.eigh(features.T @ features)
        used = sigma > width * np.finfo(np.float64).eps * sigma.max()
        sigma = sigma[used]
        squares = (directions[:, used].T @ (features.T @ labels)) ** 2 / sigma[:, None]
    else:
        left, singular_values, _ = np.linalg.svd(features, full_matrices=False)
        sigma, squares = singular_values**2, (left.T @ labels) ** 2
    outside = np.maximum((labels**2).sum(axis=0) - squares.sum(axis=0), 0)
    return float(_evidence(sigma[:, None], squares, outside, number).mean())


def _columns(task: TaskData, number: int) -> np.ndarray:
    """Return the modelled columns, N×L: a column for each class that occurs, each label, or each value."""
    labels = checked_labels(task, number)
    if labels.ndim == 1 and (np.issubdtype(labels.dtype, np.integer) or labels.dtype == bool):
        names, classes = np.unique(labels, return_inverse=True)
        return np.eye(len(names))[classes]
    columns = labels.reshape(number, -1).astype(np.float64)
    if not columns.any(axis=0).all():
        raise MMLError(f"{task.name}: a label or value is always 0, so that it has no evidence; leave it out")
    return columns


def _evidence(sigma: np.ndarray, squares: np.ndarray, outside: np.ndarray, number: int) -> np.ndarray:
    """Return the log evidence per sample of each column at the best precisions.

    Args:
        sigma: K×1 squared singular values of the features.
        squares: K×L squared projections of the columns on the left singular vectors.
        outside: L sums of squares of the columns outside of the features' span.
        number: number of samples, N.
    """
    least = LEAST * (squares.sum(axis=0) + outside)
    ratio = np.ones(squares.shape[1])  # α/β
    for _ in range(MOST_ITERATIONS):
        freedom = (sigma / (sigma + ratio)).sum(axis=0)
        weights = np.maximum((sigma * squares / (sigma + ratio) ** 2).sum(axis=0), least / sigma.max())
        residual = np.maximum((squares * (ratio / (sigma + ratio)) ** 2).sum(axis=0) + outside, least)
        alpha, beta = freedom / weights, np.maximum(number - freedom, 1e-6) / residual
        former, ratio = ratio, alpha / beta
        if (np.abs(ratio - former) <= TOLERANCE * former).all():
            break
    weights = (sigma * squares / (sigma + ratio) ** 2).sum(axis=0)
    residual = (squares * (ratio / (sigma + ratio)) ** 2).sum(axis=0) + outside
    # In dimensions beyond K, the posterior is the prior; they cancel out.
    evidence = len(sigma) * np.log(alpha) + number * np.log(beta) - np.log(alpha + beta * sigma).sum(axis=0)
    return (evidence - beta * residual - alpha * weights - number * np.log(2 * np.pi)) / (2 * number)
