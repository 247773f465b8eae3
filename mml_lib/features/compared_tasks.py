"""Data of tasks for measures of distances, read from their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from scipy.special import softmax

from mml_lib.distances.measure_registry import Measure
from mml_lib.distances.task_data import TaskData
from mml_lib.features.feature_files import Features
from mml_lib.features.fisher_embedding import FisherEmbedding
from mml_lib.files.checksums import fingerprint, verify
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.description import TaskDescription, read_header

HELD_BYTES = 3 * 10**9
"""Size of features, or of their summaries, that are kept in memory."""


@dataclass(frozen=True)
class ComparedFiles:
    """Files of the tasks that a measure compares.

    Args:
        measure: the measure.
        descriptions: path of the description by task.
        features: path of features by task; by source and target for measures of source networks.
        parameters: path of weights by source, for measures of probabilities.
        fisher: path of the Fisher information by task, for measures that use it.
    """

    measure: Measure
    descriptions: Mapping[str, str]
    features: Mapping[Any, str]
    parameters: Mapping[str, str]
    fisher: Mapping[str, str]

    @classmethod
    def of(
        cls,
        measure: Measure,
        tasks: Mapping[str, str],
        pairs: Sequence[tuple[str, str]],
        features: Sequence[str],
        parameters: Sequence[str],
        fisher: Sequence[str],
    ) -> "ComparedFiles":
        """Return the files of a step.

        Args:
            measure: the measure.
            tasks: paths of descriptions by task.
            pairs: names of source and target.
            features: paths of features in the order of tasks, or of pairs for measures of source networks; may be
                empty.
            parameters: paths of weights in the order of sources; may be empty.
            fisher: paths of Fisher information in the order of tasks; may be empty.
        """
        sources = list(dict.fromkeys(source for source, _ in pairs))
        keys: Sequence[Any] = pairs if measure.of_source_networks else list(tasks)
        return cls(
            measure,
            tasks,
            dict(zip(keys, features, strict=True)) if features else {},
            dict(zip(sources, parameters, strict=True)) if parameters else {},
            dict(zip(tasks, fisher, strict=True)) if fisher else {},
        )

    def task(self, name: str) -> TaskData:
        """Return the data of a task."""
        return task_data(self.descriptions[name], self.features.get(name), self.fisher.get(name))

    def pair(self, source: str, target: str) -> tuple[TaskData, TaskData]:
        """Return the data of source and target, with features of the target by the source's network."""
        data = task_data(self.descriptions[target], self.features[source, target], labelled=True)
        if source in self.parameters and data.features is not None:
            probabilities = head_probabilities(data.features, self.parameters[source], source)
            data = replace(data, probabilities=probabilities)
        return TaskData(source), data

    @property
    def held(self) -> int:
        """Number of tasks whose features, or summaries of them, are kept in memory."""
        largest = max((Path(path).stat().st_size for path in self.features.values()), default=1)
        return max(2, HELD_BYTES // largest)

    def definition(self, source: str, target: str, options: Any) -> str:
        """Return the digest of everything that determines the distance of two tasks."""
        measure = self.measure
        content: dict[str, Any] = {"measure": measure.name, "version": measure.version, "code": measure.code}
        content["options"] = options.content
        content["tasks"] = [self._identity(task) for task in (source, target)]
        if measure.of_source_networks:
            files = [self.features[source, target], *filter(None, [self.parameters.get(source)])]
            content["files"] = [fingerprint(path) for path in files]
        return digest(content)

    def _identity(self, name: str) -> dict[str, Any]:
        header = self._headers[name]
        files = [folder[name] for folder in (self.features, self.fisher) if name in folder]
        identity: dict[str, Any] = {"id": header["id"], "files": [fingerprint(path) for path in files]}
        return identity | ({"keywords": header["keywords"]} if "keywords" in self.measure.needs else {})

    @cached_property
    def _headers(self) -> dict[str, dict[str, Any]]:
        return {name: read_header(path) for name, path in self.descriptions.items()}


SPLITS = ("train", "unlabelled", "test")
"""Splits of the compared samples, of which the first non-empty one is used."""


def task_data(
    description: str, features: str | None = None, fisher: str | None = None, labelled: bool = False
) -> TaskData:
    """Return the data of a task for measures.

    Args:
        description: path of the task description.
        features: path of the features; None if the measure does not use them.
        fisher: path of the Fisher information; None if the measure does not use it.
        labelled: True for labelled samples only, with their labels.

    Raises:
        MMLError: a file is damaged, or features and description have different samples.
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
    """Return the folds of samples; None if there is only one fold."""
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
