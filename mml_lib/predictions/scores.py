"""Scores: probabilities of logits, and the value of a named metric on samples. Nothing here imports torch."""

from collections.abc import Iterable, Sequence

import numpy as np

from mml_lib.metrics import weighted
from mml_lib.metrics.shares import Counts
from mml_lib.metrics.sums import whole_weights
from mml_lib.task_types import IGNORE, TASK_TYPES


def score_arguments(task_type: str, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the arguments of metrics for logits or values, N×outputs. Soft labels count as present from 0.5.

    If some labels are unknown, a third argument is True for known labels, N×labels (bool).
    """
    if TASK_TYPES[task_type].is_multilabel:
        return sigmoid(outputs), *label_targets(targets)
    if TASK_TYPES[task_type].has_values:
        return outputs[:, 0].astype(np.float64), targets.astype(np.float64)
    return softmax(outputs), targets


def label_targets(targets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return True for present labels, N×labels (bool); if some are unknown (NaN), also True for known labels."""
    is_known = ~np.isnan(targets)
    return (targets >= 0.5,) if is_known.all() else (targets >= 0.5, is_known)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities, N×classes, for logits of the same shape."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return shifted / shifted.sum(axis=1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return probabilities for logits of any shape."""
    small = np.exp(-np.abs(logits, dtype=np.float64))  # at most 1, so it does not overflow
    return np.where(logits >= 0, 1, small) / (1 + small)


def values_of(
    task_type: str, metrics: Sequence[str], arguments: Sequence[np.ndarray], weights: np.ndarray | None = None
) -> dict[str, float]:
    """Return the value of each metric on samples; NaN if they do not define it.

    Args:
        task_type: task type of the metrics.
        metrics: names of the metrics.
        arguments: arguments of the metrics, as `mml_lib.metrics.weighted` describes them, N samples each.
        weights: weights of the samples, N; None: equal weights.
    """
    if weights is not None and not weights.any():
        return dict.fromkeys(metrics, np.nan)
    once = np.ones((len(arguments[0]), 1), np.uint8) if weights is None else whole_weights(weights)[:, None]
    values = weighted(task_type, metrics, arguments)(once)
    return {name: float(values[name][0]) for name in metrics}


def score(task_type: str, metric: str, *arguments: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the value of one metric on samples, as `values_of`."""
    return values_of(task_type, [metric], arguments, weights)[metric]


def counts(matrix: np.ndarray) -> Counts:
    """Return hits, targets and predictions of each class for a confusion matrix, classes×classes."""
    return Counts(matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0))


def image_counts(images: Iterable[tuple[np.ndarray, np.ndarray]], classes: int) -> Counts:
    """Return the pixels of each class in each image, images×classes, without ignored pixels.

    Args:
        images: predicted and true mask of each image.
        classes: number of classes.
    """
    rows = [counts(pixel_confusion(mask, target, classes)) for mask, target in images]
    return Counts(*np.array(rows, np.int64).reshape(-1, 3, classes).transpose(1, 0, 2))


def confusion_matrix(
    targets: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return counts, or sums of weights, classes×classes: rows are targets, columns are predictions."""
    pairs = targets.astype(np.int64) * classes + predicted
    return np.bincount(pairs, weights, minlength=classes**2).reshape(classes, classes)


def pixel_confusion(mask: np.ndarray, target: np.ndarray, classes: int) -> np.ndarray:
    """Return counts of pixels, classes×classes, for masks of one shape, without ignored pixels."""
    counted = target != IGNORE
    return confusion_matrix(target[counted], mask[counted], classes)
