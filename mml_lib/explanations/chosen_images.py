"""Images to explain: correct predictions, wrong ones, and the most confident mistakes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, Predictions, pool
from mml_lib.predictions.scores import image_counts, sigmoid, softmax
from mml_lib.task_types import TASK_TYPES

RIGHT, WRONG, CONFIDENT = "right", "wrong", "confident_mistakes"
SMALL, LARGE = "small_errors", "large_errors"
BEST, WORST = "best_masks", "worst_masks"
"""Groups of images: of classes and labels, of values, of masks."""

VALUE = "value"
"""Name of the output of a regression."""


@dataclass(frozen=True)
class ChosenImage:
    """An image that is explained.

    Args:
        id: name of its sample.
        group: group that it is an example of.
        fold: fold of the network that predicted it.
        label: true label as text.
        prediction: predicted label as text.
        outputs: outputs of the network that are explained, by the name of their class or label: the predicted one and,
            of a wrong class, the true one too.
        probability: probability of the prediction; NaN without one.
        pixels: of masks, pixels whose logits are summed, bool H×W; None: outputs are of whole images.
    """

    id: str
    group: str
    fold: int
    label: str
    prediction: str
    outputs: Mapping[str, int]
    probability: float = float("nan")
    pixels: np.ndarray | None = field(default=None, repr=False)


def choose_images(predictions: Mapping[int, AnyPredictions], classes: Sequence[str], images: int) -> list[ChosenImage]:
    """Return the images that are explained, group by group.

    Args:
        predictions: predictions by the fold of their network, finite. Of an image that several networks predict, that
            of the first one counts.
        classes: names of the classes.
        images: images of each group.
    """
    parts, folds, seen = [], [], set[str]()
    for fold, of_fold in sorted(predictions.items()):
        rows = np.array([row for row, name in enumerate(of_fold.ids.tolist()) if name not in seen], dtype=np.int64)
        if isinstance(of_fold, Predictions):
            rows = rows[of_fold.labelled[rows]]
        seen |= set(of_fold.ids.tolist())
        if len(rows):
            parts.append(of_fold.take(rows))
            folds += [fold] * len(rows)
    if not parts:
        return []
    pooled = pool(parts)
    if isinstance(pooled, MaskPredictions):
        return list(_of_masks(pooled, folds, classes, images))
    choose = _of_values if TASK_TYPES[pooled.task_type].has_values else _of_classes
    if TASK_TYPES[pooled.task_type].is_multilabel:
        choose = _of_labels
    return list(choose(pooled, folds, classes, images))


def _of_classes(
    predictions: Predictions, folds: Sequence[int], classes: Sequence[str], images: int
) -> Iterator[ChosenImage]:
    """Yield images of right and wrong classes."""
    probabilities = softmax(predictions.logits)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    for group, rows in _groups(predicted == predictions.targets, confidence, images):
        for row in rows:
            guess, label = int(predicted[row]), int(predictions.targets[row])
            outputs = {classes[guess]: guess, classes[label]: label}
            name, sure = str(predictions.ids[row]), float(confidence[row])
            yield ChosenImage(name, group, folds[row], classes[label], classes[guess], outputs, sure)


def _of_labels(
    predictions: Predictions, folds: Sequence[int], classes: Sequence[str], images: int
) -> Iterator[ChosenImage]:
    """Yield images of right and wrong labels: of each image the label that the network is surest of.

    Correct predictions of absent labels do not count: most labels are absent in most images.
    """
    probabilities = sigmoid(predictions.logits)
    is_known, true, guess = ~np.isnan(predictions.targets), predictions.targets >= 0.5, probabilities >= 0.5
    confidence = np.maximum(probabilities, 1 - probabilities)
    wrong, right = is_known & (true != guess), is_known & true & guess
    is_right = ~wrong.any(axis=1)
    candidates = np.where(is_right[:, None], right, wrong)
    label = np.where(candidates, confidence, -1).argmax(axis=1)
    rows = np.flatnonzero(candidates.any(axis=1))
    for group, places in _groups(is_right[rows], confidence[rows, label[rows]], images):
        for row in rows[places]:
            output = int(label[row])
            truth, answer = (f"{classes[output]}: {'yes' if side[row, output] else 'no'}" for side in (true, guess))
            name, sure = str(predictions.ids[row]), float(confidence[row, output])
            yield ChosenImage(name, group, folds[row], truth, answer, {classes[output]: output}, sure)


def _of_values(
    predictions: Predictions, folds: Sequence[int], classes: Sequence[str], images: int
) -> Iterator[ChosenImage]:
    """Yield images of small and of large errors."""
    values = predictions.logits[:, 0]
    for group, rows in _ends(np.abs(values - predictions.targets), (SMALL, LARGE), images):
        for row in rows:
            words = f"{predictions.targets[row]:.4g}", f"{values[row]:.4g}"
            yield ChosenImage(str(predictions.ids[row]), group, folds[row], *words, {VALUE: 0})


def _of_masks(
    predictions: MaskPredictions, folds: Sequence[int], classes: Sequence[str], images: int
) -> Iterator[ChosenImage]:
    """Yield images of the best and the worst masks: of each the largest true class that is no background.

    The logits of the pixels that are predicted as the class are summed, or those of its true pixels if there are none.
    """
    counts = image_counts(predictions.images(), predictions.classes)
    foreground = counts.targets[:, 1:]
    rows = np.flatnonzero(foreground.any(axis=1))
    if not len(rows):
        return
    largest = foreground[rows].argmax(axis=1) + 1
    dice = 2 * counts.hits[rows, largest] / (counts.targets + counts.predicted)[rows, largest]
    masks = list(predictions.images())
    for group, places in _ends(1 - dice, (BEST, WORST), images):
        for place in places:
            output, (mask, target) = int(largest[place]), masks[rows[place]]
            pixels = mask == output if (mask == output).any() else target == output
            name, words = str(predictions.ids[rows[place]]), f"{classes[output]}: Dice {dice[place]:.2f}"
            fold = folds[rows[place]]
            yield ChosenImage(name, group, fold, classes[output], words, {classes[output]: output}, pixels=pixels)


# --- groups -------------------------------------------------------------------------------------------------------


def _groups(is_right: np.ndarray, confidence: np.ndarray, images: int) -> list[tuple[str, np.ndarray]]:
    """Return the rows of each group: a draw of right ones, a draw of wrong ones, and the most confident wrong ones."""
    generator = np.random.default_rng(0)
    right, wrong = (np.flatnonzero(side) for side in (is_right, ~is_right))
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    most = min(images, -(-len(wrong) // 2))
    drawn = {
        group: np.sort(generator.permutation(rows)[:images]) for group, rows in ((RIGHT, right), (WRONG, wrong[most:]))
    }
    return [*drawn.items(), (CONFIDENT, wrong[:most])]


def _ends(errors: np.ndarray, groups: tuple[str, str], images: int) -> list[tuple[str, np.ndarray]]:
    """Return the rows of the smallest and of the largest errors, no row in both."""
    order = np.argsort(errors, kind="stable")
    most = min(images, len(order) // 2)
    return [(groups[0], order[: min(images, len(order) - most)]), (groups[1], order[::-1][:most])]
