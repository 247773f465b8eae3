"""Alignment: predictions of several runs on the same samples, in the same order; what cannot be compared is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.evaluation.evaluation import mask_arguments
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions
from mml_lib.predictions.scores import score_arguments

Runs = Mapping[str, Mapping[int, AnyPredictions]]
"""Predictions by run and fold; an ensemble is a run of one fold."""


@dataclass(frozen=True)
class Aligned:
    """The predictions of one fold, samples in the order of the first run.

    Args:
        arguments: what `mml_lib.evaluation.bootstrap.resampled` takes, N samples each.
        ids: ids of the samples, N.
        task_type: task type of the predictions.
        sample_set: number of the samples it was tested on; folds of one test split share it.
        weights: of the samples, N; None: all count alike.
    """

    arguments: tuple[np.ndarray, ...]
    ids: np.ndarray
    task_type: str
    sample_set: int
    weights: np.ndarray | None = None

    @property
    def outputs(self) -> int:
        return int(np.prod(self.arguments[0].shape[1:]))


_Sets = dict[tuple[str, ...], Aligned]
"""The first predictions of each set of samples, by sorted ids."""


def align(runs: Runs) -> dict[str, dict[int, Aligned]]:
    """Return predictions by run and fold, those of the same samples in the same order.

    Raises:
        MMLError: runs differ in task type, classes, samples or targets; outputs are not finite; samples have no labels.
    """
    sets: _Sets = {}
    aligned: dict[str, dict[int, Aligned]] = {}
    for run, folds in runs.items():
        if not folds:
            raise MMLError(f"run '{run}' has no predictions to compare")
        first = next(iter(runs))
        aligned[run] = {
            fold: _beside(predictions, f"run '{run}', fold {fold}", first, sets, grows=run == first)
            for fold, predictions in folds.items()
        }
        tested = {network.sample_set for network in aligned[run].values()}
        missing = [fold for fold, network in aligned[first].items() if network.sample_set not in tested]
        if missing:
            raise MMLError(
                f"run '{run}' was not tested on the samples of fold {missing[0]} of run '{first}'; compare runs that "
                "were tested on the same folds"
            )
    return aligned


def _beside(predictions: AnyPredictions, where: str, first: str, sets: _Sets, grows: bool) -> Aligned:
    """Return predictions in the order of the first ones of the same samples; these become such where a set `grows`."""
    arguments, ids = arguments_of(predictions, where), np.asarray(predictions.ids)
    order = np.argsort(ids, kind="stable")
    key = tuple(ids[order].tolist())
    reference = next(iter(sets.values()), None)
    candidate = Aligned(arguments, ids, predictions.task_type, len(sets), predictions.weights)
    if reference and candidate.task_type != reference.task_type:
        raise MMLError(
            f"{where} is a {candidate.task_type} and run '{first}' a {reference.task_type}; compare runs of one type "
            "only"
        )
    if reference and candidate.outputs != reference.outputs:
        raise MMLError(
            f"{where} has {candidate.outputs} classes and run '{first}' has {reference.outputs}; compare runs of tasks "
            "with the same classes"
        )
    if key not in sets and not grows:
        raise _other_samples(where, first, key, sets)
    beside = sets.setdefault(key, candidate)
    rows = np.empty_like(order)
    rows[np.argsort(beside.ids, kind="stable")] = order
    arguments = tuple(argument[rows] for argument in arguments)
    true, other = (
        (side[1],) if predictions.task_type == MaskPredictions.task_type else side[1:]
        for side in (arguments, beside.arguments)
    )
    if len(true) != len(other) or not all(map(np.array_equal, true, other)):
        raise MMLError(
            f"{where} and run '{first}' have other targets for the same samples; predict both anew on the task as it "
            "is now, or compare runs of one task only"
        )
    return replace(beside, arguments=arguments)


def _other_samples(where: str, first: str, key: tuple[str, ...], sets: _Sets) -> MMLError:
    nearest_one = max(sets, key=lambda other: len(set(other) & set(key)))
    lacking, added = sorted(set(nearest_one) - set(key)), sorted(set(key) - set(nearest_one))
    which = f"'{lacking[0]}' is missing" if lacking else f"'{added[0]}' is there in excess"
    return MMLError(
        f"{where} was tested on {len(key)} samples, which are not those of run '{first}' ({which}); compare runs that "
        "were tested on the same split of the same task"
    )


def arguments_of(predictions: AnyPredictions, where: str) -> tuple[np.ndarray, ...]:
    """Return the arguments of `mml_lib.evaluation.bootstrap.resampled`.

    Args:
        predictions: predictions of labelled samples.
        where: name of the predictions in messages.

    Raises:
        MMLError: no samples, samples without labels, or outputs that are not finite.
    """
    if not len(predictions.ids):
        raise MMLError(f"{where} has no samples to evaluate")
    if isinstance(predictions, MaskPredictions):
        return mask_arguments(predictions)
    if len(wrong := predictions.ids[~np.isfinite(predictions.logits).all(axis=1)]):
        raise MMLError(
            f"{where} has outputs that are not finite, the first of sample '{wrong[0]}'; leave it out, or train it "
            "anew with a lower learning rate"
        )
    if len(unlabelled := predictions.ids[~predictions.labelled]):
        raise MMLError(
            f"{where} has samples without labels, the first is '{unlabelled[0]}'; evaluate a split that is labelled"
        )
    return score_arguments(predictions.task_type, predictions.logits, predictions.targets)
