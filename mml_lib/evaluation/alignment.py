"""Alignment of runs: their predictions of the same samples, in the same order. Incomparable runs raise errors."""

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
        arguments: arguments of metrics for `mml_lib.evaluation.bootstrap.resampled`, N samples each.
        ids: ids of the samples, N.
        task_type: task type of the predictions.
        sample_set: index of the set of test samples. Folds that are tested on the same split share it.
        weights: weights of the samples, N; None: equal weights.
    """

    arguments: tuple[np.ndarray, ...]
    ids: np.ndarray
    task_type: str
    sample_set: int
    weights: np.ndarray | None = None

    @property
    def outputs(self) -> int:
        """Number of outputs of the network: classes, labels, or 1 for values."""
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
            fold: _aligned(predictions, f"run '{run}', fold {fold}", first, sets, is_first=run == first)
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


def _aligned(predictions: AnyPredictions, where: str, first: str, sets: _Sets, is_first: bool) -> Aligned:
    """Return predictions in the order in which the first run has the same samples.

    Args:
        predictions: predictions of one fold of a run.
        where: name of the predictions in messages.
        first: id of the first run.
        sets: sets of samples so far; the first run adds its sets.
        is_first: True for predictions of the first run.
    """
    arguments, ids = arguments_of(predictions, where), np.asarray(predictions.ids)
    order = np.argsort(ids, kind="stable")
    key = tuple(ids[order].tolist())
    earliest = next(iter(sets.values()), None)
    candidate = Aligned(arguments, ids, predictions.task_type, len(sets), predictions.weights)
    if earliest and candidate.task_type != earliest.task_type:
        raise MMLError(
            f"{where} is a {candidate.task_type} and run '{first}' a {earliest.task_type}; compare runs of one type "
            "only"
        )
    if earliest and candidate.outputs != earliest.outputs:
        raise MMLError(
            f"{where} has {candidate.outputs} classes and run '{first}' has {earliest.outputs}; compare runs of tasks "
            "with the same classes"
        )
    if key not in sets and not is_first:
        raise _other_samples(where, first, key, sets)
    reference = sets.setdefault(key, candidate)
    rows = np.empty_like(order)
    rows[np.argsort(reference.ids, kind="stable")] = order
    arguments = tuple(argument[rows] for argument in arguments)
    targets, reference_targets = (
        (side[1],) if predictions.task_type == MaskPredictions.task_type else side[1:]
        for side in (arguments, reference.arguments)
    )
    if len(targets) != len(reference_targets) or not all(map(np.array_equal, targets, reference_targets)):
        raise MMLError(
            f"{where} and run '{first}' have different targets for the same samples; predict both again on the current "
            "task, or compare runs of one task only"
        )
    return replace(reference, arguments=arguments)


def _other_samples(where: str, first: str, key: tuple[str, ...], sets: _Sets) -> MMLError:
    """Return the error of predictions whose samples the first run does not have."""
    most_similar = max(sets, key=lambda ids: len(set(ids) & set(key)))
    missing, added = sorted(set(most_similar) - set(key)), sorted(set(key) - set(most_similar))
    difference = f"'{missing[0]}' is missing" if missing else f"'{added[0]}' is additional"
    return MMLError(
        f"{where} was tested on {len(key)} samples, which are not those of run '{first}' ({difference}); compare runs "
        "that were tested on the same split of the same task"
    )


def arguments_of(predictions: AnyPredictions, where: str) -> tuple[np.ndarray, ...]:
    """Return the arguments of metrics for `mml_lib.evaluation.bootstrap.resampled`, N samples each.

    Args:
        predictions: predictions of labelled samples.
        where: name of the predictions in messages.

    Raises:
        MMLError: there are no samples, some samples have no labels, or outputs are not finite.
    """
    if not len(predictions.ids):
        raise MMLError(f"{where} has no samples to evaluate")
    if isinstance(predictions, MaskPredictions):
        return mask_arguments(predictions)
    if len(exploded := predictions.ids[~np.isfinite(predictions.logits).all(axis=1)]):
        raise MMLError(
            f"{where} has outputs that are not finite, the first of sample '{exploded[0]}'; leave it out, or train it "
            "again with a lower learning rate"
        )
    if len(unlabelled := predictions.ids[~predictions.labelled]):
        raise MMLError(
            f"{where} has samples without labels, the first is '{unlabelled[0]}'; evaluate a split that is labelled"
        )
    return score_arguments(predictions.task_type, predictions.logits, predictions.targets)
