"""Baselines on features: nearest neighbours and linear probes, fitted on the training samples of a fold.

scikit-learn is imported in functions, because its import takes a second.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.features.feature_files import Features
from mml_lib.features.linear_probes import LEAST, PROBES, LinearProbe, Training
from mml_lib.predictions.predictions import Predictions, is_labelled
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.description import TaskDescription

NEIGHBOURS = 20
"""Number of neighbours that vote, with the weights of Wu et al. (Unsupervised Feature Learning via Non-Parametric
Instance Discrimination, 2018)."""

TEMPERATURE = 0.07
"""Temperature of the weights of neighbours, exp(cosine similarity / temperature)."""


@dataclass(frozen=True)
class FoldFeatures:
    """Features and targets of a task, with one fold left out of the training samples.

    Args:
        task: the task.
        features: pooled features of the task.
        fold: fold that is left out of the fit.

    Raises:
        MMLError: the features are of other samples, or of tokens; or no training sample has a label.
    """

    task: TaskDescription
    features: Features
    fold: int

    def __post_init__(self) -> None:
        self.features.check_samples(self.task)
        if self.features.values.ndim != 2:
            raise MMLError("features.pooling: baselines need one vector per image; set it to pooled")
        if not self._training_rows.any():
            name = self.task.header["name"]
            raise MMLError(f"task {name} has no labelled training sample outside fold {self.fold}; label some")

    @property
    def target(self) -> str:
        """Kind of target: `class`, `labels` or `value`."""
        return TASK_TYPES[self.task.header["task_type"]].target or ""

    @property
    def _targets(self) -> np.ndarray:
        values = self.task.targets.values
        return values if values.dtype.kind == "i" else values.astype(np.float32)

    @property
    def _training_rows(self) -> np.ndarray:
        training = self.task.column["split"] == "train"
        labelled = is_labelled(self.task.header["task_type"], self._targets)
        return training & (self.task.column["fold"] != self.fold) & labelled

    def rows(self, split: str) -> np.ndarray:
        """Return the samples of a split, N (bool); `val` is the fold."""
        splits = self.task.column["split"]
        return (splits == "train") & (self.task.column["fold"] == self.fold) if split == "val" else splits == split

    @property
    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the training samples, D each; the deviation is 1 for constant features."""
        values = self.features.values[self._training_rows]
        std = values.std(axis=0)
        return values.mean(axis=0), np.where(std > 0, std, 1)

    def standardised(self, rows: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Return standardised features of the selected samples, M×D (float64)."""
        return ((self.features.values[rows] - mean) / std).astype(np.float64)

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return TASK_TYPES[self.task.header["task_type"]].num_outputs(self.task.header["num_classes"])

    @property
    def training(self) -> Training:
        """Training samples, standardised."""
        rows = self._training_rows
        weights = np.ones(len(rows)) if self.task.weights is None else self.task.weights
        standardised = self.standardised(rows, *self.scale)
        return Training(standardised, self._targets[rows], weights[rows], self.outputs)

    def predictions(self, logits: np.ndarray, split: str) -> Predictions:
        """Return predictions with the outputs of a split, M×classes."""
        part = self.rows(split)
        ids, kind = np.array(self.task.samples["id"])[part], self.task.header["task_type"]
        return Predictions(logits.astype(np.float32), self._targets[part], ids, kind)


def fit_linear_probe(task: TaskDescription, features: Features, fold: int, penalty: float | None = None) -> LinearProbe:
    """Return a linear probe that is fitted on the training samples outside a fold.

    Args:
        task: the task.
        features: its pooled features.
        fold: fold that is left out.
        penalty: L2 penalty; None: the default of the kind of target.

    Raises:
        MMLError: the features do not suit the task, or no training sample has a label.
    """
    fold_features = FoldFeatures(task, features, fold)
    return LinearProbe(*fold_features.scale, *PROBES[fold_features.target](fold_features.training, penalty))


def predict_by_probe(
    task: TaskDescription, features: Features, probe: LinearProbe, fold: int, split: str
) -> Predictions:
    """Return the predictions of a split by a fitted probe.

    Args:
        task: the task.
        features: its pooled features.
        probe: the probe of the fold.
        fold: fold that is left out of the fit.
        split: `val` (the samples of the fold), `test` or `unlabelled`.

    Raises:
        MMLError: features and probe have different dimensions.
    """
    fold_features = FoldFeatures(task, features, fold)
    if features.values.shape[1] != len(probe.mean):
        raise MMLError(
            f"the probe of {task.header['name']} has {len(probe.mean)} dimensions, its features have "
            f"{features.values.shape[1]}; remove the probe, and run the study again"
        )
    part = fold_features.standardised(fold_features.rows(split), probe.mean, probe.std)
    return fold_features.predictions(probe.outputs(fold_features.target, part, fold_features.outputs), split)


def predict_by_neighbours(
    task: TaskDescription, features: Features, fold: int, split: str, neighbours: int | None = None
) -> Predictions:
    """Return the predictions of a split by votes of nearest neighbours among the training samples of a fold.

    Args:
        task: the task.
        features: its pooled features.
        fold: fold that is left out of the vote.
        split: `val` (the samples of the fold), `test` or `unlabelled`.
        neighbours: number of neighbours; None: 20, or all training samples if these are fewer.

    Raises:
        MMLError: the features do not suit the task, or there are fewer training samples.
    """
    fold_features = FoldFeatures(task, features, fold)
    training = fold_features.training
    if neighbours is not None:
        check_neighbours(task.header["name"], len(training.features), neighbours)
    part = fold_features.standardised(fold_features.rows(split), *fold_features.scale)
    return fold_features.predictions(VOTES[fold_features.target](training, part, neighbours or NEIGHBOURS), split)


def check_neighbours(task: str, samples: int, neighbours: int) -> None:
    """Check that there are enough training samples.

    Args:
        task: name of the task.
        samples: number of training samples outside a fold.
        neighbours: number of neighbours.

    Raises:
        MMLError: there are fewer samples than neighbours.
    """
    if samples < neighbours:
        raise MMLError(
            f"mode.feature_baselines: {neighbours} neighbours are more than the {samples:,} training samples of {task} "
            "outside a fold; lower neighbours"
        )


# --- nearest neighbours -----------------------------------------------------------------------------------------------


def _votes(training: Training, targets: np.ndarray, part: np.ndarray, number: int) -> np.ndarray:
    """Return the weighted means of targets over the neighbours of each sample, M×K.

    The mean over all training samples counts as one additional neighbour with the largest weight.

    Args:
        training: training samples.
        targets: targets, N×K; NaN if unknown.
        part: standardised features of the samples to predict, M×D.
        number: number of neighbours.
    """
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=min(number, len(training.features)), metric="cosine", algorithm="brute")
    distances, rows = index.fit(training.features).kneighbors(part)
    closeness = np.exp(-(distances - distances.min(axis=1, keepdims=True)) / TEMPERATURE) * training.weights[rows]
    labelled = ~np.isnan(targets)
    sums = training.weights @ np.where(labelled, targets, 0)
    prior = sums / np.maximum(training.weights @ labelled, 1e-12)
    counted = closeness[:, :, None] * labelled[rows]
    means = (counted * np.where(labelled, targets, 0)[rows]).sum(axis=1) + prior
    return means / (counted.sum(axis=1) + 1)


def _votes_for_classes(training: Training, part: np.ndarray, number: int) -> np.ndarray:
    one_hot = np.eye(training.classes)[training.targets]
    return np.log(np.maximum(_votes(training, one_hot, part, number), LEAST))


def _votes_for_labels(training: Training, part: np.ndarray, number: int) -> np.ndarray:
    shares = np.clip(_votes(training, training.targets, part, number), LEAST, 1 - LEAST)
    return np.log(shares / (1 - shares))


def _votes_for_values(training: Training, part: np.ndarray, number: int) -> np.ndarray:
    return _votes(training, training.targets[:, None], part, number)


VOTES: dict[str, Callable[[Training, np.ndarray, int], np.ndarray]] = {
    "class": _votes_for_classes,
    "labels": _votes_for_labels,
    "value": _votes_for_values,
}
"""Functions that return the outputs for a part, M×classes, by the kind of target."""
