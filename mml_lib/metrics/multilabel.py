"""Metrics of a multi-label classification, from probabilities and targets (N×labels). Above 0.5, a label is predicted.

If labels are unknown, statistics have a third argument, a mask of the known labels (bool, N×labels). Each label then
counts by its known entries, and samples without a known label do not count.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from mml_lib.metrics import shares
from mml_lib.metrics.classification import mean_area, mean_brier, mean_log_loss, weighted_mean
from mml_lib.metrics.log_loss import BINS, label_brier_losses, label_calibration_gaps, label_log_losses
from mml_lib.metrics.metric_registry import Metric, Weighted, register
from mml_lib.metrics.shares import Counts, mean_of_known, share
from mml_lib.metrics.sums import LinearSums, of_rows, precision_area, roc_area, total

declare = partial(Metric, "multilabel_classification")


class LabelCounts(NamedTuple):
    """Counts of each label, R×labels, and the number of samples whose label is known, R×1 or R×labels."""

    counts: Counts
    number: np.ndarray


def label_counts(
    probabilities: np.ndarray, targets: np.ndarray, is_known: np.ndarray | None = None
) -> Callable[[np.ndarray], LabelCounts]:
    """Return a function from weights, N×R, to the counts of each label."""
    predicted, number = probabilities > 0.5, np.ones((len(targets), 1))
    if is_known is not None:
        predicted, number = predicted & is_known, is_known
    features = np.concatenate([predicted & targets, targets, predicted, number], axis=1)
    ends = np.arange(1, 4) * targets.shape[1]

    def count(sums: np.ndarray) -> LabelCounts:
        *counts, number_known = np.split(sums, ends, axis=1)
        return LabelCounts(Counts(*counts), number_known)

    return LinearSums(features, count)


def _mean_specificity(labels: LabelCounts) -> np.ndarray:
    return mean_of_known(shares.specificities(*labels))


def _mean_recall(labels: LabelCounts) -> np.ndarray:
    return shares.mean_recall(labels.counts)


def _mean_precision(labels: LabelCounts) -> np.ndarray:
    return mean_of_known(shares.precisions(labels.counts))


def _mean_dice(labels: LabelCounts) -> np.ndarray:
    return shares.mean_dice(labels.counts)


def _accuracy(labels: LabelCounts) -> np.ndarray:
    hits, targets, predicted = labels.counts
    return mean_of_known(1 - share(targets + predicted - 2 * hits, np.broadcast_to(labels.number, targets.shape)))


def _mean_matthews(labels: LabelCounts) -> np.ndarray:
    """Return the mean over labels of each label's Matthews correlation."""
    number = labels.number
    hits, targets, predicted = labels.counts
    spread = np.sqrt(targets * (number - targets)) * np.sqrt(predicted * (number - predicted))
    return mean_of_known(share(number * hits - targets * predicted, spread))


def _mean_area(
    build: Callable, probabilities: np.ndarray, targets: np.ndarray, is_known: np.ndarray | None = None
) -> Weighted:
    """Return a function of the mean area under a curve over the labels that define it, by known entries."""
    if is_known is None:
        return mean_area(build, probabilities, targets)
    columns = zip(probabilities.T, targets.T, is_known.T, strict=True)
    areas = [of_rows(rows, build(scores[rows], positive[rows])) for scores, positive, rows in columns if rows.any()]
    return lambda weights: mean_of_known(np.stack([area(weights) for area in areas], axis=-1))


def _mean_loss(
    mean_loss: Callable,
    label_losses: Callable,
    probabilities: np.ndarray,
    targets: np.ndarray,
    is_known: np.ndarray | None = None,
) -> Weighted:
    """Return a function of the mean over labels of each label's mean loss, by known entries.

    Args:
        mean_loss: function from probabilities and targets to this function, if all labels are known.
        label_losses: function from probabilities and targets to the loss of each label of each sample, N×labels.
        probabilities, targets: of the samples, N×labels.
        is_known: mask of the known labels (bool, N×labels); None: all.
    """
    if is_known is None:
        return mean_loss(probabilities, targets)
    features = np.concatenate([label_losses(probabilities, targets) * is_known, is_known], axis=1)
    return LinearSums(features, lambda sums: mean_of_known(share(*np.split(sums, 2, axis=1))))


def _mean_over_samples(values: np.ndarray, is_known: np.ndarray | None) -> Weighted:
    """Return a function of the mean of values, N, over the samples with a known label."""
    if is_known is None or is_known.any(axis=1).all():
        return weighted_mean(values)
    features = np.column_stack([values, np.ones(len(values))]) * is_known.any(axis=1, keepdims=True)
    return LinearSums(features, lambda sums: share(sums[:, 0], sums[:, 1]))


def _exact_match(probabilities: np.ndarray, targets: np.ndarray, is_known: np.ndarray | None = None) -> Weighted:
    is_right = (probabilities > 0.5) == targets
    is_right = is_right if is_known is None else is_right | ~is_known
    return _mean_over_samples(is_right.all(axis=1).astype(np.float64), is_known)


