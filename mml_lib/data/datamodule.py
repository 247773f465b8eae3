"""The data module: batches of images for training, validation and prediction."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from mml_lib.config.training_options import Patches, Sampling
from mml_lib.data.crops import Crops, CropSampler, cut, cut_mask
from mml_lib.data.read_ahead import ReadAhead
from mml_lib.data.sampling import BatchSampler
from mml_lib.errors import MMLError
from mml_lib.files.checksums import verify
from mml_lib.files.containers import read_packed_format
from mml_lib.images.packing import IMAGES, MASKS
from mml_lib.images.stores.sized_store import MASK_PIXELS, PIXELS, SIZES, SizedPixels
from mml_lib.machine.terminal import summarized, warn
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.struct import TaskStruct

Batch = dict[str, torch.Tensor]


class TaskImages(Dataset[Batch], ABC):
    """Samples of a task, read a batch at a time. Each process that reads opens the arrays itself.

    Args:
        struct: the task.
        positions: positions of the samples in the task, N.
        pinned: True to read images into pinned memory, from which copies to a GPU are faster.
        masks: False to read only the images of a segmentation, without masks.
    """

    def __init__(self, struct: TaskStruct, positions: np.ndarray, pinned: bool = False, masks: bool = True):
        self.folder = struct.paths["packed"]
        self.segmentation = masks and TASK_TYPES[struct.task_type].has_masks
        self.rows = struct.samples["row"][positions]
        verify(self.folder)
        read_packed_format(self.folder)
        self.ids = struct.samples["id"][positions]
        self.targets = struct.targets[positions]
        self.weights = None if struct.weights is None else struct.weights[positions]
        self.lookup = struct.lookup if self.segmentation else None
        self.pinned = pinned

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without cached properties, because another process opens its own arrays."""
        cached = {name for kind in type(self).__mro__ for name, value in vars(kind).items() if _is_cached(value)}
        return {key: value for key, value in self.__dict__.items() if key not in cached}

    def __getitem__(self, batch: np.ndarray) -> Batch:
        """Return `image` (B×C×H×W of the packed dtype, in channels-last memory) and `target` of positions, B.

        Targets: class indices (int64, B), probabilities (float32, B×classes), values (float32, B), or classes of
        pixels (int64, B×H×W, 255 ignored). With weights of samples, also `weight` (float32, B).
        """
        images, masks = self.read(self.rows[batch])
        target = self.targets[batch] if masks is None or self.lookup is None else self.lookup[masks]
        return {"image": images.permute(0, 3, 1, 2), "target": torch.from_numpy(target), **self.weights_of(batch)}

    def room(self, count: int, height: int, width: int) -> torch.Tensor:
        """Return uninitialised memory for images, count×H×W×C of the packed dtype."""
        channels, dtype = self.images.shape[-1], getattr(torch, self.images.dtype.name)
        return torch.empty(count, height, width, channels, dtype=dtype, pin_memory=self.pinned)

    def weights_of(self, batch: np.ndarray) -> Batch:
        """Return `weight` of positions (float32, B); empty if the task has no weights."""
        return {} if self.weights is None else {"weight": torch.from_numpy(self.weights[batch])}

    def image(self, position: int) -> np.ndarray:
        """Return a view of the packed image at a position, H×W×C."""
        return self.images[self.rows[position]]

    def mask(self, position: int) -> np.ndarray:
        """Return a view of the packed mask at a position, H×W (uint8)."""
        return self.masks[self.rows[position]]

    @property
    @abstractmethod
    def images(self) -> np.ndarray | SizedPixels:
        """All packed images of the data set, by row."""

    @property
    @abstractmethod
    def masks(self) -> np.ndarray | SizedPixels:
        """All packed masks of the data set, by row."""

    @property
    @abstractmethod
    def sizes(self) -> np.ndarray:
        """Height and width of each image, N×2."""


def _is_cached(value: Any) -> bool:
    return isinstance(value, cached_property)


class PackedImages(TaskImages):
    """Images of one size, in packed arrays."""

    @cached_property
    def images(self) -> np.ndarray:
        # A plain view, because indexing a memmap is slower.
        return np.asarray(np.load(self.folder / IMAGES, mmap_mode="r"))

    @cached_property
    def masks(self) -> np.ndarray:
        return np.asarray(np.load(self.folder / MASKS, mmap_mode="r"))

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, np.ndarray | None]:
        """Return images, B×H×W×C, and masks, B×H×W, of rows of the packed arrays; None without masks."""
        images = self.room(len(rows), *self.images.shape[1:3])
        np.take(self.images, rows, axis=0, out=images.numpy(), mode="clip")  # other modes make one more copy
        return images, np.take(self.masks, rows, axis=0) if self.segmentation else None

    @property
    def sizes(self) -> np.ndarray:
        return np.broadcast_to(self.images.shape[1:3], (len(self), 2))


