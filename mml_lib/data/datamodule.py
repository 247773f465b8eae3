"""The data module: batches of images for training, validation and prediction."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from mml_lib.config.training_options import Sampling
from mml_lib.data.read_ahead import ReadAhead
from mml_lib.data.sampling import BatchSampler
from mml_lib.errors import MMLError
from mml_lib.files.checksums import verify
from mml_lib.files.containers import check_packed
from mml_lib.images.decoding import decode
from mml_lib.images.mask_files import unused_value
from mml_lib.images.packing import IMAGES, MASKS, SIZES
from mml_lib.images.transforms import check_masks_move
from mml_lib.machine.terminal import summarized, warn
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import Dataset as Manifest
from mml_lib.tasks.struct import TaskStruct

Batch = dict[str, torch.Tensor]

MOST_DECODING = 8
"""Threads up to which a process decodes as fast as several do: 373 images of 1024×768 a second with 8 threads, 331 with
8 processes, but 491 and 654 with 16."""

MOST_WORKERS = 16
"""Processes that feed a training, unless the study says more."""


class TaskImages(Dataset[Batch], ABC):
    """Some samples of a task, read a batch at a time. Arrays are opened where they are read, in each process anew.

    Args:
        struct: the task.
        positions: samples of it, N.
        pinned: read images into memory that a GPU copies from faster.
    """

    def __init__(self, struct: TaskStruct, positions: np.ndarray, pinned: bool = False):
        self.folder = struct.paths["packed"]
        self.segmentation = TASK_TYPES[struct.task_type].has_masks
        self.rows = struct.samples["row"][positions]
        verify(self.folder)
        check_packed(self.folder)
        self.ids = struct.samples["id"][positions]
        self.targets = struct.targets[positions]
        self.lookup = struct.lookup if self.segmentation else None
        self.pinned = pinned

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out cached properties: another process opens its own."""
        cached = {name for kind in type(self).__mro__ for name, value in vars(kind).items() if _is_cached(value)}
        return {key: value for key, value in self.__dict__.items() if key not in cached}

    def __getitem__(self, batch: np.ndarray) -> Batch:
        """Return `image` (uint8, B×3×H×W in channels-last memory) and `target` of some positions.

        Targets: class indices (int64, B), probabilities (float32, B×classes), values (float32, B), or classes of
        pixels (int64, B×H×W, 255 ignored).
        """
        images, masks = self.read(self.rows[batch])
        target = self.targets[batch] if masks is None or self.lookup is None else self.lookup[masks]
        return {"image": images.permute(0, 3, 1, 2), "target": torch.from_numpy(target)}

    def room(self, count: int, height: int, width: int) -> torch.Tensor:
        """Return memory for so many images, uint8 B×H×W×3, whatever it holds."""
        return torch.empty(count, height, width, 3, dtype=torch.uint8, pin_memory=self.pinned)

    @abstractmethod
    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, np.ndarray | None]:
        """Return images (uint8, B×H×W×3) and, for segmentation, mask values (uint8, B×H×W)."""

    @property
    @abstractmethod
    def sizes(self) -> np.ndarray:
        """Height and width of each image, N×2."""


def _is_cached(value: Any) -> bool:
    return isinstance(value, cached_property)


class PackedImages(TaskImages):
    """Images out of the packed arrays."""

    @cached_property
    def images(self) -> np.ndarray:
        # A plain view: indexing the memmap class itself costs more.
        return np.asarray(np.load(self.folder / IMAGES, mmap_mode="r"))

    @cached_property
    def masks(self) -> np.ndarray:
        return np.asarray(np.load(self.folder / MASKS, mmap_mode="r"))

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, np.ndarray | None]:
        images = self.room(len(rows), *self.images.shape[1:3])
        np.take(self.images, rows, axis=0, out=images.numpy(), mode="clip")  # by default it copies once more
        return images, np.take(self.masks, rows, axis=0) if self.segmentation else None

    @property
    def sizes(self) -> np.ndarray:
        return np.broadcast_to(self.images.shape[1:3], (len(self), 2))


