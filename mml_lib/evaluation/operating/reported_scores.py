"""Scores of one class or label, on the samples that thresholds are chosen on, and on those that are reported."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.evaluation.bootstrap import draw
from mml_lib.evaluation.out_of_fold import pool_out_of_fold
from mml_lib.predictions.predictions import Predictions
from mml_lib.predictions.scores import sigmoid, softmax
from mml_lib.task_types import TASK_TYPES

Folds = Mapping[int, Predictions]
"""Predictions of a run by the fold of its networks."""


@dataclass(frozen=True)
class ClassScores:
    """Probabilities of one class by one network.

    Args:
        scores: probabilities of the class, N.
        positive: samples of the class, or with the label, N (bool).
        ids: ids of the samples, N.
    """

    scores: np.ndarray
    positive: np.ndarray
    ids: np.ndarray

    @classmethod
    def of(cls, predictions: Predictions, index: int) -> "ClassScores":
        """Return the scores of a class for the samples whose target is known."""
        if TASK_TYPES[predictions.task_type].is_multilabel:
            is_known = ~np.isnan(predictions.targets[:, index])
            scores, positive = sigmoid(predictions.logits[:, index]), predictions.targets[:, index] >= 0.5
        else:
            is_known = predictions.targets >= 0
            scores, positive = softmax(predictions.logits)[:, index], predictions.targets == index
        return cls(scores[is_known], positive[is_known], predictions.ids[is_known])

    def without(self, ids: Sequence[str]) -> "ClassScores":
        """Return the scores without those of some samples."""
        kept = ~np.isin(self.ids, ids)
        return ClassScores(self.scores[kept], self.positive[kept], self.ids[kept])


@dataclass(frozen=True)
class ReportedScores:
    """Probabilities of one class by the networks of a run, for the reported samples.

    Args:
        scores: probabilities of the class, networks×N.
        positive: samples of the class, N (bool).
        choosing: for each threshold, the scores of other samples that it is chosen on, and the samples that it applies
            to, N (bool).
        units: index of the group of each sample, N, from 0 without gaps.
    """

    scores: np.ndarray
    positive: np.ndarray
    choosing: Sequence[tuple[ClassScores, np.ndarray]]
    units: np.ndarray

    @classmethod
    def on_test(cls, validation: Folds, test: Folds, index: int, groups: Mapping[str, str | None]) -> "ReportedScores":
        """Return the scores of all networks on the test split, with one threshold, chosen on out-of-fold predictions.

        Args:
            validation: validation predictions of each fold.
            test: test predictions of each fold.
            index: index of the class or label.
            groups: group of each sample, by id.

        Raises:
            MMLError: networks of the run were tested on different samples.
        """
        networks = [_sorted(ClassScores.of(predictions, index)) for _, predictions in sorted(test.items())]
        first = networks[0]
        if any(not np.array_equal(network.ids, first.ids) for network in networks):
            raise MMLError("operating_points: networks of a run were tested on different samples; predict them again")
        choosing = ClassScores.of(_pooled(validation), index)
        all_samples = np.ones(len(first.ids), bool)
        scores = np.stack([network.scores for network in networks])
        return cls(scores, first.positive, [(choosing, all_samples)], _units(first.ids, groups))

    @classmethod
    def out_of_fold(cls, validation: Folds, index: int, groups: Mapping[str, str | None]) -> "ReportedScores":
        """Return out-of-fold scores. The threshold for the samples of a fold is chosen on those of the other folds."""
        pooled = ClassScores.of(_pooled(validation), index)
        parts = [predictions.ids for _, predictions in sorted(validation.items())]
        choosing = [(pooled.without(ids.tolist()), np.isin(pooled.ids, ids)) for ids in parts]
        return cls(pooled.scores[None], pooled.positive, choosing, _units(pooled.ids, groups))

    def draws(self, resamples: int) -> Iterator[np.ndarray]:
        """Yield how often each sample is drawn: first 1 for each, N×1, then resamples of whole groups, N×R."""
        yield np.ones((len(self.positive), 1))
        if resamples and len(self.positive):
            yield from draw(self.units, resamples, seed=0)

    def count_units(self, rows: np.ndarray) -> int:
        """Return the number of groups of the selected samples, N (bool)."""
        return len(np.unique(self.units[rows]))


def _pooled(folds: Folds) -> Predictions:
    pooled = pool_out_of_fold(folds, "operating_points")
    assert isinstance(pooled, Predictions), "masks have no operating points"
    return pooled


def _sorted(scores: ClassScores) -> ClassScores:
    order = np.argsort(scores.ids, kind="stable")
    return ClassScores(scores.scores[order], scores.positive[order], scores.ids[order])


def _units(ids: np.ndarray, groups: Mapping[str, str | None]) -> np.ndarray:
    """Return the index of the group of each sample, N. A sample without a group is a group of its own."""
    names = [f"group {groups[name]}" if groups.get(name) else f"sample {name}" for name in ids.tolist()]
    return np.unique(names, return_inverse=True)[1] if names else np.zeros(0, np.int64)
