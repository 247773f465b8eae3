"""Linear probe: logistic regression on features. The model that predicts a sample was not trained on its group."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.predictions.predictions import Predictions
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.description import TaskDescription

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
"""Candidates of `C`, the inverse of the penalty, for standardised features."""

TINY = 1e-7
"""Smallest probability for logarithms."""

FOLDS = 5
"""Number of folds of a cross-validation if the task has none."""


@dataclass(frozen=True)
class Part:
    """Samples to predict, and the samples that their model is trained on.

    Args:
        trained: rows of the samples to train on.
        predicted: rows of the samples to predict.
    """

    trained: np.ndarray
    predicted: np.ndarray


def task_parts(split: np.ndarray, fold: np.ndarray, groups: np.ndarray, targets: np.ndarray) -> list[Part]:
    """Return the parts that predict each labelled sample of a task once.

    Training samples are predicted fold by fold. If the task has fewer than two folds, folds are drawn. Test samples are
    predicted by a model of all training samples.

    Args:
        split, fold: split and fold of each sample (N).
        groups: group of each sample (N). Groups do not cross folds.
        targets: class index of each sample (N); -1 without a label.
    """
    train = np.flatnonzero((split == "train") & (targets >= 0))
    numbers = fold[train]
    if (numbers < 0).any() or len(np.unique(numbers)) < 2:
        parts = group_parts(targets[train], groups[train])
        parts = [Part(train[part.trained], train[part.predicted]) for part in parts]
    else:
        parts = [Part(train[numbers != number], train[numbers == number]) for number in np.unique(numbers)]
    test = np.flatnonzero((split == "test") & (targets >= 0))
    return [*parts, Part(train, test)] if len(test) else parts


def group_parts(targets: np.ndarray, groups: np.ndarray) -> list[Part]:
    """Return the parts of a cross-validation. Groups stay together; frequent classes are stratified.

    Raises:
        MMLError: all samples are in one group.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    number = len(np.unique(groups))
    if number < 2:
        raise MMLError(f"all {len(groups)} labelled samples are in one group, so none can be predicted from others")
    folds = min(FOLDS, number)
    kind = StratifiedGroupKFold if np.bincount(targets).max() >= folds else GroupKFold
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        parts = kind(folds, shuffle=True, random_state=0).split(np.zeros(len(targets)), targets, groups)
        return [Part(*part) for part in parts if len(part[0]) and len(part[1])]


def probe_probabilities(
    values: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    parts: Sequence[Part],
    balanced: bool = False,
    threads: int = 1,
) -> np.ndarray:
    """Return the probability of each class for the predicted samples (N×C); NaN for samples of no part.

    Args:
        values: features (N×D).
        targets: class index of each sample (N).
        groups: group of each sample (N).
        parts: samples to train on and to predict.
        balanced: give all classes the same weight.
        threads: number of models to train in parallel.
    """
    from threadpoolctl import threadpool_limits

    values = values.astype(np.float32)
    probabilities = np.full((len(values), int(targets.max()) + 1), np.nan)
    # Threads of BLAS would spend more time on waiting for each other than on work.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        strength = _strength(values, targets, groups, parts[0].trained, balanced, pool)
        fitted = pool.map(lambda part: _fitted(values, targets, part, strength, balanced), parts)
        for part, predicted in zip(parts, fitted, strict=True):
            probabilities[part.predicted] = predicted
    return probabilities


def predict_task(task: TaskDescription, values: np.ndarray, threads: int = 1) -> Predictions:
    """Return the predictions of all labelled samples of a task, like those of networks.

    Args:
        task: a classification, or a multi-label classification, whose labels are predicted one by one.
        values: features (N×D).
        threads: number of models to train in parallel.
    """
    kind, targets, groups = TASK_TYPES[task.header["task_type"]], task.targets.values, task.groups
    split, fold, ids = task.column["split"], task.column["fold"], np.array(task.samples["id"])
    if kind.is_single_label:
        parts = task_parts(split, fold, groups, targets)
        probabilities = probe_probabilities(values, targets, groups, parts, threads=threads)
        rows = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
        logits = np.log(np.maximum(probabilities[rows], TINY))
        return Predictions(logits.astype(np.float32), targets[rows], ids[rows], kind.name)
    logits = np.zeros(targets.shape)
    for number in range(targets.shape[1]):
        label = np.where(np.isnan(targets[:, number]), -1, targets[:, number] >= 0.5).astype(int)
        if len(np.unique(label[(label >= 0) & (split == "train")])) == 2:
            parts = task_parts(split, fold, groups, label)
            probabilities = probe_probabilities(values, label, groups, parts, threads=threads)
            odds = np.log(np.maximum(probabilities[:, 1], TINY)) - np.log(np.maximum(probabilities[:, 0], TINY))
            logits[:, number] = np.nan_to_num(odds)
    rows = np.flatnonzero(task.targets.labelled)
    return Predictions(logits[rows].astype(np.float32), targets[rows].astype(np.float32), ids[rows], kind.name)


def _strength(
    values: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    rows: np.ndarray,
    balanced: bool,
    pool: ThreadPoolExecutor,
) -> float:
    """Return the strength with the lowest log loss on a fifth of the training samples.

    If these are of one group, it is the second candidate.
    """
    if len(np.unique(groups[rows])) < 2:
        return STRENGTHS[1]
    inner = group_parts(targets[rows], groups[rows])[0]
    part = Part(rows[inner.trained], rows[inner.predicted])
    truth = targets[part.predicted]

    def loss(strength: float) -> float:
        fitted = _fitted(values, targets, part, strength, balanced)
        return float(-np.log(np.maximum(fitted[np.arange(len(truth)), truth], TINY)).mean())

    return min(zip(pool.map(loss, STRENGTHS), STRENGTHS, strict=True))[1]


def _fitted(values: np.ndarray, targets: np.ndarray, part: Part, strength: float, balanced: bool) -> np.ndarray:
    """Return the probability of each class for the predicted samples of a part."""
    from sklearn.linear_model import LogisticRegression

    probabilities = np.zeros((len(part.predicted), int(targets.max()) + 1))
    trained, classes = values[part.trained], np.unique(targets[part.trained])
    if len(classes) == 1:
        probabilities[:, classes[0]] = 1
        return probabilities
    mean, deviation = trained.mean(axis=0), trained.std(axis=0)
    scale = np.where(deviation > 1e-6 * deviation.max(), deviation, np.inf)  # constant features become 0
    weights = "balanced" if balanced else None
    model = LogisticRegression(C=strength, max_iter=200, tol=1e-3, class_weight=weights)
    model.fit((trained - mean) / scale, targets[part.trained])
    probabilities[:, classes] = model.predict_proba((values[part.predicted] - mean) / scale)
    return probabilities
