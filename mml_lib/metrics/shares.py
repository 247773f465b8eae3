"""Shares of counts: hits, targets and predictions of each class, …×classes; NaN if nothing is counted.

Leading axes are arbitrary, for instance resamples.
"""

from typing import NamedTuple

import numpy as np


class Counts(NamedTuple):
    """Number of samples or pixels of each class, …×classes: correctly predicted, true, and predicted."""

    hits: np.ndarray
    targets: np.ndarray
    predicted: np.ndarray


def against_rest(counts: Counts, index: int) -> Counts:
    """Return the counts of all other classes together and of one class, …×2."""
    number = counts.targets.sum(axis=-1)
    hits, targets, predicted = (side[..., index] for side in counts)
    others = (number - targets - predicted + hits, number - targets, number - predicted)
    return Counts(*(np.stack(pair, axis=-1) for pair in zip(others, (hits, targets, predicted), strict=True)))


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part divided by whole; NaN for a whole of 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis, ignoring NaN."""
    defined = ~np.isnan(values)
    return share(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1))


def accuracy(counts: Counts) -> np.ndarray:
    """Return the share of correct samples."""
    return share(counts.hits.sum(axis=-1), counts.targets.sum(axis=-1))


def recalls(counts: Counts) -> np.ndarray:
    """Return the recall of each class; NaN without targets."""
    return share(counts.hits, counts.targets)


def precisions(counts: Counts) -> np.ndarray:
    """Return the precision of each class; NaN without predictions."""
    return share(counts.hits, counts.predicted)


def specificities(counts: Counts, number: np.ndarray) -> np.ndarray:
    """Return the specificity of each class; NaN if all samples have the class.

    Args:
        counts: counts of each class.
        number: number of all samples, …×1, or of the samples with a known label, …×classes.
    """
    others = number - counts.targets
    return share(others - counts.predicted + counts.hits, others)


def dices(counts: Counts) -> np.ndarray:
    """Return the Dice coefficient (F1 score) of each class; NaN without targets and predictions."""
    return share(2 * counts.hits, counts.targets + counts.predicted)


def ious(counts: Counts) -> np.ndarray:
    """Return the intersection over union of each class; NaN without targets and predictions."""
    return share(counts.hits, counts.targets + counts.predicted - counts.hits)


def mean_recall(counts: Counts) -> np.ndarray:
    """Return the mean recall over the classes that occur among targets."""
    return mean_of_known(recalls(counts))


def mean_dice(counts: Counts) -> np.ndarray:
    """Return the mean F1 score over the classes that occur among targets or predictions."""
    return mean_of_known(dices(counts))


def kappa(counts: Counts) -> np.ndarray:
    """Return Cohen's kappa (Cohen 1960); NaN if all targets and predictions are of one class."""
    number = counts.targets.sum(axis=-1)
    by_chance = (counts.targets * counts.predicted).sum(axis=-1)
    return share(counts.hits.sum(axis=-1) * number - by_chance, number**2 - by_chance)


def matthews(counts: Counts) -> np.ndarray:
    """Return Matthews' correlation (Matthews 1975; several classes: Gorodkin 2004); NaN if a side is constant."""
    number = counts.targets.sum(axis=-1)
    covariance = counts.hits.sum(axis=-1) * number - (counts.targets * counts.predicted).sum(axis=-1)
    spreads = [number**2 - (side**2).sum(axis=-1) for side in (counts.targets, counts.predicted)]
    return share(covariance, np.sqrt(spreads[0]) * np.sqrt(spreads[1]))
