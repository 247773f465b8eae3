"""Features: embeddings of all samples of a task by one extractor, as plain arrays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_whole
from mml_lib.files.checksums import damaged
from mml_lib.files.containers import reading_arrays
from mml_lib.files.formats import FORMATS
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.struct import TaskStruct

FORMAT = FORMATS["features"]


@dataclass(frozen=True)
class Features:
    """Features of the samples of a task, in the order of its description.

    Args:
        ids: ids of the samples, N.
        splits: split of each sample, N: `train`, `test` or `unlabelled`.
        folds: validation fold of each training sample, -1 for others, N (int32).
        values: pooled features, N×D, or features of tokens, N×T×D (float32).
        extractor: name of the backbone, with the digest of everything that determines the values.
        task: name of the task.
        task_id: id of the task.
    """

    ids: list[str]
    splits: list[str]
    folds: np.ndarray
    values: np.ndarray
    extractor: str
    task: str = ""
    task_id: str = ""

    @classmethod
    def of(cls, task: TaskStruct, values: np.ndarray, extractor: str) -> "Features":
        """Return the features of all samples of a task.

        Args:
            task: the task.
            values: features in the order of its samples.
            extractor: name of the extractor.
        """
        samples = task.samples
        folds = np.where(samples["split"] == "train", samples["fold"], -1).astype(np.int32)
        return cls(
            samples["id"].tolist(), samples["split"].tolist(), folds, values, extractor, task.name, task.header["id"]
        )

    def of_split(self, *splits: str) -> np.ndarray:
        """Return the indices of the samples of splits, in their order (int64)."""
        return np.flatnonzero(np.isin(self.splits, splits))

    def check_samples(self, task: TaskDescription) -> None:
        """Check that the features are of the samples of a task, in their order.

        Raises:
            MMLError: samples or their order differ.
        """
        if self.ids != list(task.samples["id"]):
            raise MMLError(
                f"the features of {self.task or task.header['name']} are of other samples than the task "
                f"{task.header['name']} has; extract them again: snakemake --forcerun extract_features"
            )

    def save(self, path: str | Path) -> None:
        """Write the features atomically. A memory map of values is written in parts."""
        with write_whole(path) as temporary:
            np.savez(
                temporary,
                **FORMAT.stamp,
                task=np.str_(self.task),
                task_id=np.str_(self.task_id),
                extractor=np.str_(self.extractor),
                ids=np.array(self.ids, dtype=np.str_),
                splits=np.array(self.splits, dtype=np.str_),
                folds=np.asarray(self.folds, dtype=np.int32),
                values=self.values,
            )

    @classmethod
    def load(cls, path: str | Path) -> "Features":
        """Read features. Pickled arrays are refused.

        Raises:
            MMLError: the file is missing, damaged, or of another format.
        """
        with reading_arrays(path, "features") as content:
            features = cls(
                ids=content["ids"].tolist(),
                splits=content["splits"].tolist(),
                folds=content["folds"],
                values=content["values"],
                **{key: str(content[key]) for key in ("extractor", "task", "task_id")},
            )
        if not len(features.ids) == len(features.splits) == len(features.folds) == len(features.values):
            raise damaged(path, "its arrays have different numbers of samples")
        return features
