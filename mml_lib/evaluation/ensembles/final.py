"""The final calibration of an ensemble, because averages of calibrated probabilities are underconfident."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mml_lib.evaluation.calibration.cross_fitting import assess_calibration
from mml_lib.evaluation.ensembles.combining import combine
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.evaluation.ensembles.pool import is_constant
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, Predictions

METHOD = "temperature"
"""Method of the calibration: one scale does not change predicted classes, and members already have their biases."""

LEAST = 20
"""Least number of samples for a final calibration."""


def calibrate_ensemble(
    ensemble: EnsembleStorage,
    members: Sequence[Member],
    predictions: Sequence[Predictions],
    groups: Sequence[str],
) -> EnsembleStorage:
    """Return an ensemble with a final calibration, if that lowers its log loss on held-out samples.

    The calibration is fitted on the validation samples that did not select the ensemble, or on all of them if nothing
    was selected. It is assessed by cross-fitting, and must lower the log loss by more than its standard error.

    Args:
        ensemble: the selected ensemble.
        members: runs, K.
        predictions: validation predictions of each run, K.
        groups: group of each sample, in the order of the first predictions.
    """
    combined = combine(ensemble, [predictions[members.index(member)] for member in ensemble.members])
    if isinstance(combined, MaskPredictions):
        return ensemble
    group_by_id = dict(zip(predictions[0].ids.tolist(), groups, strict=True))
    selected = set() if ensemble.strategy == "mean" else set(ensemble.selection_ids)
    rows = np.array([row for row, id_ in enumerate(combined.ids.tolist()) if id_ not in selected], int)
    if len(rows) < LEAST:
        return ensemble
    held_out = combined.take(rows)
    assessed = assess_calibration(held_out, METHOD, [group_by_id[id_] for id_ in held_out.ids.tolist()])
    losses = {"before": assessed.before, "after": assessed.after, "samples": assessed.samples}
    calibration = assessed.calibration if assessed.helps else None
    return replace(ensemble, calibration=calibration, calibration_losses=losses)


def ensemble_notes(
    ensemble: EnsembleStorage, runs: Sequence[Member], predictions: Sequence[AnyPredictions]
) -> list[str]:
    """Return notes on the final calibration of an ensemble, and warnings about runs that learned nothing.

    Args:
        ensemble: the selected ensemble.
        runs: runs, K.
        predictions: validation predictions of each run, K.
    """
    notes = []
    if losses := ensemble.calibration_losses:
        outcome = "are calibrated" if ensemble.calibration else "stay as they are"
        notes.append(
            f"probabilities of the ensemble {outcome}: on held-out validation samples a final calibration changes "
            f"their log loss from {losses['before']:.4f} to {losses['after']:.4f}"
        )
    for run, predicted in zip(runs, predictions, strict=True):
        if is_constant(predicted):
            outcome = "is in the ensemble" if run in ensemble.members else "is left out of the ensemble"
            notes.append(
                f"warning: {run} predicts the same for all validation samples, it {outcome}; train it otherwise"
            )
    return notes
