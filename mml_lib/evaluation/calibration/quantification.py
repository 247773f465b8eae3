"""Quantification: frequencies of classes, counted for labelled samples and estimated for unlabelled ones."""

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.evaluation.calibration.affine import smoothed_frequencies
from mml_lib.predictions.predictions import Predictions
from mml_lib.predictions.scores import confusion_matrix
from mml_lib.task_types import TASK_TYPES

SUM_WEIGHT = 1e4
"""Weight of the sum of frequencies relative to a single one. The result is divided by its sum, which is near 1."""
RIDGE = 1e-3
"""Weight of the validation frequencies, which only matter for classes that the network does not distinguish."""


def frequencies(predictions: Predictions) -> np.ndarray:
    """Return the frequency of each class or label, in (0, 1), with one additional sample that all classes share.

    Thus a class without samples is rare, but not impossible. Unlabelled samples are left out; soft labels count from
    0.5.

    Raises:
        MMLError: no sample has a label.
    """
    targets = predictions.targets[predictions.labelled]
    if not len(targets):
        raise MMLError("no sample has a label, so the classes cannot be counted; use the prior quantify or val")
    if TASK_TYPES[predictions.task_type].is_multilabel:
        columns = (column[~np.isnan(column)] >= 0.5 for column in targets.T)
        return np.array([smoothed_frequencies(column.astype(int), 2)[1] for column in columns])
    return smoothed_frequencies(targets, predictions.logits.shape[1])


def quantify(val: Predictions, unlabelled: Predictions) -> np.ndarray:
    """Return the frequency of each class or label among unlabelled samples, by adjusted classify and count.

    The frequencies of predicted classes are the product of the confusion matrix and the frequencies of true classes
    (Forman 2008; Hopkins and King 2010). The confusion matrix is that of the validation samples. The true frequencies
    are the least-squares solution with frequencies of 0 or more and the sum 1. A class without validation samples is
    assumed to be predicted correctly.

    Args:
        val: labelled validation predictions.
        unlabelled: predictions of unlabelled samples by the same network.

    Raises:
        MMLError: there are no unlabelled samples.
    """
    if not len(unlabelled.logits):
        raise MMLError(
            "the prior quantify is estimated from unlabelled samples, and there are none; use the prior val or test"
        )
    labelled = val.take(val.labelled)
    logits, targets = labelled.logits, labelled.targets
    if TASK_TYPES[val.task_type].is_multilabel:
        sides = [side.T.astype(int) for side in (logits > 0, targets >= 0.5, unlabelled.logits > 0)]
        columns = zip(*sides, ~np.isnan(targets).T, strict=True)
        return np.array(
            [
                _adjusted(predicted[is_known], true[is_known], counted, 2)[1]
                for predicted, true, counted, is_known in columns
            ]
        )
    return _adjusted(logits.argmax(axis=1), targets, unlabelled.logits.argmax(axis=1), logits.shape[1])


def _adjusted(predicted: np.ndarray, targets: np.ndarray, unlabelled: np.ndarray, classes: int) -> np.ndarray:
    """Return frequencies of true classes among unlabelled samples.

    Args:
        predicted: predicted classes of labelled samples.
        targets: true classes of labelled samples.
        unlabelled: predicted classes of unlabelled samples.
        classes: number of classes.
    """
    from scipy.optimize import nnls  # takes half a second to import, which plans and other priors do not need

    counts = confusion_matrix(targets, predicted, classes).T.astype(float)
    absent = counts.sum(axis=0) == 0
    counts[absent, absent] = 1
    confusion = counts / counts.sum(axis=0)  # predicted×true classes
    observed = np.bincount(unlabelled, minlength=classes) / len(unlabelled)
    equations = np.concatenate([confusion, np.full((1, classes), SUM_WEIGHT), RIDGE * np.eye(classes)])
    right_side = np.concatenate([observed, [SUM_WEIGHT], RIDGE * smoothed_frequencies(targets, classes)])
    frequencies = nnls(equations, right_side)[0]
    return frequencies / frequencies.sum()
