"""Task structs: a light view of a task for a step."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError
from mml_lib.tasks.description import TaskDescription, read_header

if TYPE_CHECKING:
    import numpy as np


class TaskStruct:
    """A task with its header, its `paths` and its `models`; samples and statistics are read when first asked for.

    Args:
        name: name of the task.
        paths: where its `description`, `images` and `moments` lie, as far as they exist.
        models: storages of the models trained on it, latest last.
    """

    def __init__(self, name: str, paths: Mapping[str, Path], models: list[Any] | None = None):
        self.name = name
        self.paths = dict(paths)
        self.models = list(models or [])

    def __repr__(self) -> str:
        return f"TaskStruct({self.name!r}, {self.task_type}, {self.num_classes} classes, {len(self.models)} models)"

    @cached_property
    def header(self) -> dict[str, Any]:
        return read_header(self.paths["description"])

    @cached_property
    def samples(self) -> Mapping[str, "np.ndarray"]:
        """Columns `id`, `row`, `label`, `split`, `fold` of all samples."""
        import numpy as np

        return {
            key: np.array(column) for key, column in TaskDescription.read(self.paths["description"]).samples.items()
        }

    @property
    def task_type(self) -> str:
        return self.header["task_type"]

    @property
    def num_classes(self) -> int:
        return self.header["num_classes"]

    @property
    def num_folds(self) -> int:
        return self.header["num_folds"]

    @property
    def num_samples(self) -> dict[str, int]:
        """Samples in `all`, and by split."""
        return self.header["num_samples"]

    @property
    def idx_to_class(self) -> dict[int, str]:
        return {int(index): name for index, name in self.header["idx_to_class"].items()}

    @property
    def class_occ(self) -> dict[str, int]:
        """Training samples of each class, over all folds."""
        return self.header["class_occ"]

    @property
    def sizes(self) -> dict[str, int]:
        """Least and largest height and width of the delivered images, in pixels."""
        return self.header["sizes"]

    @property
    def modalities(self) -> dict[str, str]:
        return self.header["modalities"]

    @property
    def keywords(self) -> list[str]:
        return self.header["keywords"]

    @cached_property
    def _mean_and_std(self) -> tuple[list[float], list[float]]:
        import numpy as np

        rows = self.samples["row"][self.samples["split"] == "train"]
        mean, square = np.load(self.paths["moments"], mmap_mode="r")[rows].mean(axis=0)
        return mean.tolist(), np.sqrt(np.maximum(square - mean**2, 0)).tolist()

    @property
    def means(self) -> list[float]:
        """Mean of each channel (R, G, B) over the packed training images, in 0..1."""
        return self._mean_and_std[0]

    @property
    def stds(self) -> list[float]:
        """Standard deviation of each channel over all pixels of the packed training images, in 0..1."""
        return self._mean_and_std[1]

    def select(self, part: str, fold: int | None = None) -> "np.ndarray":
        """Return the positions of the samples of a part, in their order.

        Args:
            part: `train` (all folds but `fold`), `val` (the fold itself) or `test`.
            fold: the fold of `train` and `val`.

        Raises:
            MMLError: the task has no such samples.
        """
        import numpy as np

        training = self.samples["split"] == "train"
        chosen = {
            "train": training & (self.samples["fold"] != fold),
            "val": training & (self.samples["fold"] == fold),
        }.get(part, self.samples["split"] == part)
        if not chosen.any():
            of_fold = f" of fold {fold}" if part in ("train", "val") else ""
            raise MMLError(f"task {self.name} has no samples in '{part}'{of_fold}; it has {self.num_samples}")
        return np.flatnonzero(chosen)
