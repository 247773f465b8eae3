"""Scores: the named metrics on arrays, for steps that import no torch. Each gives one number.

Those of a classification take probabilities (float, N×classes) and targets (int, N); multi-label ones probabilities and
targets N×labels (bool); those of a regression values (float, N) twice; those of a segmentation a confusion matrix.
They are those of torchmetrics, but for what the samples leave undefined: a class without samples is left out of a mean,
where torchmetrics takes it for one that is always wrong, and a score that nothing defines is NaN.
"""

from collections.abc import Callable

import numpy as np

BINS = 15
LEAST = np.finfo(np.float64).eps
"""The least probability in a log loss, as in scikit-learn's."""


def score_arguments(task_type: str, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the scores of a task type take, of logits or values N×outputs; soft labels count from 0.5 on."""
    if task_type == "multilabel_classification":
        return sigmoid(outputs), targets >= 0.5
    if task_type == "regression":
        return outputs[:, 0].astype(np.float64), targets.astype(np.float64)
    return softmax(outputs), targets


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities, N×classes, for logits of the same shape."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return shifted / shifted.sum(axis=1, keepdims=True)


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value from 1 on, N; equal ones share the mean of theirs."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group]


# --- of counts: hits, targets and predictions of each class, …×classes; what stands before is one axis of many -------


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part by whole, NaN where there is no whole."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis, without what is NaN."""
    known = ~np.isnan(values)
    return share(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


def share_of_hits(hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return accuracy."""
    return share(hits.sum(axis=-1), targets.sum(axis=-1))


def mean_recall(hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return recall, the mean over classes that occur among targets."""
    return mean_of_known(share(hits, targets))


def mean_dice(hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the F1 score, which is Dice's coefficient, the mean over classes that occur among either."""
    return mean_of_known(share(2 * hits, targets + predicted))


def mean_iou(hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return intersection over union, the mean over classes that occur among either."""
    return mean_of_known(share(hits, targets + predicted - hits))


def agreement(hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa, NaN where all is one class."""
    number = targets.sum(axis=-1)
    by_chance = (targets * predicted).sum(axis=-1)
    return share(hits.sum(axis=-1) * number - by_chance, number**2 - by_chance)


def counts(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hits, targets and predictions of each class, of a confusion matrix."""
    return matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)


# --- classification -----------------------------------------------------------------------------------------------


def confusion(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return counts, classes×classes: rows are targets, columns are predictions."""
    classes = probabilities.shape[1]
    pairs = targets * classes + probabilities.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Share of samples whose most probable class is the target."""
    return float((probabilities.argmax(axis=1) == targets).mean())


def balanced_accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean recall over the classes that occur among targets."""
    return float(mean_recall(*counts(confusion(probabilities, targets))))


def f1(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean F1 score over the classes that occur among targets or predictions."""
    return float(mean_dice(*counts(confusion(probabilities, targets))))


def auroc(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean area under the ROC curve, each class against the rest, over those that have samples and a rest."""
    areas = [_area(scores, targets == index) for index, scores in enumerate(probabilities.T)]
    return float(mean_of_known(np.array(areas)))


def kappa(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Cohen's kappa (1960): agreement beyond chance."""
    return float(agreement(*counts(confusion(probabilities, targets))))


def calibration_error(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error of Naeini et al. (2015) over bins of equal width."""
    gaps, number = calibration_gaps(probabilities, targets, bins)
    return float(np.abs(np.bincount(number, gaps, bins)).sum() / len(targets))


def calibration_gaps(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much each sample's being right (0 or 1) exceeds its confidence, and the bin of that, N each."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    return correct - confidence, bin_of(confidence, bins)


def bin_of(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the bin of each probability, of bins of equal width, any shape."""
    return np.minimum((confidence * bins).astype(int), bins - 1)


# --- proper scores, of classes and of labels ----------------------------------------------------------------------


def brier(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Squared error of probabilities (Brier 1950), the sum over classes (0 to 2), or the mean over labels (0 to 1)."""
    return float(brier_losses(probabilities, targets).mean())


def log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Negative logarithm of the probability of what is true, in nats; of labels the mean over them."""
    return float(log_losses(probabilities, targets).mean())


def brier_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the Brier score of each sample, N."""
    if targets.ndim == 2:
        return ((probabilities - targets) ** 2).mean(axis=1)
    return ((probabilities - (targets[:, None] == np.arange(probabilities.shape[1]))) ** 2).sum(axis=1)


def log_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the log loss of each sample, N; no probability counts for less than 2e-16, the precision of the rest."""
    if targets.ndim == 2:
        return -np.log(np.maximum(np.where(targets, probabilities, 1 - probabilities), LEAST)).mean(axis=1)
    return -np.log(np.maximum(np.take_along_axis(probabilities, targets[:, None], axis=1)[:, 0], LEAST))


# --- multi-label --------------------------------------------------------------------------------------------------


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return probabilities for logits of any shape."""
    small = np.exp(-np.abs(logits, dtype=np.float64))  # never overflows
    return np.where(logits >= 0, 1, small) / (1 + small)


def label_accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Share of labels that are right."""
    return float(((probabilities > 0.5) == targets).mean())


def exact_match(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Share of samples all of whose labels are right."""
    return float(((probabilities > 0.5) == targets).all(axis=1).mean())


def label_f1(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean F1 score over labels, 0 where a label neither occurs nor is predicted."""
    predicted = probabilities > 0.5
    support = predicted.sum(axis=0) + targets.sum(axis=0)
    return float((2 * (predicted & targets).sum(axis=0) / np.maximum(support, 1)).mean())


def label_auroc(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean area under the ROC curve over the labels that some samples have and others have not."""
    areas = [_area(scores, positive) for scores, positive in zip(probabilities.T, targets.T, strict=True)]
    return float(mean_of_known(np.array(areas)))


def average_precision(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean area under the precision-recall curve, by steps, over the labels that some samples have."""
    areas = [_precision(scores, positive) for scores, positive in zip(probabilities.T, targets.T, strict=True)]
    return float(mean_of_known(np.array(areas)))


def label_calibration_error(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error of each label's probability, the mean over labels."""
    columns = zip(*(each.T for each in label_calibration_gaps(probabilities, targets, bins)), strict=True)
    return float(sum(np.abs(np.bincount(number, gap, bins)).sum() for gap, number in columns) / targets.size)


def label_calibration_gaps(
    probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS
) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much having a label (0 or 1) exceeds its probability, and the bin of that, N×labels each."""
    return targets - probabilities, bin_of(probabilities, bins)


def _area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve by the rank sum of Mann and Whitney (1947), ties counted half."""
    count, rest = int(positive.sum()), int((~positive).sum())
    if not count or not rest:
        return float("nan")
    return float((ranks(scores)[positive].sum() - count * (count + 1) / 2) / (count * rest))


def _precision(scores: np.ndarray, positive: np.ndarray) -> float:
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # equal scores are one step
    precision, gained = hits[ends] / (ends + 1), np.diff(hits[ends], prepend=0)
    return float((precision * gained).sum() / positive.sum())


# --- regression ---------------------------------------------------------------------------------------------------


def mae(values: np.ndarray, targets: np.ndarray) -> float:
    """Mean absolute error, in the unit of the targets."""
    return float(np.abs(values - targets).mean())


def rmse(values: np.ndarray, targets: np.ndarray) -> float:
    """Root of the mean squared error, in the unit of the targets."""
    return float(np.sqrt(((values - targets) ** 2).mean()))


def r2(values: np.ndarray, targets: np.ndarray) -> float:
    """Coefficient of determination: the explained share of the variance; NaN where there is none."""
    if np.ptp(targets) == 0:
        return float("nan")
    return float(1 - ((values - targets) ** 2).sum() / ((targets - targets.mean()) ** 2).sum())


def pearson(values: np.ndarray, targets: np.ndarray) -> float:
    """Linear correlation; NaN where either is constant."""
    if np.ptp(values) == 0 or np.ptp(targets) == 0:  # of equal values the deviation may be a rounding error
        return float("nan")
    return float(np.corrcoef(values, targets)[0, 1])


def spearman(values: np.ndarray, targets: np.ndarray) -> float:
    """Correlation of ranks; NaN where either is constant."""
    return pearson(ranks(values), ranks(targets))


# --- segmentation -------------------------------------------------------------------------------------------------


def dice(matrix: np.ndarray) -> float:
    """Mean Dice coefficient over the classes that occur among targets or predictions, pixels of all images together."""
    return float(mean_dice(*counts(matrix)))


def iou(matrix: np.ndarray) -> float:
    """Mean intersection over union over the classes that occur, pixels of all images together."""
    return float(mean_iou(*counts(matrix)))


def pixel_accuracy(matrix: np.ndarray) -> float:
    """Share of pixels whose class is right."""
    return float(share_of_hits(*counts(matrix)))


def _by_name(*functions: Callable[..., float]) -> dict[str, Callable[..., float]]:
    return {function.__name__: function for function in functions}


SCORES: dict[str, dict[str, Callable[..., float]]] = {
    "classification": _by_name(accuracy, balanced_accuracy, f1, auroc, kappa, calibration_error, brier, log_loss),
    "multilabel_classification": {
        "accuracy": label_accuracy,
        "f1": label_f1,
        "auroc": label_auroc,
        "calibration_error": label_calibration_error,
        **_by_name(exact_match, average_precision, brier, log_loss),
    },
    "regression": _by_name(mae, rmse, r2, pearson, spearman),
    "semantic_segmentation": _by_name(dice, iou, pixel_accuracy),
}
"""The scores of each task type by name."""
