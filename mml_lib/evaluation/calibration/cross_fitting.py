"""Cross-fitting: each sample is calibrated by a map that was fitted on other samples.

A map that is fitted and applied to the same predictions is too optimistic. Therefore samples are divided into parts
with whole groups, and each part is mapped by the calibration of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mml_lib.evaluation.calibration.calibration_methods import Calibration, fit_calibration, log_softmax
from mml_lib.metrics.shares import mean_of_known
from mml_lib.predictions.predictions import Predictions
from mml_lib.task_types import TASK_TYPES

PARTS = 5
"""Largest number of parts."""


@dataclass(frozen=True)
class Assessed:
    """A calibration with its log loss on samples that it was not fitted on.

    Args:
        calibration: calibration, fitted on all samples.
        before: mean log loss without calibration, in nats.
        after: mean log loss of cross-fitted calibrations, in nats.
        error: standard error of the difference.
        samples: number of samples.
    """

    calibration: Calibration
    before: float
    after: float
    error: float
    samples: int

    @property
    def helps(self) -> bool:
        """True if the log loss decreases by more than the standard error of the difference."""
        return self.before - self.after > self.error


def cross_calibrate(val: Predictions, method: str, groups: Sequence[str] | None = None) -> Predictions:
    """Return validation predictions, each sample calibrated by a map that was fitted on other samples.

    Args:
        val: validation predictions of a network.
        method: one of `calibration.METHODS`.
        groups: group of each sample, N; None: each sample is a group of its own.
    """
    logits = np.array(val.logits, np.float32, copy=True)
    parts = _parts(val, _units(val, groups))
    for part in range(parts.max() + 1):
        rows, others = np.flatnonzero(parts == part), np.flatnonzero(parts != part)
        if val.labelled[others].any():
            logits[rows] = fit_calibration(val.take(others), method).apply(val.logits[rows])
    return replace(val, logits=logits)


def assess_calibration(val: Predictions, method: str, groups: Sequence[str] | None = None) -> Assessed:
    """Return the calibration of predictions with its log loss on samples that it was not fitted on.

    Args:
        val: labelled predictions.
        method: one of `calibration.METHODS`.
        groups: as in `cross_calibrate`.
    """
    units = _units(val, groups)
    before, after = map(log_losses, (val, cross_calibrate(val, method, groups)))
    gain = before - after
    unit_gains = np.bincount(units, gain - gain.mean())
    error = float(np.sqrt((unit_gains**2).sum()) / len(gain))
    return Assessed(fit_calibration(val, method), float(before.mean()), float(after.mean()), error, len(gain))


def log_losses(predictions: Predictions) -> np.ndarray:
    """Return the log loss of each sample in nats, N; for labels, the mean over known ones.

    Soft labels count as present from 0.5.
    """
    logits = predictions.logits.astype(np.float64)
    if TASK_TYPES[predictions.task_type].is_single_label:
        return -log_softmax(logits)[np.arange(len(logits)), predictions.targets]
    signs = np.where(predictions.targets >= 0.5, 1, -1)
    losses, is_known = np.logaddexp(0, -signs * logits), ~np.isnan(predictions.targets)
    return losses.mean(axis=1) if is_known.all() else mean_of_known(np.where(is_known, losses, np.nan))


def _units(predictions: Predictions, groups: Sequence[str] | None) -> np.ndarray:
    """Return the index of the group of each sample, N."""
    return np.unique(predictions.ids if groups is None else np.asarray(groups), return_inverse=True)[1]


def _parts(val: Predictions, units: np.ndarray) -> np.ndarray:
    """Return the part of each sample, N: the groups of each class are distributed in turn, in a seeded order."""
    first = np.unique(units, return_index=True)[1]
    classes = val.targets[first]
    if TASK_TYPES[val.task_type].is_multilabel:
        classes = (classes >= 0.5).argmax(axis=1)
    shuffled = np.random.default_rng(0).permutation(len(first))
    order = shuffled[np.argsort(classes[shuffled], kind="stable")]
    parts = np.empty(len(first), int)
    parts[order] = np.arange(len(first)) % PARTS
    return parts[units]
