"""Results behind a mean: by class, by group, and of the samples with the largest loss."""

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
    """Return the metrics of a network for each class or label, a row each; NaN where the samples define none.

    Metrics follow the weights of samples, if they have some; support counts samples.

    Args:
        predictions: predictions of labelled samples.
        classes: their names, in the order of outputs.
        where: name of the predictions in messages.

    Returns:
        `class support` and `recall precision specificity f1 auroc average_precision`, each class against the rest. Of a
        segmentation, where support counts pixels, `images recall precision dice iou pooled_dice pooled_iou`: means over
        images that define them, and of the pixels of all `images` that show the class, true or predicted.

    Raises:
        MMLError: a regression; other classes than outputs; outputs that are not finite; samples without labels.
    """
    kind, arguments = predictions.task_type, arguments_of(predictions, where)
    if TASK_TYPES[kind].has_values:
        raise MMLError(f"{where} is a regression, which has no classes to report on")
    if arguments[0].shape[1] != len(classes):
        raise MMLError(
            f"{where} has {arguments[0].shape[1]} outputs for {len(classes)} classes; state the task's classes"
        )
    if TASK_TYPES[kind].has_masks:
        return _mask_classes(Counts(*arguments[:3]), classes, _times(predictions))
    positive, times = is_of_class(arguments[1], len(classes)), _times(predictions)
    is_known = arguments[2] if len(arguments) > 2 else np.ones_like(positive)
    if TASK_TYPES[kind].is_single_label:
        counted = counts(confusion_matrix(arguments[1], arguments[0].argmax(axis=1), len(classes), times))
    else:
        predicted = (arguments[0] > 0.5) & is_known
        counted = Counts(*(times @ side for side in (predicted & positive, positive, predicted)))
    table = {
        "class": list(classes),
        "support": positive.sum(axis=0),
        "recall": recalls(counted),
        "precision": precisions(counted),
        "specificity": specificities(counted, times @ is_known),
        "f1": dices(counted),
    }
    for metric in ("auroc", "average_precision"):
        table[metric] = [
            score(
                "multilabel_classification",
                metric,
                arguments[0][rows][:, [index]],
                positive[rows][:, [index]],
                weights=None if predictions.weights is None else predictions.weights[rows],
            )
            for index, rows in enumerate(is_known.T)
        ]
    return pd.DataFrame(table)


def _times(predictions: AnyPredictions) -> np.ndarray:
    """Return how often each sample counts, N: once, or by its weight."""
    return np.ones(len(predictions.ids)) if predictions.weights is None else whole_weights(predictions.weights)


def _mask_classes(of_images: Counts, classes: Sequence[str], times: np.ndarray) -> pd.DataFrame:
    """Return the rows of a segmentation, for counts of pixels, images×classes, and how often each image counts."""
    pooled = Counts(*(times @ side for side in of_images))
    table = {
        "class": list(classes),
        "support": of_images.targets.sum(axis=0),
        "images": ((of_images.targets + of_images.predicted) > 0).sum(axis=0),
    }
    for name, values in (("recall", recalls), ("precision", precisions), ("dice", dices), ("iou", ious)):
        of_image = values(of_images)
        defined = ~np.isnan(of_image)
        table[name] = share(times @ np.where(defined, of_image, 0), times @ defined)
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
        groups: by column (`group`, `sex`, `scanner`), the value of each sample by its id; None, NaN and an empty text
            are no value.
        metrics: names of metrics of the task type.
        resamples: of the samples of each group, for the intervals.
        seed: seed of the draws.
        where: name of the predictions in messages.
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
        for group, chosen in sorted(members.items(), key=lambda item: natural_key(item[0])):
            own = tuple(argument[chosen] for argument in arguments)
            whole = None if column == "group" else units
            weights = None if predictions.weights is None else predictions.weights[chosen]
            resampled = resample(kind, metrics, own, predictions.ids[chosen], resamples, whole, seed, weights)
            for metric, estimate in network_estimates(resampled).items():
                ends = (estimate.mean, estimate.low, estimate.high, estimate.reason)
                rows.append((column, group, len(chosen), metric, *ends))
    return pd.DataFrame(rows, columns=["column", "group", "samples", "metric", "value", "ci_low", "ci_high", "reason"])


# --- single samples -----------------------------------------------------------------------------------------------


def sample_losses(predictions: AnyPredictions, where: str = "a prediction") -> np.ndarray:
    """Return the loss of each sample, N, NaN for an image whose every pixel is ignored.

    Cross-entropy in nats, of labels its mean over known ones, the squared error of a regression, and of masks 1 less
    the mean Dice coefficient over the foreground classes of an image; NaN where none is there, true or predicted.

    Raises:
        MMLError: outputs that are not finite; samples without labels.
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
        classes: names; none for a regression.
        count: how many at most.
        where: name of the predictions in messages.

    Returns:
        `id loss true predicted probability`, indexed by where they are among the predictions: what is true and what is
        predicted in words (known labels joined by `|`; of masks their classes), and the probability of the predicted
        class, NaN of all other types.

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
    """Return targets and predictions of some samples, with the probabilities of the predictions."""
    none = np.full(len(rows), np.nan)
    if isinstance(predictions, MaskPredictions):
        wanted, texts = set(rows.tolist()), {}
        for number, (mask, target) in enumerate(predictions.images()):
            if number in wanted:
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