class DecodedImages(TaskImages):
    """Images of any size, decoded whenever they are asked for; in a batch they are padded to the largest, in black.

    Args:
        struct: the task.
        positions: samples of it, N.
        transforms: of the preprocessing.
        threads: how many to decode with.
        pinned: read images into memory that a GPU copies from faster.
    """

    def __init__(
        self,
        struct: TaskStruct,
        positions: np.ndarray,
        transforms: Sequence[dict[str, Any]],
        threads: int,
        pinned: bool = False,
    ):
        super().__init__(struct, positions, pinned)
        self.manifest = struct.paths["dataset"]
        self.transforms = transforms
        self.threads = threads

    @cached_property
    def dataset(self) -> Manifest:
        return Manifest.read(self.manifest)

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads)

    @cached_property
    def padding(self) -> int:
        """Mask value of pixels that are in no mask."""
        return unused_value(self.dataset.values or ())

    @cached_property
    def sizes(self) -> np.ndarray:
        return np.load(self.folder / SIZES)[self.rows]

    def _decode(self, row: int) -> tuple[np.ndarray, np.ndarray | None]:
        mask = self.dataset.mask_path(row) if self.segmentation else None
        dataset = self.dataset
        file, colors, value_range = dataset.image_path(row), dataset.mask_colors, dataset.value_range
        return decode(file, self.transforms, mask, self.padding, colors, value_range)

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, np.ndarray | None]:
        decoded = list(self.pool.map(self._decode, rows.tolist()))
        height, width = np.max([image.shape[:2] for image, _ in decoded], axis=0)
        images = self.room(len(rows), height, width).zero_()
        masks = np.full((len(rows), height, width), self.padding, np.uint8) if self.segmentation else None
        for place, (image, mask) in enumerate(decoded):
            images[place, : image.shape[0], : image.shape[1]] = torch.from_numpy(image)
            if mask is not None and masks is not None:
                masks[place, : mask.shape[0], : mask.shape[1]] = mask
        return images, masks


class _Worker(ForkServerProcess):
    """A process that reads batches; it does not run the script of the step again, as Python would have it."""

    def start(self) -> None:
        main = vars(sys.modules["__main__"])
        script = main.pop("__file__", None)
        try:
            super().start()
        finally:
            if script is not None:
                main["__file__"] = script


class _Workers(ForkServerContext):
    """Starts workers out of a process that has imported what they need. Forked off this one, beside the thread that
    watches over a step, they could hang.
    """

    Process = _Worker

    def __init__(self) -> None:
        super().__init__()
        self.set_forkserver_preload([__name__])


def best_workers(struct: TaskStruct, threads: int, on_gpu: bool) -> int:
    """Return the number of processes that feed a training or a prediction best.

    Packed images are read faster than any network learns. Threads decode as fast as processes, which have to be started
    and need memory, up to about 8 of them; on a CPU both would only take time from the network.

    Args:
        struct: the task.
        threads: that the step has.
        on_gpu: whether the network computes on a GPU.
    """
    packed = (struct.paths["packed"] / IMAGES).exists()
    return min(threads, MOST_WORKERS) if on_gpu and not packed and threads > MOST_DECODING else 0


