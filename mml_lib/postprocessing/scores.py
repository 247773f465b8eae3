"""Scores: the named metrics on arrays, for steps that import no torch.

Each takes probabilities (float, N×classes) and targets (int, N), and gives one number.
"""

from collections.abc import Callable

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities, N×classes, for logits of the same shape."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return shifted / shifted.sum(axis=1, keepdims=True)


def confusion(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return counts, classes×classes: rows are targets, columns are predictions."""
    classes = probabilities.shape[1]
    pairs = targets * classes + probabilities.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Share of samples whose most probable class is the target."""
    return float((probabilities.argmax(axis=1) == targets).mean())


def balanced_accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean recall over the classes that occur among targets."""
    matrix = confusion(probabilities, targets)
    occurrences = matrix.sum(axis=1)
    return float((matrix.diagonal()[occurrences > 0] / occurrences[occurrences > 0]).mean())


def f1(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean F1 score over the classes that occur among targets or predictions."""
    matrix = confusion(probabilities, targets)
    support = matrix.sum(axis=0) + matrix.sum(axis=1)
    return float((2 * matrix.diagonal()[support > 0] / support[support > 0]).mean())


def auroc(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean area under the ROC curve, each class against the rest; NaN if no class can be told from a rest.

    By the rank sum of Mann and Whitney (1947), ties counted half.
    """
    from scipy.stats import rankdata

    areas = []
    for index in range(probabilities.shape[1]):
        positive = targets == index
        count, rest = int(positive.sum()), int((~positive).sum())
        if count and rest:
            ranks = rankdata(probabilities[:, index])[positive].sum()
            areas.append((ranks - count * (count + 1) / 2) / (count * rest))
    return float(np.mean(areas)) if areas else float("nan")


def kappa(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Cohen's kappa (1960): agreement beyond chance."""
    matrix = confusion(probabilities, targets) / len(targets)
    chance = matrix.sum(axis=0) @ matrix.sum(axis=1)
    return float((matrix.trace() - chance) / (1 - chance)) if chance < 1 else float("nan")


def calibration_error(probabilities: np.ndarray, targets: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of Naeini et al. (2015) over bins of equal width."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(number, correct, bins) - np.bincount(number, confidence, bins)
    return float(np.abs(gaps).sum() / len(targets))


SCORES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    function.__name__: function for function in (accuracy, balanced_accuracy, f1, auroc, kappa, calibration_error)
}
