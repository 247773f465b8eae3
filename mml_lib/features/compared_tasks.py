"""Data of tasks for measures of distance, from their files."""

from typing import Any

import numpy as np
from safetensors.numpy import load_file
from scipy.special import softmax

from mml_lib.distances.fisher_embedding import FisherEmbedding
from mml_lib.distances.task_data import TaskData
from mml_lib.features.feature_files import Features
from mml_lib.files.checksums import verify
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.description import TaskDescription

SPLITS = ("train", "unlabelled", "test")
"""Splits of the compared samples: the first that a task has. Test samples are compared only if there are no others."""


def task_data(
    description: str, features: str | None = None, fisher: str | None = None, labelled: bool = False
) -> TaskData:
    """Return the data of a task that measures take.

    Args:
        description: file of its description.
        features: file of its features; None: the measure reads none.
        fisher: file of its Fisher information; None: the measure reads none.
        labelled: take the samples with labels alone, and their labels.

    Raises:
        MMLError: a file is damaged, or features and description have other samples.
    """
    task = TaskDescription.read(description)
    data: dict[str, Any] = {"name": task.header["name"], "keywords": task.header["keywords"] or ()}
    if fisher is not None:
        embedding = FisherEmbedding.read(fisher)
        data |= {"fisher": embedding.values, "extractor": embedding.backbone}
    if features is not None:
        data |= _of_samples(task, Features.load(features), labelled)
    return TaskData(**data)


def _of_samples(task: TaskDescription, features: Features, labelled: bool) -> dict[str, Any]:
    features.check_samples(task)
    split = next(name for name in SPLITS if len(features.of_split(name)))
    rows = features.of_split(split)
    if not labelled:
        return {"features": features.values[rows], "extractor": features.extractor}
    labels = _labels(task)
    if labels is None:
        return {"features": features.values[rows]}
    missing = labels < 0 if labels.dtype.kind == "i" else np.isnan(labels.reshape(len(labels), -1)).any(axis=1)
    rows = rows[~missing[rows]]
    return {"features": features.values[rows], "labels": labels[rows], "folds": _folds(features, rows)}


def _folds(features: Features, rows: np.ndarray) -> np.ndarray | None:
    """Return the folds of some samples; None where there is one fold, so that no sample is outside of it."""
    folds = features.folds[rows]
    return folds if len(np.unique(folds)) > 1 else None


def _labels(task: TaskDescription) -> np.ndarray | None:
    """Return the labels of all samples; None for tasks without labels of images."""
    kind = TASK_TYPES[task.header["task_type"]]
    return task.targets.values if kind.is_learnable and not kind.has_masks else None


def head_probabilities(features: np.ndarray, parameters: str, task: str) -> np.ndarray:
    """Return the class probabilities of samples by the head of a network, N×classes.

    Args:
        features: features of the samples by the network's backbone, N×D.
        parameters: weights of the network.
        task: task of the head, a classification.

    Raises:
        MMLError: the weights are damaged.
    """
    verify(parameters)
    name = task.replace(".", "·")
    weights = {key: value.astype(np.float64) for key, value in load_file(parameters).items() if key.startswith("head.")}
    prefix = next(f"head.{spelling}." for spelling in (name, f"{name}·") if f"head.{spelling}.weight" in weights)
    return softmax(features @ weights[f"{prefix}weight"].T + weights[f"{prefix}bias"], axis=1)
