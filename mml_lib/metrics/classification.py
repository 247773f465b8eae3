"""Metrics of a classification, from probabilities (float, N×classes) and targets (int, N).

With two classes, precision, recall, sensitivity, specificity and average precision are those of the second class, the
positive one. With more classes, they are means over classes (macro averages). All other metrics treat classes equally.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from mml_lib.metrics import shares
from mml_lib.metrics.log_loss import BINS, brier_losses, calibration_gaps, log_losses
from mml_lib.metrics.metric_registry import Metric, Weighted, register
from mml_lib.metrics.shares import Counts, mean_of_known, share
from mml_lib.metrics.sums import LinearSums, class_weights, precision_area, products, roc_area, total

declare = partial(Metric, "classification")


def class_counts(probabilities: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], Counts]:
    """Return a function from weights, N×R, to the counts of each class, R×classes."""
    classes, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    hits = np.where(predicted == targets, targets, classes)
    counters = [class_weights(labels, classes) for labels in (hits, targets, predicted)]
    return lambda weights: Counts(*(count(weights) for count in counters))


def positive_or_mean(values: np.ndarray) -> np.ndarray:
    """Return the value of the second of two classes, or the mean over more classes, from …×classes to …."""
    return values[..., 1] if values.shape[-1] == 2 else mean_of_known(values)


def _specificity(counts: Counts) -> np.ndarray:
    return positive_or_mean(shares.specificities(counts, counts.targets.sum(axis=-1, keepdims=True)))


def _recall(counts: Counts) -> np.ndarray:
    return positive_or_mean(shares.recalls(counts))


def _precision(counts: Counts) -> np.ndarray:
    return positive_or_mean(shares.precisions(counts))


def is_of_class(targets: np.ndarray, classes: int) -> np.ndarray:
    """Return the membership of each sample in each class, or in each label (bool, N×classes)."""
    return targets if targets.ndim == 2 else targets[:, None] == np.arange(classes)


def _auroc(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    return mean_area(roc_area, probabilities, is_of_class(targets, probabilities.shape[1]))


def _average_precision(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    classes = probabilities.shape[1]
    indices = [1] if classes == 2 else list(range(classes))
    return mean_area(precision_area, probabilities[:, indices], is_of_class(targets, classes)[:, indices])


def mean_area(build: Callable, probabilities: np.ndarray, positive: np.ndarray) -> Weighted:
    """Return a function of the mean area under a curve over the columns (classes or labels) that define it."""
    areas = [build(*column) for column in zip(probabilities.T, positive.T, strict=True)]
    return lambda weights: mean_of_known(np.stack([area(weights) for area in areas], axis=-1))


def weighted_mean(losses: np.ndarray) -> Weighted:
    """Return a function of the weighted mean of losses of the samples, N."""
    return LinearSums(np.column_stack([losses, np.ones(len(losses))]), lambda sums: sums[:, 0] / sums[:, 1])


def mean_brier(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    """Return a function of the mean Brier score."""
    return weighted_mean(brier_losses(probabilities, targets))


def mean_log_loss(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    """Return a function of the mean log loss."""
    return weighted_mean(log_losses(probabilities, targets))


def _top(number: int, probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    """Return a function of the share of samples whose target is among the `number` most probable classes.

    Of equal probabilities, that of the first class ranks higher.
    """
    target_probability = np.take_along_axis(probabilities, targets[:, None], axis=1)
    earlier = np.arange(probabilities.shape[1]) < targets[:, None]
    before = (probabilities > target_probability) | ((probabilities == target_probability) & earlier)
    return weighted_mean((before.sum(axis=1) < number).astype(np.float64))


def _quadratic_kappa(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    """Return a function of Cohen's kappa weighted by squared distances (Cohen 1968)."""
    predicted = probabilities.argmax(axis=1)
    features = [(targets - predicted) ** 2, targets, targets**2, predicted, predicted**2, np.ones(len(targets))]

    def kappa(sums: np.ndarray) -> np.ndarray:
        distance, first, first_squared, second, second_squared, number = sums.T
        by_chance = number * (first_squared + second_squared) - 2 * first * second
        return 1 - share(number * distance, by_chance)

    return LinearSums(np.column_stack(features), kappa)


def _calibration_error(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    gaps, number = calibration_gaps(probabilities, targets)
    in_bin = [np.flatnonzero(number == index) for index in range(BINS)]
    return lambda weights: sum(np.abs(products(gaps[rows], weights[rows])) for rows in in_bin) / total(weights)


by_counts = partial(declare, takes="labels", statistic=class_counts)
of_rare_classes = partial(by_counts, rare_classes_decide=True)
by_probabilities = partial(declare, takes="probabilities")
as_error = partial(by_probabilities, lower_is_better=True)

for metric in (
    by_counts("accuracy", "share of samples whose most probable class is right", value=shares.accuracy),
    of_rare_classes(
        "balanced_accuracy", "mean recall over the classes that occur among targets", value=shares.mean_recall
    ),
    of_rare_classes(
        "f1",
        "mean F1 score over the classes that occur among targets or predictions (macro, also for two classes)",
        value=shares.mean_dice,
    ),
    by_probabilities(
        "auroc",
        "area under the ROC curve, the mean of each class against the rest",
        statistic=_auroc,
        rare_classes_decide=True,
    ),
    of_rare_classes(
        "kappa",
        "Cohen's kappa: agreement beyond chance; undefined if there is only one class",
        value=shares.kappa,
        bounds=(-1, 1),
    ),
    as_error(
        "calibration_error",
        "expected calibration error over 15 bins of equal width",
        statistic=_calibration_error,
        magnitude=True,
    ),
    as_error(
        "brier",
        "squared error of probabilities, summed over classes: 0 to 2, for two classes twice the score of a "
        "single probability",
        statistic=mean_brier,
        bounds=(0, 2),
    ),
    as_error(
        "log_loss",
        "negative logarithm of the probability of the true class, in nats",
        statistic=mean_log_loss,
        bounds=None,
        scale="error",
    ),
    of_rare_classes(
        "precision",
        "share of predictions of a class that are right: for two classes the value of the second, for more the mean "
        "over the predicted classes",
        value=_precision,
        deciding="predicted",
    ),
    recall := of_rare_classes(
        "recall",
        "share of samples of a class that are predicted correctly: for two classes the value of the second, for more "
        "the mean over the classes that occur",
        value=_recall,
        deciding="positives",
    ),
    replace(recall, name="sensitivity", description="the same as recall"),
    of_rare_classes(
        "specificity",
        "share of samples of other classes that are not predicted as a class: for two classes the value of the "
        "second, for more the mean over the classes that some samples do not have",
        value=_specificity,
        deciding="negatives",
    ),
    of_rare_classes(
        "matthews",
        "Matthews correlation of targets and predictions, for any number of classes; undefined if either is constant",
        value=shares.matthews,
        bounds=(-1, 1),
    ),
    of_rare_classes(
        "quadratic_kappa",
        "Cohen's kappa weighted by squared distances between classes, in the order of the task's classes",
        statistic=_quadratic_kappa,
        bounds=(-1, 1),
    ),
    by_probabilities(
        "average_precision",
        "area under the precision-recall curve by steps: for two classes the value of the second, for more the mean "
        "over the classes that occur",
        statistic=_average_precision,
        rare_classes_decide=True,
        deciding="positives",
    ),
    by_probabilities(
        "top{}_accuracy",
        "share of samples whose class is among the {} most probable ones; you may write any other number",
        statistic=_top,
        example=3,
    ),
):
    register(metric)
