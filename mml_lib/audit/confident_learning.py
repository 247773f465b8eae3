"""Confident learning: samples whose labels are probably wrong, by out-of-sample predictions (Northcutt et al. 2021).

A sample counts as of a class where the probability of it is at least the mean of that class's own samples. The counts
by label and class are the confident joint; scaled to the labels they estimate how many labels of each class belong to
each other class. So many samples, those with the largest margins, are suspects (pruning by noise rate). Of these,
samples whose label is the most probable class are no suspects.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelErrors:
    """Estimates of label noise.

    Args:
        joint: estimated share of samples by label and true class, C×C; all add up to 1.
        confident: confident joint, counts of samples by label and class, C×C.
        suspects: numbers of the samples whose labels are probably wrong, the most suspicious first.
        quality: of the label of each sample, 0 to 1, N: (1 + normalised margin) / 2; 0.5 where the label and the
            most probable other class are equally probable.
        predicted: most probable class, N.
    """

    joint: np.ndarray
    confident: np.ndarray
    suspects: np.ndarray
    quality: np.ndarray
    predicted: np.ndarray

    @property
    def noise(self) -> float:
        """Estimated share of wrong labels."""
        return float(1 - np.trace(self.joint))


def find_label_errors(labels: np.ndarray, probabilities: np.ndarray) -> LabelErrors:
    """Return the estimates for a classification.

    Args:
        labels: class indices, N.
        probabilities: of each class, out of sample, N×C.
    """
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    confident = confident_joint(labels, probabilities)
    joint = _calibrated(confident, counts)
    own = probabilities[np.arange(len(labels)), labels]
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    margin = own - others.max(axis=1)
    suspects = np.zeros(len(labels), bool)
    for label in np.flatnonzero(counts):
        rows = np.flatnonzero(labels == label)
        for other in np.flatnonzero(np.arange(classes) != label):
            number = round(joint[label, other] * len(labels))
            nearness = probabilities[rows, other] - own[rows]
            suspects[rows[np.argsort(-nearness, kind="stable")[:number]]] = True
    rows = np.flatnonzero(suspects & (margin < 0))
    order = rows[np.argsort(margin[rows], kind="stable")]
    return LabelErrors(joint, confident, order, (margin + 1) / 2, probabilities.argmax(axis=1))


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the number of samples by label and confident class (int, C×C)."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    # A class without samples has no threshold, and nothing is confidently of it.
    thresholds = np.full(classes, np.inf)
    for label in np.flatnonzero(counts):
        thresholds[label] = probabilities[labels == label, label].mean()
    confident = probabilities >= thresholds - 1e-6
    chosen = np.where(confident, probabilities, -1).argmax(axis=1)
    joint = np.zeros((classes, classes), int)
    rows = confident.any(axis=1)
    np.add.at(joint, (labels[rows], chosen[rows]), 1)
    return joint


def _calibrated(confident: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the joint distribution whose rows add up to the shares of labels."""
    filled = confident.astype(float)
    empty = filled.sum(axis=1) == 0
    filled[empty, np.flatnonzero(empty)] = 1  # labels of which no sample is confident are taken as right
    rows = filled / filled.sum(axis=1, keepdims=True) * counts[:, None]
    return rows / max(rows.sum(), 1)
