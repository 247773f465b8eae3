"""The objective of a selection: a metric of many mixed predictions at once, as a loss.

Each ensemble mixes the same features of its members linearly: of a log loss the probabilities of what is true, of other
metrics all probabilities or values. So candidates are one matrix product away.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mml_lib.config.metric_options import lower_is_better
from mml_lib.evaluation.ensembles.areas import Areas
from mml_lib.evaluation.ensembles.options import LOG_LOSS
from mml_lib.evaluation.ensembles.pool import Pool
from mml_lib.metrics import find_metric
from mml_lib.metrics.classification import class_counts, is_of_class
from mml_lib.metrics.log_loss import LEAST_PROBABILITY
from mml_lib.metrics.shares import Counts
from mml_lib.predictions.scores import label_targets
from mml_lib.predictions.scores import score as named_score
from mml_lib.task_types import TASK_TYPES

CHUNK = 2**21  # features that are worked on at once


def score(
    task_type: str, metric: str, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return a named metric of probabilities (values), N×classes, and targets as `Predictions` has them.

    Args:
        task_type: task type of the metric.
        metric: its name.
        outputs, targets: of the samples.
        weights: of the samples, N; None: all count alike.
    """
    if TASK_TYPES[task_type].is_multilabel:
        return named_score(task_type, metric, outputs, *label_targets(targets), weights=weights)
    if TASK_TYPES[task_type].has_values:
        outputs, targets = outputs[:, 0].astype(np.float64), targets.astype(np.float64)
    return named_score(task_type, metric, outputs, targets, weights=weights)


def _of_truth(pool: Pool, temperature: float) -> np.ndarray:
    """Return the probability of each target, K×N, or of each label's being as it is, K×N×labels."""
    if TASK_TYPES[pool.task_type].is_single_label:
        return np.take_along_axis(pool.outputs(temperature), pool.targets[None, :, None], axis=2)[:, :, 0]
    # Turning logits round keeps small probabilities, which 1 - p loses in single precision.
    turned = np.where(pool.targets >= 0.5, pool.logits, -pool.logits)
    return replace(pool, logits=turned).outputs(temperature)


class Objective:
    """A metric of mixtures of K members, as a loss: what is good is small, 0 is perfect, undefined is infinite.

    Args:
        pool: the samples to select by.
        metric: what is optimised.
        temperature: of the members' probabilities.
    """

    def __init__(self, pool: Pool, metric: str, temperature: float = 1.0):
        self.task_type, self.metric, self.weights = pool.task_type, metric, pool.weights
        is_partial = TASK_TYPES[pool.task_type].is_multilabel and bool(np.isnan(pool.targets).any())
        as_truth = TASK_TYPES[pool.task_type].is_multilabel and not is_partial
        self.targets = pool.targets >= 0.5 if as_truth else pool.targets
        self.by_truth = metric == LOG_LOSS and not is_partial and pool.weights is None
        if self.by_truth:
            features = _of_truth(pool, temperature)
        else:  # K×classes×N: classes are compared at once
            features = np.ascontiguousarray(pool.outputs(temperature).transpose(0, 2, 1))
        by_areas = metric == "auroc" and not is_partial and pool.weights is None
        self.areas = Areas(is_of_class(self.targets, pool.logits.shape[2]).T) if by_areas else None
        if self.areas:
            features = self.areas.sorted(features)
        self.shape = features.shape[1:]
        self.features = features.reshape(len(features), -1)
        self._values = self._choose()

    def losses(self, mixed: np.ndarray, least: float | None = None) -> np.ndarray:
        """Return the loss of each mixture of features, R×features, as R.

        Args:
            mixed: features.
            least: where only the least loss is wanted, and only if it is below this: others may be infinite.
        """
        size = max(1, CHUNK // mixed.shape[1])
        losses_of: list[np.ndarray] = []
        for start in range(0, len(mixed), size):
            chunk = mixed[start : start + size]
            if self.areas and least is not None:
                losses = 1 - self.areas.best(chunk.reshape(-1, *self.shape), 1 - least)
                least = min(least, losses.min())
            else:
                values = self._values(chunk)
                losses = values if lower_is_better(self.metric) else 1 - values
            losses_of.append(np.nan_to_num(losses, nan=np.inf, posinf=np.inf))
        return np.concatenate(losses_of)

    def of_weights(self, weights: np.ndarray, least: float | None = None) -> np.ndarray:
        """Return the loss of each candidate, R, for its weights, R×K; `least` as for `losses`."""
        size = max(1, CHUNK // self.features.shape[1])
        weights = weights.astype(self.features.dtype)
        values_of: list[np.ndarray] = []
        for start in range(0, len(weights), size):
            values_of.append(self.losses(weights[start : start + size] @ self.features, least))
            least = None if least is None else min(least, values_of[-1].min())
        return np.concatenate(values_of)

    def singles(self) -> np.ndarray:
        """Return the loss of each member, K."""
        return self.losses(self.features)

    def _choose(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function of mixtures, R×features, that computes their metric, R."""
        if self.by_truth:
            return lambda mixed: -np.log(np.maximum(mixed, LEAST_PROBABILITY)).mean(axis=1, dtype=np.float64)
        named = find_metric(self.task_type, self.metric)
        if named and named.statistic is class_counts and self.weights is None:
            rows = [np.flatnonzero(self.targets == index) for index in range(self.shape[0])]
            return lambda mixed: named.value(self._counts(mixed, rows))
        if areas := self.areas:
            return lambda mixed: areas.exact(mixed.reshape(-1, *self.shape))
        kind, metric, targets, weights = self.task_type, self.metric, self.targets, self.weights
        return lambda mixed: np.array(
            [score(kind, metric, features.reshape(self.shape).T, targets, weights) for features in mixed]
        )

    def _counts(self, mixed: np.ndarray, rows: list[np.ndarray]) -> Counts:
        """Return hits, targets and predictions of each class, R×classes."""
        mixed = mixed.reshape(len(mixed), *self.shape)
        most, predicted = mixed[:, 0].copy(), np.zeros((len(mixed), self.shape[1]), np.uint16)
        for index in range(1, self.shape[0]):
            predicted[mixed[:, index] > most] = index
            np.maximum(most, mixed[:, index], out=most)
        hits, predictions = np.empty((2, len(mixed), self.shape[0]), np.int64)
        for index, those in enumerate(rows):
            is_it = predicted == index
            predictions[:, index], hits[:, index] = is_it.sum(axis=1), is_it[:, those].sum(axis=1)
        return Counts(hits, np.broadcast_to([len(those) for those in rows], hits.shape), predictions)
