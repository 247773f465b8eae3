"""Confident learning: samples whose labels are probably wrong, by out-of-sample predictions (Northcutt et al. 2021).

A sample belongs confidently to a class if its probability is at least the mean probability of the samples with this
label. Counts by label and confident class form the confident joint. Scaled to the labels, it estimates how many labels
of each class belong to each other class. As many samples, those with the largest margins, are suspects (pruning by
noise rate), unless their label is the most probable class.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelErrors:
    """Estimates of label noise.

    Args:
        joint: estimated share of samples by label and true class (C×C), with a sum of 1.
        confident: confident joint: number of samples by label and confident class (C×C).
        suspects: indices of the samples with probably wrong labels, the most suspicious first.
        quality: quality of each label (N, 0..1), (1 + margin) / 2; it is 0.5 if the label and the most probable other
            class are equally probable.
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
    """Return estimates of the label errors of a classification.

    Args:
        labels: class indices (N).
        probabilities: out-of-sample probabilities (N×C).
    """
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    confident = confident_joint(labels, probabilities)
    joint = _calibrated(confident, counts)
    label_probabilities = probabilities[np.arange(len(labels)), labels]
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    margin = label_probabilities - others.max(axis=1)
    suspects = np.zeros(len(labels), bool)
    for label in np.flatnonzero(counts):
        rows = np.flatnonzero(labels == label)
        for other in np.flatnonzero(np.arange(classes) != label):
            number = round(joint[label, other] * len(labels))
            nearness = probabilities[rows, other] - label_probabilities[rows]
            suspects[rows[np.argsort(-nearness, kind="stable")[:number]]] = True
    rows = np.flatnonzero(suspects & (margin < 0))
    order = rows[np.argsort(margin[rows], kind="stable")]
    return LabelErrors(joint, confident, order, (margin + 1) / 2, probabilities.argmax(axis=1))


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the number of samples by label and confident class (int, C×C)."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    # No sample belongs confidently to a class without samples.
    thresholds = np.full(classes, np.inf)
    for label in np.flatnonzero(counts):
        thresholds[label] = probabilities[labels == label, label].mean()
    confident = probabilities >= thresholds - 1e-6
    confident_class = np.where(confident, probabilities, -1).argmax(axis=1)
    joint = np.zeros((classes, classes), int)
    rows = confident.any(axis=1)
    np.add.at(joint, (labels[rows], confident_class[rows]), 1)
    return joint


def _calibrated(confident: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the joint distribution whose rows add up to the shares of labels."""
    filled = confident.astype(float)
    empty = filled.sum(axis=1) == 0
    filled[empty, np.flatnonzero(empty)] = 1  # labels without a confident sample count as correct
    rows = filled / filled.sum(axis=1, keepdims=True) * counts[:, None]
    return rows / max(rows.sum(), 1)
