"""The objective of a selection: a metric of many mixed predictions at once, as a loss.

Each ensemble is a linear mixture of features of its members: the probabilities of the targets for the log loss, all
probabilities or values for other metrics. Therefore one matrix product computes many candidates.
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

CHUNK = 2**21  # number of features in one computation


def score(
    task_type: str, metric: str, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return a named metric of probabilities (values) and targets.

    Args:
        task_type: task type of the metric.
        metric: name of the metric.
        outputs: probabilities of the samples, N×classes (labels), or values, N×1.
        targets: targets of the samples, as in `Predictions`.
        weights: weights of the samples, N; None: equal weights.
    """
    if TASK_TYPES[task_type].is_multilabel:
        return named_score(task_type, metric, outputs, *label_targets(targets), weights=weights)
    if TASK_TYPES[task_type].has_values:
        outputs, targets = outputs[:, 0].astype(np.float64), targets.astype(np.float64)
    return named_score(task_type, metric, outputs, targets, weights=weights)


def _target_probabilities(pool: Pool, temperature: float) -> np.ndarray:
    """Return the probability of each target, K×N, or of the true state of each label, K×N×labels."""
    if TASK_TYPES[pool.task_type].is_single_label:
        return np.take_along_axis(pool.outputs(temperature), pool.targets[None, :, None], axis=2)[:, :, 0]
    # Negated logits preserve small probabilities, which 1 - p would lose in single precision.
    negated = np.where(pool.targets >= 0.5, pool.logits, -pool.logits)
    return replace(pool, logits=negated).outputs(temperature)


class Objective:
    """A metric of mixtures of K members, as a loss: lower is better, 0 is perfect, and infinity is undefined.

    Args:
        pool: samples of the selection.
        metric: metric that is optimised.
        temperature: divisor of the members' logits.
    """

    def __init__(self, pool: Pool, metric: str, temperature: float = 1.0):
        self.task_type, self.metric, self.weights = pool.task_type, metric, pool.weights
        is_partial = TASK_TYPES[pool.task_type].is_multilabel and bool(np.isnan(pool.targets).any())
        is_binary = TASK_TYPES[pool.task_type].is_multilabel and not is_partial
        self.targets = pool.targets >= 0.5 if is_binary else pool.targets
        self.of_targets = metric == LOG_LOSS and not is_partial and pool.weights is None
        if self.of_targets:
            features = _target_probabilities(pool, temperature)
        else:  # K×classes×N, to compare classes efficiently
            features = np.ascontiguousarray(pool.outputs(temperature).transpose(0, 2, 1))
        by_areas = metric == "auroc" and not is_partial and pool.weights is None
        self.areas = Areas(is_of_class(self.targets, pool.logits.shape[2]).T) if by_areas else None
        if self.areas:
            features = self.areas.sorted(features)
        self.shape = features.shape[1:]
        self.features = features.reshape(len(features), -1)
        self._values = self._metric_function()

    def losses(self, mixed: np.ndarray, least: float | None = None) -> np.ndarray:
        """Return the loss of each mixture, R.

        Args:
            mixed: mixtures of features, R×features.
            least: if only the least loss matters, and only below this number; other losses may be infinite.
        """
        size = max(1, CHUNK // mixed.shape[1])
        chunks: list[np.ndarray] = []
        for start in range(0, len(mixed), size):
            chunk = mixed[start : start + size]
            if self.areas and least is not None:
                losses = 1 - self.areas.best(chunk.reshape(-1, *self.shape), 1 - least)
                least = min(least, losses.min())
            else:
                values = self._values(chunk)
                losses = values if lower_is_better(self.metric) else 1 - values
            chunks.append(np.nan_to_num(losses, nan=np.inf, posinf=np.inf))
        return np.concatenate(chunks)

    def of_weights(self, weights: np.ndarray, least: float | None = None) -> np.ndarray:
        """Return the loss of each candidate, R, for its weights, R×K; `least` as in `losses`."""
        size = max(1, CHUNK // self.features.shape[1])
        weights = weights.astype(self.features.dtype)
        chunks: list[np.ndarray] = []
        for start in range(0, len(weights), size):
            chunks.append(self.losses(weights[start : start + size] @ self.features, least))
            least = None if least is None else min(least, chunks[-1].min())
        return np.concatenate(chunks)

    def singles(self) -> np.ndarray:
        """Return the loss of each member, K."""
        return self.losses(self.features)

    def _metric_function(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function that computes the metric, R, of mixtures, R×features."""
        if self.of_targets:
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
        largest, predicted = mixed[:, 0].copy(), np.zeros((len(mixed), self.shape[1]), np.uint16)
        for index in range(1, self.shape[0]):
            predicted[mixed[:, index] > largest] = index
            np.maximum(largest, mixed[:, index], out=largest)
        hits, predictions = np.empty((2, len(mixed), self.shape[0]), np.int64)
        for index, class_rows in enumerate(rows):
            is_class = predicted == index
            predictions[:, index], hits[:, index] = is_class.sum(axis=1), is_class[:, class_rows].sum(axis=1)
        return Counts(hits, np.broadcast_to([len(class_rows) for class_rows in rows], hits.shape), predictions)
