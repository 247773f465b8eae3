"""Baselines on features: nearest neighbours and linear probes, fitted on the training samples of a fold.

scikit-learn is imported late, as it takes a second.
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
"""Neighbours that vote, weighted as by Wu et al., Unsupervised Feature Learning via Non-Parametric Instance
Discrimination, 2018."""

TEMPERATURE = 0.07
"""Of the weights: a neighbour counts with exp(cosine similarity / temperature)."""


@dataclass(frozen=True)
class FoldFeatures:
    """Standardised features and targets of a task beside one of its folds.

    Args:
        task: the task.
        features: its pooled features.
        fold: fold that is left out of the fit.

    Raises:
        MMLError: the features are of other samples, of tokens, or no training sample has a label.
    """

    task: TaskDescription
    features: Features
    fold: int

    def __post_init__(self) -> None:
        self.features.check_samples(self.task)
        if self.features.values.ndim != 2:
            raise MMLError("features.pooling: baselines need one vector per image; set it to pooled")
        if not self._learned.any():
            name = self.task.header["name"]
            raise MMLError(f"task {name} has no labelled training sample beside those of fold {self.fold}")

    @property
    def target(self) -> str:
        """Kind of target: `class`, `labels` or `value`."""
        return TASK_TYPES[self.task.header["task_type"]].target or ""

    @property
    def _targets(self) -> np.ndarray:
        values = self.task.targets.values
        return values if values.dtype.kind == "i" else values.astype(np.float32)

    @property
    def _learned(self) -> np.ndarray:
        training = self.task.column["split"] == "train"
        labelled = is_labelled(self.task.header["task_type"], self._targets)
        return training & (self.task.column["fold"] != self.fold) & labelled

    def rows(self, split: str) -> np.ndarray:
        """Return the mask of the samples of a split; `val`: those of the fold."""
        splits = self.task.column["split"]
        return (splits == "train") & (self.task.column["fold"] == self.fold) if split == "val" else splits == split

    @property
    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the training samples, 1 where they are constant, D each."""
        values = self.features.values[self._learned]
        std = values.std(axis=0)
        return values.mean(axis=0), np.where(std > 0, std, 1)

    def standardised(self, rows: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Return standardised features of some samples, float64."""
        return ((self.features.values[rows] - mean) / std).astype(np.float64)

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return TASK_TYPES[self.task.header["task_type"]].num_outputs(self.task.header["num_classes"])

    @property
    def training(self) -> Training:
        """The training samples."""
        learned = self._learned
        weights = np.ones(len(learned)) if self.task.weights is None else self.task.weights
        standardised = self.standardised(learned, *self.scale)
        return Training(standardised, self._targets[learned], weights[learned], self.outputs)

    def predictions(self, logits: np.ndarray, split: str) -> Predictions:
        """Return outputs of a split, M×classes, as predictions."""
        part = self.rows(split)
        ids, kind = np.array(self.task.samples["id"])[part], self.task.header["task_type"]
        return Predictions(logits.astype(np.float32), self._targets[part], ids, kind)


def fit_linear_probe(task: TaskDescription, features: Features, fold: int, penalty: float | None = None) -> LinearProbe:
    """Return a linear probe that is fitted on the training samples of a fold.

    Args:
        task: the task.
        features: its pooled features.
        fold: fold that is left out.
        penalty: L2 penalty; None: the default of the kind of target.

    Raises:
        MMLError: the features do not suit the task, or no training sample has a label.
    """
    beside = FoldFeatures(task, features, fold)
    return LinearProbe(*beside.scale, *PROBES[beside.target](beside.training, penalty))


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
    beside = FoldFeatures(task, features, fold)
    if features.values.shape[1] != len(probe.mean):
        raise MMLError(
            f"the probe of {task.header['name']} has {len(probe.mean)} dimensions, its features have "
            f"{features.values.shape[1]}; remove the probe, and run the study again"
        )
    part = beside.standardised(beside.rows(split), probe.mean, probe.std)
    return beside.predictions(probe.outputs(beside.target, part, beside.outputs), split)


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
    beside = FoldFeatures(task, features, fold)
    training = beside.training
    if neighbours is not None:
        check_neighbours(task.header["name"], len(training.features), neighbours)
    part = beside.standardised(beside.rows(split), *beside.scale)
    return beside.predictions(VOTES[beside.target](training, part, neighbours or NEIGHBOURS), split)


def check_neighbours(task: str, samples: int, neighbours: int) -> None:
    """Refuse more neighbours than training samples.

    Args:
        task: name of the task.
        samples: number of training samples beside a fold.
        neighbours: number of neighbours.

    Raises:
        MMLError: there are more.
    """
    if samples < neighbours:
        raise MMLError(
            f"mode.feature_baselines: {neighbours} neighbours of {task}, which has {samples:,} training samples beside "
            "a fold; lower neighbours"
        )


# --- nearest neighbours -----------------------------------------------------------------------------------------------


def _votes(training: Training, targets: np.ndarray, part: np.ndarray, number: int) -> np.ndarray:
    """Return the weighted means of targets (N×K; NaN unknown) over the neighbours of each sample, M×K.

    The mean over all training samples counts as one further neighbour of the largest possible weight.
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
