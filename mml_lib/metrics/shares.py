"""Shares of counts: hits, targets and predictions of each class, …×classes; NaN where nothing is counted.

The axes before the last are free: one set of counts, or one for each resample.
"""

from typing import NamedTuple

import numpy as np


class Counts(NamedTuple):
    """Samples, or pixels, of each class: predicted and true, true, predicted; …×classes each."""

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
    """Return part by whole, NaN where there is no whole."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis, without what is NaN."""
    defined = ~np.isnan(values)
    return share(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1))


def accuracy(counts: Counts) -> np.ndarray:
    """Return the share of samples that are right."""
    return share(counts.hits.sum(axis=-1), counts.targets.sum(axis=-1))


def recalls(counts: Counts) -> np.ndarray:
    """Return the recall of each class, NaN of one without targets."""
    return share(counts.hits, counts.targets)


def precisions(counts: Counts) -> np.ndarray:
    """Return the precision of each class, NaN of one that is never predicted."""
    return share(counts.hits, counts.predicted)


def specificities(counts: Counts, number: np.ndarray) -> np.ndarray:
    """Return the specificity of each class, NaN of one that all samples have.

    Args:
        counts: of each class.
        number: of all samples, …×1, or of those that are known of each class, …×classes.
    """
    others = number - counts.targets
    return share(others - counts.predicted + counts.hits, others)


def dices(counts: Counts) -> np.ndarray:
    """Return the Dice coefficient of each class, which is its F1 score; NaN of one that is in neither."""
    return share(2 * counts.hits, counts.targets + counts.predicted)


def ious(counts: Counts) -> np.ndarray:
    """Return the intersection over union of each class; NaN of one that is neither true nor predicted."""
    return share(counts.hits, counts.targets + counts.predicted - counts.hits)


def mean_recall(counts: Counts) -> np.ndarray:
    """Return the mean recall over the classes that occur among targets."""
    return mean_of_known(recalls(counts))


def mean_dice(counts: Counts) -> np.ndarray:
    """Return the mean F1 score over the classes that occur among targets or predictions."""
    return mean_of_known(dices(counts))


def kappa(counts: Counts) -> np.ndarray:
    """Return Cohen's kappa (1960), NaN where all is one class."""
    number = counts.targets.sum(axis=-1)
    by_chance = (counts.targets * counts.predicted).sum(axis=-1)
    return share(counts.hits.sum(axis=-1) * number - by_chance, number**2 - by_chance)


def matthews(counts: Counts) -> np.ndarray:
    """Return the correlation of Matthews (1975; several classes: Gorodkin 2004); NaN where a side is constant."""
    number = counts.targets.sum(axis=-1)
    covariance = counts.hits.sum(axis=-1) * number - (counts.targets * counts.predicted).sum(axis=-1)
    spreads = [number**2 - (side**2).sum(axis=-1) for side in (counts.targets, counts.predicted)]
    return share(covariance, np.sqrt(spreads[0]) * np.sqrt(spreads[1]))
