"""Task structs: the tasks that steps read. Their files are read on first access."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.files.checksums import verify
from mml_lib.files.containers import read_packed_format
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.description import TaskDescription, read_header
from mml_lib.tasks.pixel_format import PixelFormat


class TaskStruct:
    """A task with its header, its `paths` and its `models`. Files are read on first access.

    Args:
        name: name of the task.
        paths: paths of its `description`, its data set's manifest `dataset` and the folder `packed`, if they exist.
        read_models: function that returns the storages of the models trained on the task, the latest last. It is
            called on first access, because other steps may be writing storages before.
        read_reused: function that returns the task's files of other projects that the study reuses, by key. It is
            called on first access.
    """

    def __init__(
        self,
        name: str,
        paths: Mapping[str, Path],
        read_models: Callable[[], list[Any]] | None = None,
        read_reused: Callable[[], Mapping[str, Sequence[Path]]] | None = None,
    ):
        self.name = name
        self.paths = dict(paths)
        self._read_models = read_models
        self._read_reused = read_reused

    def __repr__(self) -> str:
        return f"TaskStruct({self.name!r}, {self.task_type}, {self.num_classes} classes)"

    @cached_property
    def models(self) -> list[Any]:
        """Storages of the models trained on the task, the latest last."""
        return self._read_models() if self._read_models else []

    @cached_property
    def reused(self) -> Mapping[str, Sequence[Path]]:
        """Reused files of the task from other projects, by key; the latest file of each project comes last."""
        return self._read_reused() if self._read_reused else {}

    @cached_property
    def header(self) -> dict[str, Any]:
        """Header of the task description."""
        return read_header(self.paths["description"])

    @cached_property
    def _description(self) -> TaskDescription:
        return TaskDescription.read(self.paths["description"])

    @cached_property
    def samples(self) -> Mapping[str, np.ndarray]:
        """Columns `id`, `row`, `split`, `fold`, `digest` of all samples."""
        return {key: np.array(self._description.samples[key]) for key in ("id", "row", "split", "fold", "digest")}

    @cached_property
    def division(self) -> str:
        """Digest of the split and fold of each sample. The order of the samples does not matter."""
        columns = (self._description.samples[key] for key in ("id", "split", "fold"))
        return digest(sorted(zip(*columns, strict=True)))

    @cached_property
    def targets(self) -> np.ndarray:
        """Targets of the samples.

        - Classification: class indices (int64, N); -1 unlabelled.
        - Multi-label classification: probabilities (float32, N×classes); NaN unknown.
        - Regression: values (float32, N); NaN unlabelled.
        - Segmentation: number of pixels of each class (int64, N×classes).
        """
        values = self._description.targets.values
        return values if values.dtype.kind == "i" else values.astype(np.float32)

    @cached_property
    def weights(self) -> np.ndarray | None:
        """Weight of each sample in the loss (float32, N); None where the task has no weights."""
        weights = self._description.weights
        return None if weights is None else weights.astype(np.float32)

    @cached_property
    def lookup(self) -> np.ndarray:
        """Class index of each mask value (int64, 256); 255 for ignored values."""
        table = np.full(256, IGNORE, dtype=np.int64)
        for value, label in self.idx_to_class.items():
            table[value] = self.classes.index(label)
        return table

    @property
    def task_type(self) -> str:
        """Name of the task type."""
        return self.header["task_type"]

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 for a regression."""
        return self.header["num_classes"]

    @property
    def num_folds(self) -> int:
        """Number of folds."""
        return self.header["num_folds"]

    @property
    def num_samples(self) -> dict[str, int]:
        """Number of samples, under `all` and by split."""
        return self.header["num_samples"]

    @property
    def num_outputs(self) -> int:
        """Number of outputs of a network per image; for segmentation, per pixel."""
        return TASK_TYPES[self.task_type].num_outputs(self.num_classes)

    @property
    def classes(self) -> list[str]:
        """Names of the classes by index."""
        return self.header["classes"]

    @property
    def idx_to_class(self) -> dict[int, str]:
        """Class of each index; for segmentation, of each mask value. Several mask values may have one class."""
        return {int(index): name for index, name in self.header["idx_to_class"].items()}

    @property
    def is_partial(self) -> bool:
        """True if some labels of labelled samples are unknown (NaN in `targets`)."""
        return "label_counts" in self.header

    @property
    def is_weighted(self) -> bool:
        """True if samples have weights in the loss."""
        return "weights" in self.header

    @property
    def class_occ(self) -> dict[str, int]:
        """Number of training samples that show each class, over all folds."""
        return self.header["class_occ"]

    @property
    def sizes(self) -> dict[str, int]:
        """Smallest and largest height and width of the delivered images, in pixels."""
        return self.header["sizes"]

    @property
    def modalities(self) -> dict[str, str]:
        """Modality of the images, `{"image": "microscopy"}`."""
        return self.header["modalities"]

    @property
    def keywords(self) -> list[str]:
        """Domain of the data set."""
        return self.header["keywords"]

    @cached_property
    def pixels(self) -> PixelFormat | None:
        """Type and channels of the packed images; None in a step without the task's images."""
        if "packed" not in self.paths:
            return None
        pixels = read_packed_format(self.paths["packed"]).get("pixels")
        return PixelFormat(pixels["depth"], tuple(pixels["channels"])) if pixels else PixelFormat()

    @cached_property
    def _mean_and_std(self) -> tuple[list[float], list[float]]:
        verify(self.paths["packed"])
        read_packed_format(self.paths["packed"])
        rows = self.samples["row"][self.samples["split"] == "train"]
        mean, square = np.load(self.paths["packed"] / "moments.npy", mmap_mode="r")[rows].mean(axis=0)
        return mean.tolist(), np.sqrt(np.maximum(square - mean**2, 0)).tolist()

    @property
    def means(self) -> list[float]:
        """Mean of each channel over the packed training images, in 0..1."""
        return self._mean_and_std[0]

    @property
    def stds(self) -> list[float]:
        """Standard deviation of each channel over all pixels of the packed training images, in 0..1."""
        return self._mean_and_std[1]

    def select(self, part: str, fold: int | None = None) -> np.ndarray:
        """Return the positions of the samples of a part, ascending (int64).

        Args:
            part: `train` (all folds but `fold`), `val` (the fold itself), `test` or `unlabelled`.
            fold: the fold of `train` and `val`.

        Raises:
            MMLError: the task has no such samples.
        """
        training = self.samples["split"] == "train"
        is_in_part = {
            "train": training & (self.samples["fold"] != fold),
            "val": training & (self.samples["fold"] == fold),
        }.get(part, self.samples["split"] == part)
        if not is_in_part.any():
            fold_text = f" of fold {fold}" if part in ("train", "val") else ""
            raise MMLError(f"task {self.name} has no samples in '{part}'{fold_text}; it has {self.num_samples}")
        return np.flatnonzero(is_in_part)