class SizedImages(TaskImages):
    """Images of several sizes. A batch is padded with black to the largest height and width."""

    @cached_property
    def images(self) -> SizedPixels:
        return SizedPixels(self.folder / PIXELS)

    @cached_property
    def masks(self) -> SizedPixels:
        return SizedPixels(self.folder / MASK_PIXELS)

    @cached_property
    def sizes(self) -> np.ndarray:
        return np.load(self.folder / SIZES)[self.rows]

    def __getitem__(self, batch: np.ndarray) -> Batch:
        height, width = self.sizes[batch].max(axis=0).tolist()
        images = self.room(len(batch), height, width).zero_()
        target = self.targets[batch]
        if self.segmentation:
            target = np.full((len(batch), height, width), IGNORE, np.int64)
        for place, position in enumerate(batch.tolist()):
            cut(self.image(position), 0, 0, images[place].numpy())
            if self.lookup is not None:
                cut_mask(self.mask(position), 0, 0, self.lookup, target[place])
        return {"image": images.permute(0, 3, 1, 2), "target": torch.from_numpy(target), **self.weights_of(batch)}


class _Worker(ForkServerProcess):
    """A process that reads batches. It does not import the script of the step, as Python does by default."""

    def start(self) -> None:
        main = vars(sys.modules["__main__"])
        script = main.pop("__file__", None)
        try:
            super().start()
        finally:
            if script is not None:
                main["__file__"] = script


class _Workers(ForkServerContext):
    """Forks workers from a server process with the needed imports.

    Forks of the step's own process could hang, because it has another thread.
    """

    Process = _Worker

    def __init__(self) -> None:
        super().__init__()
        self.set_forkserver_preload([__name__])


class MMLDataModule(LightningDataModule):
    """Loaders of one task, or of several at once: a batch then contains one batch of each, and shorter tasks repeat.

    Args:
        struct: the task.
        fold: fold to validate on; the other folds are for training. None: neither part is used.
        sampling: options of training batches.
        seed: seed of the training.
        patches: size of crops for training and of windows for predictions; None: whole images.
        num_workers: number of processes that read ahead; 0: the training process reads.
        pin_memory: True to return batches in pinned memory, from which copies to a GPU are faster, and to read ahead
            even without workers.
        co_structs: further tasks to train on.

    Raises:
        MMLError: the task has no such fold.
    """

    def __init__(
        self,
        struct: TaskStruct,
        fold: int | None,
        sampling: Sampling,
        seed: int,
        patches: Patches | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        co_structs: Sequence[TaskStruct] = (),
    ):
        super().__init__()
        if fold is not None and fold >= struct.num_folds:
            raise MMLError(f"task {struct.name} has {struct.num_folds} folds, so there is no fold {fold}")
        self.struct = struct
        self.co_structs = list(co_structs)
        self.fold = fold
        self.sampling = sampling
        self.seed = seed
        self.patches = patches
        self.pinned = pin_memory and not num_workers  # workers must not touch a GPU
        self.loader = ReadAhead if self.pinned else DataLoader
        self.loading = _loading(num_workers, pin_memory)

    @property
    def batch_size(self) -> int:
        """Number of images in a batch. Lightning's tuner sets it."""
        return self.sampling.batch_size

    @batch_size.setter
    def batch_size(self, batch_size: int) -> None:
        self.sampling = self.sampling.model_copy(update={"batch_size": batch_size})

    def part(self, part: str) -> TaskImages:
        """Return the samples of `train`, `val`, `test` or `unlabelled`."""
        return self._images(self.struct, self.struct.select(part, self.fold))

    def _images(self, struct: TaskStruct, positions: np.ndarray) -> TaskImages:
        return images_of(struct, positions, self.pinned)

    def train_dataloader(self) -> DataLoader[Batch] | dict[str, DataLoader[Batch]]:
        """Return the loader of the task; with several tasks, the loader of each by name."""
        loader = self._shuffled(self.struct, self.part("train"))
        if not self.co_structs:
            return loader
        others = {
            task.name: self._shuffled(task, self._images(task, self._training_positions(task)))
            for task in self.co_structs
        }
        return {self.struct.name: loader, **others}

    def _shuffled(self, struct: TaskStruct, images: TaskImages) -> DataLoader[Batch]:
        sampling, classes = self.sampling, images.targets
        if not TASK_TYPES[struct.task_type].is_single_label:
            sampling, classes = sampling.model_copy(update={"balanced": False}), np.zeros(len(images), np.int64)
        share = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        if self.patches is not None:
            classes = np.repeat(classes, self.patches.per_image)
            sampler = CropSampler(classes, sampling, self.seed, *share)
            return self.loader(Crops(images, self.patches), sampler=sampler, **self.loading)
        return self.loader(images, sampler=BatchSampler(classes, sampling, self.seed, *share), **self.loading)

    def _training_positions(self, struct: TaskStruct) -> np.ndarray:
        """Return the positions of a further task's samples for training, N.

        Its fold with the number of the main task's fold is left out. So are images that the main task holds out, in any
        data set, identified by their content.

        Raises:
            MMLError: no image is left.
        """
        assert self.fold is not None, "only trainings have further tasks"
        positions = struct.select("train", self.fold % struct.num_folds)
        main, other = self.struct.samples, struct.samples
        held_out = (main["split"] == "test") | ((main["split"] == "train") & (main["fold"] == self.fold))
        shared = np.isin(other["digest"][positions], main["digest"][held_out])
        if shared.all():
            raise MMLError(
                f"mode.co_tasks: all training images of {struct.name} are held out by {self.struct.name}; leave it out"
            )
        if shared.any():
            names = summarized(other["id"][positions[shared]])
            warn(
                f"{struct.name}: {shared.sum()} of {len(positions)} training images are validation or test images of "
                f"{self.struct.name} in fold {self.fold}, and are not learned: {names}; one division of both keeps "
                "them (folds of their data set in datasets, or columns split or fold that agree for each image)"
            )
        return positions[~shared]

    def val_dataloader(self) -> DataLoader[Batch]:
        return self.ordered("val")

    def ordered(self, part: str) -> DataLoader[Batch]:
        """Return a loader of each sample of a part once, with batches of one image size. `positions_of` has the order.

        With patches, a batch is one image, which is predicted window by window.
        """
        images = self.part(part)
        batch_size = self.sampling.batch_size if self.patches is None else 1
        return self.loader(images, sampler=by_size(images.sizes, batch_size), **self.loading)


