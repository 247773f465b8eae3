"""What hides behind a mean: results by class, by group, and of the single samples with the largest loss."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mml_lib.config.task_types import IGNORE
from mml_lib.errors import MMLError
from mml_lib.postprocessing.alignment import AnyPredictions, arguments_of
from mml_lib.postprocessing.comparison import RESAMPLES
from mml_lib.postprocessing.evaluation import network_estimates
from mml_lib.postprocessing.predictions import MaskPredictions
from mml_lib.postprocessing.resampled import Groups, resample
from mml_lib.postprocessing.scores import average_precision, confusion, counts, label_auroc, share, sigmoid, softmax
from mml_lib.tasks.dataset import natural_key

# --- classes ------------------------------------------------------------------------------------------------------


def class_table(predictions: AnyPredictions, classes: Sequence[str], where: str = "a prediction") -> pd.DataFrame:
    """Return what a network is worth for each class or label, a row each; NaN where the samples define nothing.

    Args:
        predictions: of labelled samples.
        classes: their names, in the order of outputs.
        where: what a message is to call the predictions.

    Returns:
        `class support` and, of a classification, `recall precision f1 auroc`, the last one-vs-rest; of labels
        `average_precision` too; of a segmentation `recall precision dice iou`, where support counts pixels.

    Raises:
        MMLError: a regression; other classes than outputs; outputs that are not finite; samples without labels.
    """
    kind, arguments = predictions.task_type, arguments_of(predictions, where)
    if kind == "regression":
        raise MMLError(f"{where} is a regression, which has no classes to report on")
    if arguments[0].shape[1] != len(classes):
        raise MMLError(
            f"{where} has {arguments[0].shape[1]} outputs for {len(classes)} classes; state the task's classes"
        )
    if kind == "semantic_segmentation":
        hits, targets, predicted = (each.sum(axis=0) for each in arguments)
    elif kind == "classification":
        hits, targets, predicted = counts(confusion(*arguments))
    else:
        found, true = arguments[0] > 0.5, arguments[1]
        hits, targets, predicted = (each.sum(axis=0) for each in (found & true, true, found))
    overlap = share(2 * hits, targets + predicted)
    table = {
        "class": list(classes),
        "support": targets,
        "recall": share(hits, targets),
        "precision": share(hits, predicted),
    }
    if kind == "semantic_segmentation":
        return pd.DataFrame(table | {"dice": overlap, "iou": share(hits, targets + predicted - hits)})
    positive = one_vs_rest(kind, arguments[1], len(classes))
    table |= {"f1": overlap, "auroc": _of_columns(label_auroc, arguments[0], positive)}
    if kind == "multilabel_classification":
        table["average_precision"] = _of_columns(average_precision, arguments[0], positive)
    return pd.DataFrame(table)


def one_vs_rest(kind: str, targets: np.ndarray, classes: int) -> np.ndarray:
    """Return which samples are of a class, or have a label: N×classes (bool)."""
    return targets if kind == "multilabel_classification" else targets[:, None] == np.arange(classes)


def _of_columns(score, probabilities: np.ndarray, positive: np.ndarray) -> list[float]:
    return [score(probabilities[:, [index]], positive[:, [index]]) for index in range(probabilities.shape[1])]


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
    """Return what a network is worth on the samples of each group, a row for each group and metric.

    Args:
        predictions: of labelled samples.
        groups: by column (`group`, `sex`, `scanner`), the value of each sample by its id; None, NaN and an empty text
            are no value.
        metrics: names of metrics of the task type.
        resamples: of the samples of each group, for the intervals.
        seed: of the draws.
        where: what a message is to call the predictions.
        units: by id, the groups (patients) that are resampled as a whole; unless they are what results are told by.

    Returns:
        `column group samples metric value ci_low ci_high reason`, groups in the natural order of their names; `reason`
        says why a metric or its interval is NaN.

    Raises:
        MMLError: a column lacks a sample; outputs that are not finite; samples without labels.
    """
    kind, arguments, ids = predictions.task_type, arguments_of(predictions, where), predictions.ids.tolist()
    rows = []
    for column, values in groups.items():
        lacking = next((id_ for id_ in ids if id_ not in values), None)
        if lacking is not None:
            raise MMLError(
                f"{where}: the column '{column}' says nothing of the sample '{lacking}'; leave its value empty"
            )
        members: dict[str, list[int]] = {}
        for row, value in enumerate(values[id_] for id_ in ids):
            if not pd.isna(value) and str(value):
                members.setdefault(str(value), []).append(row)
        for group, chosen in sorted(members.items(), key=lambda each: natural_key(each[0])):
            own = tuple(each[chosen] for each in arguments)
            whole = None if column == "group" else units
            resampled = resample(kind, metrics, own, predictions.ids[chosen], resamples, whole, seed)
            for metric, estimate in network_estimates(resampled).items():
                ends = (estimate.mean, estimate.low, estimate.high, estimate.reason)
                rows.append((column, group, len(chosen), metric, *ends))
    return pd.DataFrame(rows, columns=["column", "group", "samples", "metric", "value", "ci_low", "ci_high", "reason"])


# --- single samples -----------------------------------------------------------------------------------------------


def sample_losses(predictions: AnyPredictions, where: str = "a prediction") -> np.ndarray:
    """Return the loss of each sample, N, NaN for an image whose every pixel is ignored.

    Cross-entropy in nats, of labels its mean over them, the squared error of a regression, and of masks 1 less the mean
    Dice coefficient over the classes of an image.

    Raises:
        MMLError: outputs that are not finite; samples without labels.
    """
    arguments = arguments_of(predictions, where)
    if isinstance(predictions, MaskPredictions):
        hits, targets, predicted = arguments
        with np.errstate(invalid="ignore"):
            dice = np.where(targets + predicted > 0, 2 * hits / np.maximum(targets + predicted, 1), np.nan)
        known = ~np.isnan(dice)
        return 1 - share(np.where(known, dice, 0).sum(axis=1), known.sum(axis=1))
    logits, targets = predictions.logits.astype(np.float64), predictions.targets
    if predictions.task_type == "regression":
        return (logits[:, 0] - targets) ** 2
    if predictions.task_type == "multilabel_classification":
        return (np.logaddexp(0, logits) - targets * logits).mean(axis=1)
    return np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(targets)), targets]


def largest_losses(
    predictions: AnyPredictions, classes: Sequence[str], count: int, where: str = "a prediction"
) -> pd.DataFrame:
    """Return the samples with the largest loss, the largest first.

    Args:
        predictions: of labelled samples.
        classes: names; none for a regression.
        count: how many at most.
        where: what a message is to call the predictions.

    Returns:
        `id loss true predicted probability`, indexed by where they are among the predictions: what is true and what is
        predicted in words (labels joined by `|`; of masks their classes), and the probability of the predicted class,
        NaN of all other types.

    Raises:
        MMLError: outputs that are not finite; samples without labels.
    """
    losses = sample_losses(predictions, where)
    order = np.argsort(-losses, kind="stable")[:count]  # NaN last
    order = order[~np.isnan(losses[order])]
    true, predicted, probability = _in_words(predictions, classes, order)
    columns = {"id": predictions.ids[order], "loss": losses[order], "true": true, "predicted": predicted}
    return pd.DataFrame(columns | {"probability": probability}, index=order)


def _in_words(
    predictions: AnyPredictions, classes: Sequence[str], rows: np.ndarray
) -> tuple[list[str], list[str], np.ndarray]:
    """Return what is true and what is predicted of some samples, and the probability of the latter."""
    none = np.full(len(rows), np.nan)
    if isinstance(predictions, MaskPredictions):
        wanted, told = set(rows.tolist()), {}
        for number, (mask, target) in enumerate(predictions.images()):
            if number in wanted:
                counted = target != IGNORE
                told[number] = [_names(np.unique(each[counted]), classes) for each in (target, mask)]
        true, predicted = ([told[number][side] for number in rows.tolist()] for side in (0, 1))
        return true, predicted, none
    logits, targets = predictions.logits[rows], predictions.targets[rows]
    if predictions.task_type == "regression":
        return [f"{value:.4g}" for value in targets], [f"{value:.4g}" for value in logits[:, 0]], none
    if predictions.task_type == "multilabel_classification":
        sides = (targets >= 0.5, sigmoid(logits) > 0.5)
        true, predicted = ([_names(np.flatnonzero(row), classes) for row in side] for side in sides)
        return true, predicted, none
    probabilities = softmax(logits)
    found = probabilities.argmax(axis=1)
    names = [[classes[index] for index in side] for side in (targets, found)]
    return *names, probabilities.max(axis=1)


def _names(indices: np.ndarray, classes: Sequence[str]) -> str:
    return "|".join(classes[index] for index in indices) or "none"
