"""The pool: predictions of many networks on the same samples, checked and in the same order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.evaluation.ensembles.ensemble_storage import Member
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, Predictions, is_labelled
from mml_lib.predictions.scores import sigmoid, softmax
from mml_lib.task_types import TASK_TYPES


@dataclass(frozen=True)
class Pool:
    """Predictions of the members for N samples.

    Args:
        members: networks or runs, K.
        logits: logits, K×N×classes or labels (float32); values of a regression, K×N×1.
        targets: targets of the samples, as in `Predictions`; NaN and -1 stand for unknown targets.
        ids: ids of the samples, N.
        task_type: task type of the predictions.
        weights: weights of the samples in the metric for the selection, N; None: equal weights.
    """

    members: Sequence[Member]
    logits: np.ndarray
    targets: np.ndarray
    ids: np.ndarray
    task_type: str
    weights: np.ndarray | None = None

    @classmethod
    def of(cls, members: Sequence[Member], outputs: Sequence[AnyPredictions]) -> "Pool":
        """Return the pool of predictions, in the order of the first member's samples.

        Raises:
            MMLError: there are no predictions; their samples, classes or targets differ; logits are not finite.
        """
        orders = same_samples(members, outputs)
        predictions = [prediction for prediction in outputs if isinstance(prediction, Predictions)]
        first = predictions[0]
        for member, prediction in zip(members, predictions, strict=True):
            if prediction.logits.shape[1] != first.logits.shape[1]:
                classes = (f"predicts {p.logits.shape[1]} classes" for p in (first, prediction))
                raise _differs(members[0], member, *classes)
            if not np.isfinite(prediction.logits).all():
                sample = prediction.ids[~np.isfinite(prediction.logits).all(axis=1)][0]
                raise MMLError(f"ensemble: {member} has logits that are not finite (sample '{sample}'); leave it out")
        for member, prediction, order in zip(members, predictions, orders, strict=True):
            # Targets may have been rounded in one of the files.
            if not np.allclose(prediction.targets[order], first.targets, rtol=1e-5, atol=1e-6, equal_nan=True):
                raise _different(members[0], member, "targets for the same samples")
        logits = np.empty((len(members), *first.logits.shape), np.float32)
        for row, (prediction, order) in enumerate(zip(predictions, orders, strict=True)):
            logits[row] = prediction.logits[order]
        return cls(members, logits, first.targets, first.ids, first.task_type, first.weights)

    def part(self, rows: np.ndarray) -> "Pool":
        """Return the pool of some samples."""
        weights = None if self.weights is None else self.weights[rows]
        return Pool(self.members, self.logits[:, rows], self.targets[rows], self.ids[rows], self.task_type, weights)

    def outputs(self, temperature: float = 1.0) -> np.ndarray:
        """Return the outputs to average, K×N×classes: probabilities (float32), or values of a regression (float64)."""
        if not TASK_TYPES[self.task_type].has_probabilities:
            return self.logits.astype(np.float64)
        outputs = np.empty_like(self.logits)
        for row, logits in enumerate(self.logits):  # one by one, to save memory: they are computed in double precision
            outputs[row] = probabilities(self.task_type, logits, temperature)
        return outputs

    def votes(self) -> np.ndarray:
        """Return the class that each member votes for, K×N; or whether it votes for each label, 0 or 1, K×N×labels."""
        if TASK_TYPES[self.task_type].is_single_label:
            return self.logits.argmax(axis=2)
        return (self.logits > 0).astype(int)


def probabilities(task_type: str, logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (float64) of logits, N×classes, divided by a temperature."""
    return (softmax if TASK_TYPES[task_type].is_single_label else sigmoid)(logits / np.float32(temperature))


