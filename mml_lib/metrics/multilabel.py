"""Metrics of a multi-label classification: of probabilities and targets, N×labels; a label is predicted above 0.5."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from mml_lib.metrics import shares
from mml_lib.metrics.classification import mean_area, mean_brier, mean_log_loss, weighted_mean
from mml_lib.metrics.log_loss import BINS, label_calibration_gaps
from mml_lib.metrics.metric_registry import Metric, Weighted, register
from mml_lib.metrics.shares import Counts, mean_of_known, share
from mml_lib.metrics.sums import LinearSums, precision_area, roc_area, total

declare = partial(Metric, "multilabel_classification")


class LabelCounts(NamedTuple):
    """Samples that have each label, R×labels, and all samples, R."""

    counts: Counts
    number: np.ndarray


def label_counts(probabilities: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], LabelCounts]:
    """Return a function that counts samples of each label."""
    predicted = probabilities > 0.5
    features = np.concatenate([predicted & targets, targets, predicted, np.ones((len(targets), 1))], axis=1)

    def count(sums: np.ndarray) -> LabelCounts:
        return LabelCounts(Counts(*np.split(sums[:, :-1], 3, axis=1)), sums[:, -1])

    return LinearSums(features, count)


def _mean_specificity(labels: LabelCounts) -> np.ndarray:
    return mean_of_known(shares.specificities(*labels))


def _mean_recall(labels: LabelCounts) -> np.ndarray:
    return shares.mean_recall(labels.counts)


def _accuracy(labels: LabelCounts) -> np.ndarray:
    hits, targets, predicted = labels.counts
    return (1 - (targets + predicted - 2 * hits) / labels.number[:, None]).mean(axis=1)


def _mean_matthews(labels: LabelCounts) -> np.ndarray:
    """Return the mean over labels of each label's correlation."""
    number = labels.number[:, None]
    hits, targets, predicted = labels.counts
    spread = np.sqrt(targets * (number - targets)) * np.sqrt(predicted * (number - predicted))
    return mean_of_known(share(number * hits - targets * predicted, spread))


def _exact_match(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    return weighted_mean(((probabilities > 0.5) == targets).all(axis=1).astype(np.float64))


def _auroc(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    return mean_area(roc_area, probabilities, targets)


def _average_precision(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    return mean_area(precision_area, probabilities, targets)


def _ranking(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    """Return a function of the mean ranking precision of samples' labels (Schapire and Singer 2000)."""
    precision = np.zeros(len(targets))
    for label in range(targets.shape[1]):
        above = probabilities >= probabilities[:, [label]]  # with itself, and what equals it
        precision += targets[:, label] * (above & targets).sum(axis=1) / above.sum(axis=1)
    number = targets.sum(axis=1)
    one_kind = (number == 0) | (number == targets.shape[1])
    return weighted_mean(np.where(one_kind, 1.0, precision / np.maximum(number, 1)))


def _calibration_error(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    gaps, number = label_calibration_gaps(probabilities, targets)
    samples = np.arange(len(gaps))

    def error(weights: np.ndarray) -> np.ndarray:
        drawn, sums = weights.T.astype(np.float64), np.zeros(weights.shape[1])
        for label in range(gaps.shape[1]):
            in_bins = np.zeros((len(gaps), BINS))  # of one label at a time: of all they would be large
            in_bins[samples, number[:, label]] = gaps[:, label]
            sums += np.abs(drawn @ in_bins).sum(axis=1)
        return sums / (total(weights) * gaps.shape[1])

    return error


for metric in (
    declare("accuracy", "share of labels that are right", "labels", label_counts, _accuracy),
    declare("exact_match", "share of samples all of whose labels are right", "labels", _exact_match),
    declare(
        "f1",
        "mean F1 score over the labels that occur or are predicted",
        "labels",
        label_counts,
        lambda labels: shares.mean_dice(labels.counts),
        rare_classes_decide=True,
    ),
    declare(
        "auroc",
        "area under the ROC curve, the mean over the labels that some samples have and others have not",
        "probabilities",
        _auroc,
        rare_classes_decide=True,
    ),
    declare(
        "average_precision",
        "area under the precision-recall curve by steps, the mean over the labels that some samples have",
        "probabilities",
        _average_precision,
        rare_classes_decide=True,
    ),
    declare(
        "calibration_error",
        "expected calibration error of each label's probability over 15 bins, the mean over labels",
        "probabilities",
        _calibration_error,
        lower_is_better=True,
        magnitude=True,
    ),
    declare(
        "brier",
        "squared error of probabilities, the mean over labels: 0 to 1",
        "probabilities",
        mean_brier,
        lower_is_better=True,
    ),
    declare(
        "log_loss",
        "negative logarithm of the probability of what is true of a label, in nats, the mean over labels",
        "probabilities",
        mean_log_loss,
        lower_is_better=True,
        bounds=None,
        scale="error",
    ),
    declare(
        "precision",
        "share of predictions of a label that are right, the mean over the labels that are predicted",
        "labels",
        label_counts,
        lambda labels: mean_of_known(shares.precisions(labels.counts)),
        rare_classes_decide=True,
    ),
    declare(
        "recall",
        "share of samples with a label that are predicted to have it, the mean over the labels that occur",
        "labels",
        label_counts,
        _mean_recall,
        rare_classes_decide=True,
    ),
    declare("sensitivity", "the same as recall", "labels", label_counts, _mean_recall, rare_classes_decide=True),
    declare(
        "specificity",
        "share of samples without a label that are predicted not to have it, the mean over labels that not all have",
        "labels",
        label_counts,
        _mean_specificity,
        rare_classes_decide=True,
    ),
    declare(
        "matthews",
        "Matthews correlation of each label's targets and predictions, the mean over labels where neither is constant",
        "labels",
        label_counts,
        _mean_matthews,
        bounds=(-1, 1),
        rare_classes_decide=True,
    ),
    declare(
        "ranking_average_precision",
        "label ranking average precision: how high a sample's labels rank among all; samples with no label, or all, "
        "count 1",
        "probabilities",
        _ranking,
    ),
):
    register(metric)
