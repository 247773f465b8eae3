"""Scores: the named metrics on arrays, for steps that import no torch. Each gives one number.

Those of a classification take probabilities (float, N×classes) and targets (int, N); multi-label ones probabilities and
targets N×labels (bool); those of a regression values (float, N) twice; those of a segmentation a confusion matrix.
They are those of torchmetrics, but for what the samples leave undefined: a class without samples is left out of a mean,
where torchmetrics takes it for one that is always wrong, and a score that nothing defines is NaN.
"""

from collections.abc import Callable

import numpy as np


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
    matrix = confusion(probabilities, targets)
    return _mean_of_shares(matrix.diagonal(), matrix.sum(axis=1))


def f1(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean F1 score over the classes that occur among targets or predictions."""
    matrix = confusion(probabilities, targets)
    return _mean_of_shares(2 * matrix.diagonal(), matrix.sum(axis=0) + matrix.sum(axis=1))


def auroc(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean area under the ROC curve, each class against the rest, over those that have samples and a rest."""
    return _mean_of_known([_area(scores, targets == index) for index, scores in enumerate(probabilities.T)])


def kappa(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Cohen's kappa (1960): agreement beyond chance."""
    matrix = confusion(probabilities, targets) / len(targets)
    chance = matrix.sum(axis=0) @ matrix.sum(axis=1)
    return float((matrix.trace() - chance) / (1 - chance)) if chance < 1 else float("nan")


def calibration_error(probabilities: np.ndarray, targets: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of Naeini et al. (2015) over bins of equal width."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(number, correct, bins) - np.bincount(number, confidence, bins)
    return float(np.abs(gaps).sum() / len(targets))


# --- multi-label --------------------------------------------------------------------------------------------------


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return probabilities for logits of any shape."""
    from scipy.special import expit

    return expit(logits.astype(np.float64))


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
    return _mean_of_known(areas)


def average_precision(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean area under the precision-recall curve, by steps, over the labels that some samples have."""
    areas = [_precision(scores, positive) for scores, positive in zip(probabilities.T, targets.T, strict=True)]
    return _mean_of_known(areas)


def _mean_of_shares(parts: np.ndarray, wholes: np.ndarray) -> float:
    return _mean_of_known((parts[wholes > 0] / wholes[wholes > 0]).tolist())


def _mean_of_known(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve by the rank sum of Mann and Whitney (1947), ties counted half."""
    from scipy.stats import rankdata

    count, rest = int(positive.sum()), int((~positive).sum())
    if not count or not rest:
        return float("nan")
    return float((rankdata(scores)[positive].sum() - count * (count + 1) / 2) / (count * rest))


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
    from scipy.stats import rankdata

    return pearson(rankdata(values), rankdata(targets))


# --- segmentation -------------------------------------------------------------------------------------------------


def dice(matrix: np.ndarray) -> float:
    """Mean Dice coefficient over the classes that occur among targets or predictions, pixels of all images together."""
    return _mean_of_shares(2 * matrix.diagonal(), matrix.sum(axis=0) + matrix.sum(axis=1))


def iou(matrix: np.ndarray) -> float:
    """Mean intersection over union over the classes that occur, pixels of all images together."""
    return _mean_of_shares(matrix.diagonal(), matrix.sum(axis=0) + matrix.sum(axis=1) - matrix.diagonal())


def pixel_accuracy(matrix: np.ndarray) -> float:
    """Share of pixels whose class is right."""
    return _mean_of_shares(matrix.trace()[None], matrix.sum()[None])


def _by_name(*functions: Callable[..., float]) -> dict[str, Callable[..., float]]:
    return {function.__name__: function for function in functions}


SCORES: dict[str, dict[str, Callable[..., float]]] = {
    "classification": _by_name(accuracy, balanced_accuracy, f1, auroc, kappa, calibration_error),
    "multilabel_classification": {
        "accuracy": label_accuracy,
        "f1": label_f1,
        "auroc": label_auroc,
        **_by_name(exact_match, average_precision),
    },
    "regression": _by_name(mae, rmse, r2, pearson, spearman),
    "semantic_segmentation": _by_name(dice, iou, pixel_accuracy),
}
"""The scores of each task type by name."""
