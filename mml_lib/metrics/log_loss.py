"""Losses of single samples, and the gaps and bins of calibration errors."""

import numpy as np

BINS = 15
LEAST_PROBABILITY = np.finfo(np.float64).eps
"""Smallest probability in a log loss, as in scikit-learn."""


def label_brier_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the squared error of each label of each sample, N×labels."""
    return (probabilities - targets) ** 2


def label_log_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the log loss in nats of each label of each sample, N×labels, clipped like in `log_losses`."""
    true = np.where(targets, probabilities, 1 - probabilities)
    return -np.log(np.maximum(true, LEAST_PROBABILITY))


def brier_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the Brier score of each sample, N: the sum over classes, or the mean over labels."""
    if targets.ndim == 2:
        return label_brier_losses(probabilities, targets).mean(axis=1)
    return ((probabilities - (targets[:, None] == np.arange(probabilities.shape[1]))) ** 2).sum(axis=1)


def log_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the log loss of each sample in nats, N. Probabilities are clipped at 2e-16, the precision of float64."""
    if targets.ndim == 2:
        return label_log_losses(probabilities, targets).mean(axis=1)
    true = np.take_along_axis(probabilities, targets[:, None], axis=1)[:, 0]
    return -np.log(np.maximum(true, LEAST_PROBABILITY))


def calibration_gaps(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Return each sample's correctness (0 or 1) minus its confidence, and the bin of its confidence, N each."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    return correct - confidence, bin_of(confidence, bins)


def label_calibration_gaps(
    probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS
) -> tuple[np.ndarray, np.ndarray]:
    """Return each label's target (0 or 1) minus its probability, and the bin of its probability, N×labels each."""
    return targets - probabilities, bin_of(probabilities, bins)


def bin_of(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the bin of each probability (any shape) among bins of equal width."""
    return np.minimum((confidence * bins).astype(int), bins - 1)
