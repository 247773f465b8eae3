"""Subgroups: metrics of classes and of groups of samples, and the samples with the largest loss."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mml_lib.errors import MMLError
from mml_lib.evaluation.alignment import arguments_of
from mml_lib.evaluation.evaluation import network_estimates
from mml_lib.evaluation.resampled import Groups, resample
from mml_lib.evaluation.run_comparison import RESAMPLES
from mml_lib.metrics.classification import is_of_class
from mml_lib.metrics.segmentation import foreground
from mml_lib.metrics.shares import Counts, dices, ious, mean_of_known, precisions, recalls, share, specificities
from mml_lib.metrics.sums import whole_weights
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions
from mml_lib.predictions.scores import confusion_matrix, counts, score, sigmoid, softmax
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.dataset import natural_key

# --- classes ------------------------------------------------------------------------------------------------------


def class_table(predictions: AnyPredictions, classes: Sequence[str], where: str = "a prediction") -> pd.DataFrame:
    """Return one row for each class or label, with the metrics of a network; NaN if the samples do not define them.

    Metrics are weighted by the weights of samples, if they have some. Support counts samples.

    Args:
        predictions: predictions of labelled samples.
        classes: names of the classes, in the order of outputs.
        where: name of the predictions in messages.

    Returns:
        `class support recall precision specificity f1 auroc average_precision`, of each class against the rest. For a
        segmentation `class support images recall precision dice iou pooled_dice pooled_iou`: support counts pixels;
        `images` is the number of images with the class, true or predicted; recall, precision, dice and iou are means
        over the images that define them, and the last two columns are those of the pixels of all images.

    Raises:
        MMLError: the predictions are a regression; numbers of classes and outputs differ; outputs are not finite;
            samples have no labels.
    """
    kind, arguments = predictions.task_type, arguments_of(predictions, where)
    if TASK_TYPES[kind].has_values:
        raise MMLError(f"{where} is a regression, which has no classes; use predictions of classes or labels")
    if arguments[0].shape[1] != len(classes):
        raise MMLError(
            f"{where} has {arguments[0].shape[1]} outputs for {len(classes)} classes; state the task's classes"
        )
    if TASK_TYPES[kind].has_masks:
        return _mask_classes(Counts(*arguments[:3]), classes, _sample_weights(predictions))
    positive, weights = is_of_class(arguments[1], len(classes)), _sample_weights(predictions)
    is_known = arguments[2] if len(arguments) > 2 else np.ones_like(positive)
    if TASK_TYPES[kind].is_single_label:
        counted = counts(confusion_matrix(arguments[1], arguments[0].argmax(axis=1), len(classes), weights))
    else:
        predicted = (arguments[0] > 0.5) & is_known
        counted = Counts(*(weights @ side for side in (predicted & positive, positive, predicted)))
    table = {
        "class": list(classes),
        "support": positive.sum(axis=0),
        "recall": recalls(counted),
        "precision": precisions(counted),
        "specificity": specificities(counted, weights @ is_known),
        "f1": dices(counted),
    }
    for metric in ("auroc", "average_precision"):
        table[metric] = _class_areas(metric, arguments[0], positive, is_known, predictions.weights)
    return pd.DataFrame(table)


def _sample_weights(predictions: AnyPredictions) -> np.ndarray:
    """Return the weight of each sample, N; 1 without weights."""
    return np.ones(len(predictions.ids)) if predictions.weights is None else whole_weights(predictions.weights)


def _class_areas(
    metric: str, probabilities: np.ndarray, positive: np.ndarray, is_known: np.ndarray, weights: np.ndarray | None
) -> list[float]:
    """Return the area under a curve of each class against the rest, on the samples whose label is known.

    Args:
        metric: `auroc` or `average_precision`.
        probabilities, positive, is_known: N×classes.
        weights: weights of the samples, N; None: equal weights.
    """
    return [
        score(
            "multilabel_classification",
            metric,
            probabilities[rows][:, [index]],
            positive[rows][:, [index]],
            weights=None if weights is None else weights[rows],
        )
        for index, rows in enumerate(is_known.T)
    ]


def _mask_classes(pixels: Counts, classes: Sequence[str], weights: np.ndarray) -> pd.DataFrame:
    """Return the rows of a segmentation.

    Args:
        pixels: counts of pixels, images×classes.
        classes: names of the classes.
        weights: weight of each image.
    """
    pooled = Counts(*(weights @ side for side in pixels))
    table = {
        "class": list(classes),
        "support": pixels.targets.sum(axis=0),
        "images": ((pixels.targets + pixels.predicted) > 0).sum(axis=0),
    }
    for name, metric in (("recall", recalls), ("precision", precisions), ("dice", dices), ("iou", ious)):
        values = metric(pixels)
        defined = ~np.isnan(values)
        table[name] = share(weights @ np.where(defined, values, 0), weights @ defined)
    return pd.DataFrame(table | {"pooled_dice": dices(pooled), "pooled_iou": ious(pooled)})


# --- groups -------------------------------------------------------------------------------------------------------


def group_table(
    predictions: AnyPredictions,
    groups: Mapping[str, Mapping[str, object]],
    metrics: Sequence[str],
    resamples: int = RESAMPLES,
    seed: int = 0,
    where: str = "a prediction",
    units: Groups | None = None,
) -> pd.DataFrame:
    """Return the metrics of a network on the samples of each group, one row per group and metric.

    Args:
        predictions: predictions of labelled samples.
        groups: by column (`group`, `sex`, `scanner`), the value of each sample by its id. None, NaN and an empty text
            are missing values.
        metrics: names of metrics of the task type.
        resamples: number of resamples of each group's samples, for the intervals.
        seed: seed of the draws.
        where: name of the predictions in messages.
        units: by id, the groups (patients) that are resampled as a whole. The column `group` resamples single samples.

    Returns:
        `column group samples metric value ci_low ci_high reason`, groups in the natural order of their names. `reason`
        explains a metric or interval of NaN.

    Raises:
        MMLError: a column lacks a sample; outputs are not finite; samples have no labels.
    """
    kind, arguments, ids = predictions.task_type, arguments_of(predictions, where), predictions.ids.tolist()
    rows = []
    for column, values in groups.items():
        missing = next((id_ for id_ in ids if id_ not in values), None)
        if missing is not None:
            raise MMLError(
                f"{where}: the column '{column}' has no row for the sample '{missing}'; add one, its value may be empty"
            )
        members: dict[str, list[int]] = {}
        for row, value in enumerate(values[id_] for id_ in ids):
            if not pd.isna(value) and str(value):
                members.setdefault(str(value), []).append(row)
        for group, samples in sorted(members.items(), key=lambda item: natural_key(item[0])):
            of_group = tuple(argument[samples] for argument in arguments)
            whole = None if column == "group" else units
            weights = None if predictions.weights is None else predictions.weights[samples]
            resampled = resample(kind, metrics, of_group, predictions.ids[samples], resamples, whole, seed, weights)
            for metric, estimate in network_estimates(resampled).items():
                ends = (estimate.mean, estimate.low, estimate.high, estimate.reason)
                rows.append((column, group, len(samples), metric, *ends))
    return pd.DataFrame(rows, columns=["column", "group", "samples", "metric", "value", "ci_low", "ci_high", "reason"])


# --- single samples -----------------------------------------------------------------------------------------------


def sample_losses(predictions: AnyPredictions, where: str = "a prediction") -> np.ndarray:
    """Return the loss of each sample, N (float64).

    Classification: cross-entropy in nats. Multi-label classification: its mean over known labels. Regression: squared
    error. Segmentation: 1 less the mean Dice coefficient over the foreground classes of an image; NaN if the image has
    none, neither true nor predicted, or if all its pixels are ignored.

    Raises:
        MMLError: outputs are not finite; samples have no labels.
    """
    arguments = arguments_of(predictions, where)
    if isinstance(predictions, MaskPredictions):
        return 1 - mean_of_known(foreground(dices(Counts(*arguments[:3]))))
    logits, targets = predictions.logits.astype(np.float64), predictions.targets
    if TASK_TYPES[predictions.task_type].has_values:
        return (logits[:, 0] - targets) ** 2
    if TASK_TYPES[predictions.task_type].is_multilabel:
        losses = np.logaddexp(0, logits) - targets * logits  # NaN where a label is unknown
        return mean_of_known(losses) if np.isnan(targets).any() else losses.mean(axis=1)
    return np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(targets)), targets]


def largest_losses(
    predictions: AnyPredictions, classes: Sequence[str], count: int, where: str = "a prediction"
) -> pd.DataFrame:
    """Return the samples with the largest loss, the largest first.

    Args:
        predictions: predictions of labelled samples.
        classes: names of the classes; empty for a regression.
        count: largest number of rows.
        where: name of the predictions in messages.

    Returns:
        `id loss true predicted probability`, with the row among the predictions as index. `true` and `predicted` are
        texts: names of classes (known labels, or classes of a mask, joined by `|`) or values. `probability` is that of
        the predicted class of a classification, otherwise NaN.

    Raises:
        MMLError: outputs are not finite; samples have no labels.
    """
    losses = sample_losses(predictions, where)
    order = np.argsort(-losses, kind="stable")[:count]  # NaN last
    order = order[~np.isnan(losses[order])]
    true, predicted, probability = _texts(predictions, classes, order)
    columns = {"id": predictions.ids[order], "loss": losses[order], "true": true, "predicted": predicted}
    return pd.DataFrame(columns | {"probability": probability}, index=order)


def _texts(
    predictions: AnyPredictions, classes: Sequence[str], rows: np.ndarray
) -> tuple[list[str], list[str], np.ndarray]:
    """Return targets and predictions of some samples as texts, with the probabilities of the predictions."""
    none = np.full(len(rows), np.nan)
    if isinstance(predictions, MaskPredictions):
        selected, texts = set(rows.tolist()), {}
        for number, (mask, target) in enumerate(predictions.images()):
            if number in selected:
                counted = target != IGNORE
                texts[number] = [_names(np.unique(side[counted]), classes) for side in (target, mask)]
        true, predicted = ([texts[number][side] for number in rows.tolist()] for side in (0, 1))
        return true, predicted, none
    logits, targets = predictions.logits[rows], predictions.targets[rows]
    if TASK_TYPES[predictions.task_type].has_values:
        return [f"{value:.4g}" for value in targets], [f"{value:.4g}" for value in logits[:, 0]], none
    if TASK_TYPES[predictions.task_type].is_multilabel:
        sides = (targets >= 0.5, (sigmoid(logits) > 0.5) & ~np.isnan(targets))
        true, predicted = ([_names(np.flatnonzero(row), classes) for row in side] for side in sides)
        return true, predicted, none
    probabilities = softmax(logits)
    predicted = probabilities.argmax(axis=1)
    names = [[classes[index] for index in side] for side in (targets, predicted)]
    return *names, probabilities.max(axis=1)


def _names(indices: np.ndarray, classes: Sequence[str]) -> str:
    return "|".join(classes[index] for index in indices) or "none"
