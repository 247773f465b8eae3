"""Quantification: how often each class is there, counted where there are labels and estimated where there are none."""

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.evaluation.calibration.affine import smoothed_frequencies
from mml_lib.predictions.predictions import Predictions
from mml_lib.predictions.scores import confusion_matrix
from mml_lib.task_types import TASK_TYPES

SUM_WEIGHT = 1e4
"""How much more the sum of frequencies counts than a predicted frequency; what is left of 1 is divided out."""
RIDGE = 1e-3
"""How little the validation's frequencies count: where classes are not told apart, they decide."""


def frequencies(predictions: Predictions) -> np.ndarray:
    """Return how often each class or label is there, as if one sample more had been shared by all classes alike.

    Unlabelled samples are left out; soft labels count from 0.5 on. A class without samples is rare by that, not
    impossible.

    Raises:
        MMLError: no sample has a label.
    """
    targets = predictions.targets[predictions.labelled]
    if not len(targets):
        raise MMLError("no sample has a label, so the classes cannot be counted; take the prior quantify or val")
    if TASK_TYPES[predictions.task_type].is_multilabel:
        columns = (column[~np.isnan(column)] >= 0.5 for column in targets.T)
        return np.array([smoothed_frequencies(column.astype(int), 2)[1] for column in columns])
    return smoothed_frequencies(targets, predictions.logits.shape[1])


def quantify(val: Predictions, unlabelled: Predictions) -> np.ndarray:
    """Estimate how often each class or label is there among unlabelled samples: adjusted classify and count.

    Frequencies of predicted classes are those of the true ones times how often a class is taken for each (Forman 2008;
    Hopkins and King 2010), which the validation samples tell. The true ones are the least squares' solution among
    frequencies, 0 or more and 1 together. A class without validation samples is taken for none but itself.

    Args:
        val: validation predictions with labels.
        unlabelled: predictions by the same network.

    Raises:
        MMLError: there are no unlabelled samples.
    """
    if not len(unlabelled.logits):
        raise MMLError(
            "the prior quantify is estimated from unlabelled samples, and there are none; take the prior val or test"
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
    """Return frequencies of true classes, for predicted classes of samples with targets and of others."""
    from scipy.optimize import nnls  # half a second, which plans and other priors do not need

    counts = confusion_matrix(targets, predicted, classes).T.astype(float)
    absent = counts.sum(axis=0) == 0
    counts[absent, absent] = 1
    taken_for = counts / counts.sum(axis=0)  # columns: true classes
    observed = np.bincount(unlabelled, minlength=classes) / len(unlabelled)
    rows = np.concatenate([taken_for, np.full((1, classes), SUM_WEIGHT), RIDGE * np.eye(classes)])
    wanted = np.concatenate([observed, [SUM_WEIGHT], RIDGE * smoothed_frequencies(targets, classes)])
    frequencies = nnls(rows, wanted)[0]
    return frequencies / frequencies.sum()