class MMLDataModule(LightningDataModule):
    """Feeds one task, or several at once: their batches side by side, shorter tasks cycled.

    Args:
        struct: the task.
        fold: what is validated on; the other folds are trained on. None: neither is asked for.
        sampling: how training batches are drawn.
        seed: seed of the training.
        transforms: of the preprocessing, where images are not packed.
        threads: how many to decode with, where images are not packed.
        num_workers: processes that read ahead; 0 reads in the training process.
        pin_memory: hand batches over in memory that a GPU copies from faster, and read ahead in any case.
        co_structs: further tasks to train on.
    """

    def __init__(
        self,
        struct: TaskStruct,
        fold: int | None,
        sampling: Sampling,
        seed: int,
        transforms: Sequence[dict[str, Any]] = (),
        threads: int = 1,
        num_workers: int = 0,
        pin_memory: bool = False,
        co_structs: Sequence[TaskStruct] = (),
    ):
        super().__init__()
        if fold is not None and fold >= struct.num_folds:
            raise MMLError(f"task {struct.name} has {struct.num_folds} folds, so there is no fold {fold}")
        if any(TASK_TYPES[task.task_type].has_masks for task in (struct, *co_structs)):
            check_masks_move(transforms)
        self.struct = struct
        self.co_structs = list(co_structs)
        self.fold = fold
        self.sampling = sampling
        self.seed = seed
        self.transforms = transforms
        self.threads = threads
        self.pinned = pin_memory and not num_workers  # workers must not touch a GPU
        self.loader = ReadAhead if self.pinned else DataLoader
        self.loading = {
            "batch_size": None,  # the sampler yields whole batches, the dataset reads them in one go
            "num_workers": num_workers,
            "pin_memory": pin_memory,
            "persistent_workers": num_workers > 0,
            "multiprocessing_context": _Workers() if num_workers else None,
        }

    @property
    def batch_size(self) -> int:
        """Images a batch, which Lightning's tuner sets."""
        return self.sampling.batch_size

    @batch_size.setter
    def batch_size(self, batch_size: int) -> None:
        self.sampling = self.sampling.model_copy(update={"batch_size": batch_size})

    def part(self, part: str) -> TaskImages:
        """Return the samples of `train`, `val`, `test` or `unlabelled`."""
        return self._images(self.struct, self.struct.select(part, self.fold))

    def _images(self, struct: TaskStruct, positions: np.ndarray) -> TaskImages:
        if (struct.paths["packed"] / IMAGES).exists():
            return PackedImages(struct, positions, self.pinned)
        return DecodedImages(struct, positions, self.transforms, self.threads, self.pinned)

    def train_dataloader(self) -> DataLoader[Batch] | dict[str, DataLoader[Batch]]:
        """Return the loader of the task, or, where there are several, a loader of each by name."""
        own = self._shuffled(self.struct, self.part("train"))
        if not self.co_structs:
            return own
        others = {task.name: self._shuffled(task, self._images(task, self._learnt(task))) for task in self.co_structs}
        return {self.struct.name: own, **others}

    def _shuffled(self, struct: TaskStruct, images: TaskImages) -> DataLoader[Batch]:
        sampling, classes = self.sampling, images.targets
        if not TASK_TYPES[struct.task_type].is_single_label:
            sampling, classes = sampling.model_copy(update={"balanced": False}), np.zeros(len(images), np.int64)
        share = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return self.loader(images, sampler=BatchSampler(classes, sampling, self.seed, *share), **self.loading)

    def _learnt(self, struct: TaskStruct) -> np.ndarray:
        """Return the positions of another task's samples that are trained on, N.

        Its own fold of the same number is left out, and so are images that the task itself holds out, which their
        content tells, in whatever data set they are.

        Raises:
            MMLError: nothing is left.
        """
        assert self.fold is not None, "tasks are learned beside another one in trainings only"
        positions = struct.select("train", self.fold % struct.num_folds)
        own, other = self.struct.samples, struct.samples
        held_out = (own["split"] == "test") | ((own["split"] == "train") & (own["fold"] == self.fold))
        shared = np.isin(other["digest"][positions], own["digest"][held_out])
        if shared.all():
            raise MMLError(
                f"mode.co_tasks: all training images of {struct.name} are held out by {self.struct.name}; leave it out"
            )
        if shared.any():
            names = summarized(other["id"][positions[shared]])
            warn(
                f"{struct.name}: {shared.sum()} of {len(positions)} training images are validation or test images of "
                f"{self.struct.name} in fold {self.fold}, and are not learned: {names}; one division of both keeps "
                "them (columns split or fold that agree for each image)"
            )
        return positions[~shared]

    def val_dataloader(self) -> DataLoader[Batch]:
        return self.ordered("val")

    def ordered(self, part: str) -> DataLoader[Batch]:
        """Return a loader of a part without repetition, with batches of one image size each; see `positions_of`."""
        images = self.part(part)
        return self.loader(images, sampler=by_size(images.sizes, self.sampling.batch_size), **self.loading)


def positions_of(loader: DataLoader[Batch]) -> np.ndarray:
    """Return the positions in its part of all that an ordered loader yields, N."""
    return np.concatenate(list(loader.sampler))


def by_size(sizes: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return all positions in batches, in order, with images of one size in each batch, so that nothing is padded."""
    _, kind, counts = np.unique(sizes, axis=0, return_inverse=True, return_counts=True)
    groups = np.split(np.argsort(kind.ravel(), kind="stable"), np.cumsum(counts)[:-1])
    return [group[start : start + batch_size] for group in groups for start in range(0, len(group), batch_size)]