def _ranking(probabilities: np.ndarray, targets: np.ndarray, is_known: np.ndarray | None = None) -> Weighted:
    """Return a function of the label ranking average precision, by known labels (Schapire and Singer 2000)."""
    precision = np.zeros(len(targets))
    ranked = np.ones_like(targets) if is_known is None else is_known
    for label in range(targets.shape[1]):
        above = (probabilities >= probabilities[:, [label]]) & ranked  # including itself and ties
        precision += targets[:, label] * (above & targets).sum(axis=1) / np.maximum(above.sum(axis=1), 1)
    number = targets.sum(axis=1)
    is_trivial = (number == 0) | (number == ranked.sum(axis=1))
    return _mean_over_samples(np.where(is_trivial, 1.0, precision / np.maximum(number, 1)), is_known)


def _calibration_error(probabilities: np.ndarray, targets: np.ndarray, is_known: np.ndarray | None = None) -> Weighted:
    gaps, number = label_calibration_gaps(probabilities, targets)
    samples = np.arange(len(gaps))
    if is_known is not None:
        return _calibration_error_of_known(gaps * is_known, number, is_known)

    def error(weights: np.ndarray) -> np.ndarray:
        drawn, sums = weights.T.astype(np.float64), np.zeros(weights.shape[1])
        for label in range(gaps.shape[1]):
            in_bins = np.zeros((len(gaps), BINS))  # one label at a time, to save memory
            in_bins[samples, number[:, label]] = gaps[:, label]
            sums += np.abs(drawn @ in_bins).sum(axis=1)
        return sums / (total(weights) * gaps.shape[1])

    return error


def _calibration_error_of_known(gaps: np.ndarray, number: np.ndarray, is_known: np.ndarray) -> Weighted:
    """Return a function of the mean over labels of each label's calibration error. Gaps of unknown entries are 0."""
    samples = np.arange(len(gaps))

    def error(weights: np.ndarray) -> np.ndarray:
        drawn, errors = weights.T.astype(np.float64), np.empty((weights.shape[1], gaps.shape[1]))
        for label in range(gaps.shape[1]):
            in_bins = np.zeros((len(gaps), BINS))
            in_bins[samples, number[:, label]] = gaps[:, label]
            errors[:, label] = share(np.abs(drawn @ in_bins).sum(axis=1), drawn @ is_known[:, label])
        return mean_of_known(errors)

    return error


by_counts = partial(declare, takes="labels", statistic=label_counts)
of_rare_labels = partial(by_counts, rare_classes_decide=True)
by_probabilities = partial(declare, takes="probabilities")
as_error = partial(by_probabilities, lower_is_better=True)

for metric in (
    by_counts("accuracy", "share of labels that are right", value=_accuracy),
    by_counts("exact_match", "share of samples whose labels are all right", statistic=_exact_match),
    of_rare_labels("f1", "mean F1 score over the labels that occur or are predicted", value=_mean_dice),
    by_probabilities(
        "auroc",
        "area under the ROC curve, the mean over the labels that some but not all samples have",
        statistic=partial(_mean_area, roc_area),
        rare_classes_decide=True,
    ),
    by_probabilities(
        "average_precision",
        "area under the precision-recall curve by steps, the mean over the labels that some samples have",
        statistic=partial(_mean_area, precision_area),
        rare_classes_decide=True,
    ),
    as_error(
        "calibration_error",
        "expected calibration error of each label's probability over 15 bins, the mean over labels",
        statistic=_calibration_error,
        magnitude=True,
    ),
    as_error(
        "brier",
        "squared error of probabilities, the mean over labels: 0 to 1",
        statistic=partial(_mean_loss, mean_brier, label_brier_losses),
    ),
    as_error(
        "log_loss",
        "negative logarithm of the probability of the true state of a label, in nats, the mean over labels",
        statistic=partial(_mean_loss, mean_log_loss, label_log_losses),
        bounds=None,
        scale="error",
    ),
    of_rare_labels(
        "precision",
        "share of predictions of a label that are right, the mean over the labels that are predicted",
        value=_mean_precision,
    ),
    recall := of_rare_labels(
        "recall",
        "share of samples with a label for which it is predicted, the mean over the labels that occur",
        value=_mean_recall,
    ),
    replace(recall, name="sensitivity", description="the same as recall"),
    of_rare_labels(
        "specificity",
        "share of samples without a label for which it is not predicted, the mean over the labels that some "
        "samples do not have",
        value=_mean_specificity,
    ),
    of_rare_labels(
        "matthews",
        "Matthews correlation of each label's targets and predictions, the mean over labels for which neither "
        "is constant",
        value=_mean_matthews,
        bounds=(-1, 1),
    ),
    by_probabilities(
        "ranking_average_precision",
        "label ranking average precision: the rank of a sample's labels among all labels; samples with no "
        "label, or with all labels, count 1",
        statistic=_ranking,
    ),
):
    register(metric)
