"""Baselines on features: nearest neighbours and linear probes, fitted on the training samples of a fold.

scikit-learn is imported late, as it takes a second.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.features.feature_files import Features
from mml_lib.predictions.predictions import Predictions, is_labelled
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.description import TaskDescription

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

NEIGHBOURS = 20
"""Neighbours that vote, weighted as by Wu et al., Unsupervised Feature Learning via Non-Parametric Instance
Discrimination, 2018."""

TEMPERATURE = 0.07
"""Of the weights: a neighbour counts with exp(cosine similarity / temperature)."""

STRENGTH = 0.1
"""Inverse strength of the L2 penalty of a logistic regression on standardised features (`C` of scikit-learn)."""

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
"""L2 penalties of a ridge regression, the best of which leave-one-out errors choose."""

LEAST = 1e-6
"""Probability of a class that no training sample has."""


@dataclass(frozen=True)
class Fold:
    """Features and targets of the training samples of a fold, and the features that are to be predicted.

    Args:
        train: standardised features, N×D.
        targets: class indices (int64, N), probabilities of labels (N×classes; NaN unknown) or values (N).
        weights: weight of each sample, N.
        part: standardised features, M×D.
        classes: number of outputs.
    """

    train: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    part: np.ndarray
    classes: int


def predict_baseline(task: TaskDescription, features: Features, method: str, fold: int, split: str) -> Predictions:
    """Return the predictions of a split by a model that is fitted on the training samples of a fold.

    Args:
        task: the task.
        features: its pooled features.
        method: `nearest_neighbour` or `linear_probe`.
        fold: fold that is left out of the fit.
        split: `val` (the samples of the fold), `test` or `unlabelled`.

    Raises:
        MMLError: the features are of other samples, of tokens, or no training sample has a label.
    """
    kind, ids = TASK_TYPES[task.header["task_type"]], np.array(task.samples["id"])
    features.check_samples(task)
    if features.values.ndim != 2:
        raise MMLError("features.pooling: baselines need one vector per image; set it to pooled")
    values = task.targets.values
    targets = values if values.dtype.kind == "i" else values.astype(np.float32)
    training, folds = task.column["split"] == "train", task.column["fold"]
    learned = training & (folds != fold) & is_labelled(kind.name, targets)
    part = training & (folds == fold) if split == "val" else task.column["split"] == split
    if not learned.any():
        raise MMLError(f"task {task.header['name']} has no labelled training sample beside those of fold {fold}")
    mean, std = features.values[learned].mean(axis=0), features.values[learned].std(axis=0)
    scaled = (features.values - mean) / np.where(std > 0, std, 1)
    weights = np.ones(len(ids)) if task.weights is None else task.weights
    fitted = Fold(
        scaled[learned].astype(np.float64),
        targets[learned],
        weights[learned],
        scaled[part].astype(np.float64),
        kind.num_outputs(task.header["num_classes"]),
    )
    logits = MODELS[method][kind.target or ""](fitted)
    return Predictions(logits.astype(np.float32), targets[part], ids[part], kind.name)


# --- nearest neighbours -----------------------------------------------------------------------------------------------


def _votes(fold: Fold, targets: np.ndarray) -> np.ndarray:
    """Return the weighted means of targets (N×K; NaN unknown) over the neighbours of each sample, M×K.

    The mean over all training samples counts as one further neighbour of the largest possible weight.
    """
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(fold.train)), metric="cosine", algorithm="brute")
    distances, rows = index.fit(fold.train).kneighbors(fold.part)
    closeness = np.exp(-(distances - distances.min(axis=1, keepdims=True)) / TEMPERATURE) * fold.weights[rows]
    labelled = ~np.isnan(targets)
    sums = fold.weights @ np.where(labelled, targets, 0)
    prior = sums / np.maximum(fold.weights @ labelled, 1e-12)
    counted = closeness[:, :, None] * labelled[rows]
    means = (counted * np.where(labelled, targets, 0)[rows]).sum(axis=1) + prior
    return means / (counted.sum(axis=1) + 1)


def _neighbours_of_classes(fold: Fold) -> np.ndarray:
    return np.log(np.maximum(_votes(fold, np.eye(fold.classes)[fold.targets]), LEAST))


def _neighbours_of_labels(fold: Fold) -> np.ndarray:
    shares = np.clip(_votes(fold, fold.targets), LEAST, 1 - LEAST)
    return np.log(shares / (1 - shares))


def _neighbours_of_values(fold: Fold) -> np.ndarray:
    return _votes(fold, fold.targets[:, None])


# --- linear probes ----------------------------------------------------------------------------------------------------


def _probe_of_classes(fold: Fold) -> np.ndarray:
    """Return log probabilities of a multinomial logistic regression, M×classes."""
    logits = np.full((len(fold.part), fold.classes), np.log(LEAST))
    present = np.unique(fold.targets)
    if len(present) == 1:
        logits[:, present] = 0
        return logits
    model = _logistic().fit(fold.train, fold.targets, sample_weight=fold.weights)
    logits[:, model.classes_] = np.maximum(model.predict_log_proba(fold.part), np.log(LEAST))
    return logits


def _probe_of_labels(fold: Fold) -> np.ndarray:
    """Return the logits of a logistic regression of each label, M×classes."""
    return np.column_stack([_probe_of_label(fold, label) for label in fold.targets.T])


def _probe_of_label(fold: Fold, label: np.ndarray) -> np.ndarray:
    labelled = ~np.isnan(label)
    positive = label[labelled] >= 0.5
    if len(np.unique(positive)) < 2:
        share = np.clip(positive.mean() if labelled.any() else 0.5, LEAST, 1 - LEAST)
        return np.full(len(fold.part), np.log(share / (1 - share)))
    model = _logistic().fit(fold.train[labelled], positive, sample_weight=fold.weights[labelled])
    return model.decision_function(fold.part)


def _probe_of_values(fold: Fold) -> np.ndarray:
    """Return the values of a ridge regression, M×1."""
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(PENALTIES).fit(fold.train, fold.targets, sample_weight=fold.weights)
    return model.predict(fold.part)[:, None]


def _logistic() -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=STRENGTH, max_iter=1000)


MODELS: dict[str, dict[str, Callable[[Fold], np.ndarray]]] = {
    "nearest_neighbour": {
        "class": _neighbours_of_classes,
        "labels": _neighbours_of_labels,
        "value": _neighbours_of_values,
    },
    "linear_probe": {"class": _probe_of_classes, "labels": _probe_of_labels, "value": _probe_of_values},
}
"""Functions that return the outputs for a part, M×classes, by method and kind of target."""
