"""Audited tasks: columns of a task's samples, in the order of its features, measures and predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mml_lib.predictions.predictions import Predictions
from mml_lib.predictions.scores import sigmoid, softmax
from mml_lib.task_types import TASK_TYPES, TaskType
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.metadata import sub_groups

if TYPE_CHECKING:
    from mml_lib.features.feature_files import Features


@dataclass(frozen=True)
class AuditedTask:
    """A task whose data are audited.

    Args:
        task: description of the task.
    """

    task: TaskDescription

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.task.header["name"]

    @property
    def kind(self) -> TaskType:
        """Task type."""
        return TASK_TYPES[self.task.header["task_type"]]

    @property
    def classes(self) -> list[str]:
        """Names of the classes by index."""
        return self.task.header["classes"]

    @cached_property
    def ids(self) -> np.ndarray:
        """Id of each sample (str, N)."""
        return np.array(self.task.samples["id"])

    @property
    def split(self) -> np.ndarray:
        """Split of each sample (str, N)."""
        return self.task.column["split"]

    @property
    def fold(self) -> np.ndarray:
        """Fold of each sample (int, N); negative without a fold."""
        return self.task.column["fold"]

    @property
    def groups(self) -> np.ndarray:
        """Group of each sample (str, N)."""
        return self.task.groups

    @cached_property
    def labels(self) -> list[str]:
        """Label of each sample as text, N; empty without a label."""
        return self.task.targets.texts

    @cached_property
    def strata(self) -> list[str | None]:
        """Label of each sample or quartile of its value, N; None without a label."""
        if not self.kind.has_values:
            return [label or None for label in self.labels]
        numbers = {
            id_: "" if value != value else repr(value)
            for id_, value in zip(self.ids.tolist(), self.task.targets.values.tolist(), strict=True)
        }
        return list(sub_groups(numbers).values())

    def values(self, features: "Features") -> np.ndarray:
        """Return the features of the samples, N×D, averaged over tokens.

        Raises:
            MMLError: the features are of other samples.
        """
        features.check_samples(self.task)
        return features.values.mean(axis=1) if features.values.ndim == 3 else features.values

    def columns(self, rows: np.ndarray) -> dict[str, Sequence[object]]:
        """Return the first columns of a table of samples: `task`, `id`, `split`, `fold`, `group`, `label`."""
        return {
            "task": [self.name] * len(rows),
            "id": self.ids[rows].tolist(),
            "split": self.split[rows].tolist(),
            "fold": [None if fold < 0 else fold for fold in self.fold[rows].tolist()],
            "group": [self.task.samples["group"][row] for row in rows.tolist()],
            "label": [self.labels[row] for row in rows.tolist()],
        }

    def table(self, rows: np.ndarray, **further: Sequence[object]) -> pd.DataFrame:
        """Return a table of the samples in some rows, with further columns."""
        table = pd.DataFrame({**self.columns(rows), **further})
        return table.astype({"fold": "Int64"})

    def probabilities(self, predictions: Sequence[Predictions]) -> np.ndarray:
        """Return the mean probabilities of each sample over predictions, N×C; NaN without predictions."""
        places = {id_: place for place, id_ in enumerate(self.ids.tolist())}
        total = np.zeros((len(self.ids), len(self.classes)))
        number = np.zeros(len(self.ids))
        activation = softmax if self.kind.is_single_label else sigmoid
        for part in predictions:
            indices = [index for index, id_ in enumerate(part.ids.tolist()) if id_ in places]
            rows = [places[id_] for id_ in part.ids[indices].tolist()]
            total[rows] += activation(part.logits[indices].astype(np.float64))
            number[rows] += 1
        return np.divide(total, number[:, None], out=np.full_like(total, np.nan), where=number[:, None] > 0)
