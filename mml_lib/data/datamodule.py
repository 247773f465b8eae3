"""The data module: batches of packed images for training, validation and prediction."""

from collections.abc import Iterable

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from mml_lib.config.schema import Sampling
from mml_lib.data.sampling import BatchSampler
from mml_lib.errors import MMLError
from mml_lib.tasks.struct import TaskStruct

Batch = dict[str, torch.Tensor]


class PackedImages(Dataset[Batch]):
    """Some samples of a task out of its packed images, read a batch at a time.

    Args:
        struct: the task.
        positions: samples of it, N.
    """

    def __init__(self, struct: TaskStruct, positions: np.ndarray):
        # A plain view: indexing the memmap class itself costs more.
        self.images = np.asarray(np.load(struct.paths["images"], mmap_mode="r"))
        self.rows = struct.samples["row"][positions]
        self.labels = struct.samples["label"][positions]
        self.ids = struct.samples["id"][positions]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, batch: np.ndarray) -> Batch:
        """Return `image` (uint8, B×3×H×W in channels-last memory) and `target` (int64, B) of some positions."""
        images = torch.from_numpy(np.take(self.images, self.rows[batch], axis=0))
        return {"image": images.permute(0, 3, 1, 2), "target": torch.from_numpy(self.labels[batch])}


class MMLDataModule(LightningDataModule):
    """Feeds one task.

    Args:
        struct: the task.
        fold: what is validated on; the other folds are trained on.
        sampling: how training batches are drawn.
        seed: seed of the training.
        num_workers: processes that read ahead; 0 reads in the training process.
        pin_memory: hand batches over in memory that a GPU copies from faster.
    """

    def __init__(
        self,
        struct: TaskStruct,
        fold: int,
        sampling: Sampling,
        seed: int,
        num_workers: int = 0,
        pin_memory: bool = False,
    ):
        super().__init__()
        if fold >= struct.num_folds:
            raise MMLError(f"task {struct.name} has {struct.num_folds} folds, so there is no fold {fold}")
        self.struct = struct
        self.fold = fold
        self.sampling = sampling
        self.seed = seed
        self.loading = {
            "batch_size": None,  # the sampler yields whole batches, the dataset reads them in one go
            "num_workers": num_workers,
            "pin_memory": pin_memory,
            "persistent_workers": num_workers > 0,
        }

    def part(self, part: str) -> PackedImages:
        """Return the samples of `train`, `val` or `test`."""
        return PackedImages(self.struct, self.struct.select(part, self.fold))

    def train_dataloader(self) -> DataLoader[Batch]:
        images = self.part("train")
        return DataLoader(images, sampler=BatchSampler(images.labels, self.sampling, self.seed), **self.loading)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self.ordered("val")

    def ordered(self, part: str) -> DataLoader[Batch]:
        """Return a loader of a part in its own order, without repetition."""
        images = self.part(part)
        return DataLoader(images, sampler=in_order(len(images), self.sampling.batch_size), **self.loading)


def in_order(count: int, batch_size: int) -> Iterable[np.ndarray]:
    """Return the positions 0 to `count` in batches."""
    return [np.arange(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