def same_samples(members: Sequence[Member], predictions: Sequence[AnyPredictions]) -> list[np.ndarray]:
    """Return for each member the rows of the first member's samples, N.

    Raises:
        MMLError: there are no members, or their samples or task types differ.
    """
    if not predictions or len(predictions) != len(members):
        raise MMLError(
            f"ensemble: there are {len(predictions)} predictions of {len(members)} members; train and predict with "
            "some runs first"
        )
    first = predictions[0]
    if not len(first.ids):
        raise MMLError(f"ensemble: {members[0]} has no predictions of this split; predict it first")
    order = np.argsort(first.ids, kind="stable")
    ids = first.ids[order]
    if (twice := ids[1:] == ids[:-1]).any():
        raise MMLError(f"ensemble: {members[0]} has the sample '{ids[1:][twice][0]}' twice; keep it once")
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    orders = []
    for member, prediction in zip(members, predictions, strict=True):
        if prediction.task_type != first.task_type:
            raise _differs(members[0], member, f"is a {first.task_type}", f"is a {prediction.task_type}")
        member_order = np.argsort(prediction.ids, kind="stable")
        if not np.array_equal(prediction.ids[member_order], ids):
            unshared = sorted({*prediction.ids.tolist()} ^ {*ids.tolist()})
            example = f"; only one has '{unshared[0]}'" if unshared else ""
            sizes = (f"has {len(p.ids)} samples{example * (p is prediction)}" for p in (first, prediction))
            raise _differs(members[0], member, *sizes)
        orders.append(member_order[places])
    return orders


def _differs(first: Member, other: Member, first_fact: str, other_fact: str) -> MMLError:
    return MMLError(
        f"ensemble: members must predict the same: {first} {first_fact}, {other} {other_fact}; leave one of them out"
    )


def _different(first: Member, other: Member, property_: str) -> MMLError:
    return MMLError(
        f"ensemble: members must predict the same: {first} and {other} have different {property_}; leave one of them "
        "out"
    )


def check_selectable(pool: Pool, by_classes: bool = True) -> None:
    """Check that the samples of a pool suffice to select members.

    Args:
        pool: the pool.
        by_classes: True to require samples of every class.

    Raises:
        MMLError: a sample has no target, or (`by_classes`) a class has no sample.
    """
    if unknown := int((~is_labelled(pool.task_type, pool.targets)).sum()):
        raise MMLError(f"ensemble: {unknown} of {len(pool.ids)} samples have no target; select by a labelled split")
    if TASK_TYPES[pool.task_type].is_single_label:
        amounts = np.bincount(pool.targets, minlength=pool.logits.shape[2])
    elif TASK_TYPES[pool.task_type].is_multilabel:
        amounts = (pool.targets >= 0.5).sum(axis=0)
    else:
        return
    if by_classes and not amounts.all():
        raise MMLError(
            f"ensemble: class {int(np.flatnonzero(amounts == 0)[0])} is absent among the {len(pool.ids)} samples; take "
            "all members alike (strategy mean), select by more samples, or leave the class out of the task (+subclass, "
            "idx_to_class)"
        )


def is_constant(predictions: AnyPredictions) -> bool:
    """Return True if the predictions of several samples are all equal: the network has learned nothing.

    Such a member is not refused: its value for the ensemble decides.
    """
    outputs = predictions.masks if isinstance(predictions, MaskPredictions) else predictions.logits
    return len(predictions.ids) > 1 and bool((outputs == outputs[0]).all())


def same_masks(
    members: Sequence[Member], predictions: Sequence[MaskPredictions], by_classes: bool = False
) -> list[MaskPredictions]:
    """Return masks in the order of the first member's images.

    Args:
        members: members, K.
        predictions: masks of each member, K.
        by_classes: True to require targets of every class.

    Raises:
        MMLError: images, classes or targets differ, or (`by_classes`) a class is in no target.
    """
    orders = same_samples(members, predictions)
    first = predictions[0]
    ordered: list[MaskPredictions] = []
    for member, prediction, order in zip(members, predictions, orders, strict=True):
        if prediction.classes != first.classes:
            raise _differs(members[0], member, *(f"predicts {p.classes} classes" for p in (first, prediction)))
        if not np.array_equal(prediction.sizes[order], first.sizes):
            raise _different(members[0], member, "sizes of masks")
        ordered.append(prediction.take(order))
        if not np.array_equal(ordered[-1].targets, first.targets):
            raise _different(members[0], member, "targets for the same images")
    if by_classes and len(absent := np.setdiff1d(np.arange(first.classes), first.targets)):
        raise MMLError(
            f"ensemble: class {absent[0]} is absent among the masks of the {len(first.ids)} images; take all members "
            "alike (strategy mean), select by more images, or leave the class out of the task (idx_to_class)"
        )
    return ordered