def images_of(struct: TaskStruct, positions: np.ndarray, pinned: bool = False, masks: bool = True) -> TaskImages:
    """Return samples of a task; see `TaskImages` for the arguments.

    Raises:
        MMLError: the images were packed by an earlier version of MML.
    """
    for file, kind in ((IMAGES, PackedImages), (PIXELS, SizedImages)):
        if (struct.paths["packed"] / file).exists():
            return kind(struct, positions, pinned, masks)
    raise MMLError(
        f"the images of {struct.paths['packed']} are not packed, as they were by an earlier version of MML; remove "
        "the folder, and the same command packs them"
    )


def ordered_loader(
    images: TaskImages, batches: Sequence[np.ndarray], num_workers: int = 0, pin_memory: bool = False
) -> DataLoader[Batch]:
    """Return a loader of given batches of images, such as those of `by_size`.

    Args:
        images: the images.
        batches: positions of the images of each batch.
        num_workers, pin_memory: see `MMLDataModule`.
    """
    pinned = pin_memory and not num_workers
    return (ReadAhead if pinned else DataLoader)(images, sampler=batches, **_loading(num_workers, pin_memory))


def _loading(num_workers: int, pin_memory: bool) -> dict[str, Any]:
    """Return the arguments of a loader."""
    return {
        "batch_size": None,  # the sampler yields whole batches, which the dataset reads at once
        "num_workers": num_workers,
        "pin_memory": pin_memory,
        "persistent_workers": num_workers > 0,
        "multiprocessing_context": _Workers() if num_workers else None,
    }


def positions_of(loader: DataLoader[Batch]) -> np.ndarray:
    """Return the positions of the samples of an ordered loader in their part, in its order, N."""
    return np.concatenate(list(loader.sampler))


def by_size(sizes: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return all positions in batches of one image size, so that nothing is padded. `sizes` is N×2."""
    _, kind, counts = np.unique(sizes, axis=0, return_inverse=True, return_counts=True)
    groups = np.split(np.argsort(kind.ravel(), kind="stable"), np.cumsum(counts)[:-1])
    return [group[start : start + batch_size] for group in groups for start in range(0, len(group), batch_size)]
