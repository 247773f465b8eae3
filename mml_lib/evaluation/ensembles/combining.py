"""Combined predictions of the members of an ensemble."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.evaluation.ensembles.pool import Pool, probabilities, same_masks
from mml_lib.metrics.log_loss import LEAST_PROBABILITY
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, Predictions, are_masks
from mml_lib.task_types import TASK_TYPES


def combine(storage: EnsembleStorage, predictions: Sequence[AnyPredictions]) -> AnyPredictions:
    """Return the predictions of an ensemble on a split.

    Classification: logarithms of the weighted mean of probabilities, so that softmax returns the mean. Multi-label
    classification: logits of this mean. Regression: weighted mean. Segmentation: for each pixel the class with the
    largest weight of votes, the lowest class in a tie. If members vote for classes, one additional vote is shared by
    all classes, so that no probability is 0. The ensemble's own calibration, if it has one, maps the probabilities.

    Args:
        storage: the ensemble.
        predictions: predictions of each member, in the order of members.

    Raises:
        MMLError: samples or classes of the predictions differ, or a member has no predictions.
    """
    if are_masks(predictions):
        return mixed_masks(same_masks(storage.members, predictions), storage.weights)
    pool = Pool.of(storage.members, predictions)
    if pool.task_type != storage.task_type:
        raise MMLError(
            f"the ensemble of '{storage.task}' was selected for a {storage.task_type}, these are predictions of a "
            f"{pool.task_type}; use predictions of its task"
        )
    logits = _logits(pool.task_type, mixed(pool, storage.weights, storage.votes, storage.member_temperature))
    if storage.calibration is not None:
        logits = storage.calibration.apply(logits)
    return Predictions(logits, pool.targets, pool.ids, pool.task_type, pool.weights)


def mixed(pool: Pool, weights: Sequence[float] | np.ndarray, votes: bool, temperature: float) -> np.ndarray:
    """Return the probabilities (values) of an ensemble of all members of a pool, float64, N×classes."""
    if votes:
        return _vote_shares(pool)
    shares = np.asarray(weights, np.float64)
    total = np.zeros(pool.logits.shape[1:])
    for logits, weight in zip(pool.logits, shares / shares.sum(), strict=True):
        total += weight * (
            logits if TASK_TYPES[pool.task_type].has_values else probabilities(pool.task_type, logits, temperature)
        )
    return total


def _vote_shares(pool: Pool) -> np.ndarray:
    votes = pool.votes()
    if TASK_TYPES[pool.task_type].is_multilabel:
        return (votes.sum(axis=0) + 0.5) / (len(votes) + 1)
    classes = pool.logits.shape[2]
    counts = np.stack([(votes == index).sum(axis=0) for index in range(classes)], axis=1)
    return (counts + 1 / classes) / (len(votes) + 1)


def _logits(task_type: str, outputs: np.ndarray) -> np.ndarray:
    """Return the stored form of probabilities (or values), float32."""
    if TASK_TYPES[task_type].is_single_label:
        outputs = np.log(np.maximum(outputs, LEAST_PROBABILITY))
    elif TASK_TYPES[task_type].is_multilabel:
        inside = np.clip(outputs, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        outputs = np.log(inside) - np.log1p(-inside)
    return outputs.astype(np.float32)


def mixed_masks(predictions: Sequence[MaskPredictions], weights: Sequence[float]) -> MaskPredictions:
    """Return the weighted majority vote of masks, pixel by pixel, for the same images in the same order."""
    first, masks = predictions[0], []
    for image_masks in zip(*(prediction.images() for prediction in predictions), strict=True):  # one image at a time
        votes = np.zeros((first.classes, *image_masks[0][0].shape), np.float32)
        for (mask, _), weight in zip(image_masks, weights, strict=True):
            for index in range(first.classes):
                votes[index] += np.float32(weight) * (mask == index)
        masks.append(votes.argmax(axis=0).astype(np.uint8))
    majority = MaskPredictions.of(masks, [target for _, target in first.images()], first.ids, first.classes)
    return replace(majority, weights=first.weights)
