"""Predictors: trained networks that answer for new images, in class names, probabilities, masks or values."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from mml_lib.data.datamodule import by_size
from mml_lib.deployment.deployed_network import NetworkGroup, has_masks, restored_mask
from mml_lib.deployment.new_images import Images, NewImage, new_images, repeated_ids
from mml_lib.deployment.prediction_rows import prediction_rows
from mml_lib.deployment.preparation import Preparation, Prepared
from mml_lib.errors import MMLError
from mml_lib.evaluation.ensembles.combining import combine
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.images.image_files import kept_memory
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, Predictions
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.training.guards import is_out_of_memory

if TYPE_CHECKING:
    import pandas as pd

Refused = dict[str, str]
"""Ids of images that cannot be predicted, with the reasons."""

Observe = Callable[[Sequence[Prepared]], None]
"""Function that is called with the prepared images of the first member, grouped by size."""

AHEAD = 3
"""Batches that are read ahead."""


class NoImagesLeft(MMLError):
    """All images are refused."""


@dataclass(frozen=True)
class Member:
    """Networks of one run with the preparation of their images.

    Args:
        run: id of the run.
        group: the networks.
        preparation: conversion and preprocessing of images.
    """

    run: str
    group: NetworkGroup
    preparation: Preparation

    @property
    def transforms(self) -> Sequence[Mapping[str, object]] | None:
        """Transforms to invert, so that masks have the size of their images; None if they are unknown."""
        return self.preparation.transforms if self.preparation.is_restorable else None

    @torch.inference_mode()
    def predictions(
        self,
        images: Sequence[NewImage],
        batch_size: int,
        threads: int,
        observe: Observe | None = None,
        refused: Refused | None = None,
    ) -> AnyPredictions:
        """Return the predictions of images, unlabelled.

        Args:
            images: the images, N.
            batch_size: number of images in a batch.
            threads: number of threads that read images.
            observe: called with all prepared images, grouped by size.
            refused: gets the images that cannot be predicted, which are left out; None: the first one ends the
                prediction.

        Raises:
            NoImagesLeft: all images are refused.
        """
        outputs: list[np.ndarray] = []
        names: list[str] = []
        for batch in self.batches(images, batch_size, threads, refused):
            names += [prepared.id for prepared in batch]
            answers: list[np.ndarray | None] = [None] * len(batch)
            sizes = np.array([prepared.pixels.shape[:2] for prepared in batch])
            for places in by_size(sizes, batch_size):
                of_size = [batch[place] for place in places]
                for place, answer in zip(places, self.answers(of_size), strict=True):
                    answers[place] = answer
                if observe is not None:
                    observe(of_size)
            outputs += [answer for answer in answers if answer is not None]
        if not outputs:
            raise NoImagesLeft("images: no image can be predicted")
        ids, kind = np.array(names), TASK_TYPES[self.group.task_type]
        network = self.group.networks[0]
        if kind.has_masks:
            targets = [np.full_like(mask, IGNORE) for mask in outputs]
            return MaskPredictions.of(outputs, targets, ids, network.network.heads[network.task]["outputs"])
        logits = np.stack(outputs).astype(np.float32)
        if kind.is_single_label:
            return Predictions(logits, np.full(len(ids), -1), ids, kind.name)
        unknown = np.full(logits.shape if kind.is_multilabel else len(ids), np.nan, np.float32)
        return Predictions(logits, unknown, ids, kind.name)

    def batches(
        self, images: Sequence[NewImage], batch_size: int, threads: int, refused: Refused | None = None
    ) -> Iterator[list[Prepared]]:
        """Yield prepared images in batches, in their order, while the next ones are read; without refused ones."""
        draft = not has_masks(self.group.task_type)
        waiting: deque[tuple[str, Future[Prepared]]] = deque()
        rest = iter(images)
        with ExitStack() as stack:
            stack.enter_context(kept_memory(threads))
            pool = stack.enter_context(ThreadPoolExecutor(threads))
            stack.callback(pool.shutdown, cancel_futures=True)
            for image in islice(rest, AHEAD * batch_size):
                waiting.append((image.id, pool.submit(self.preparation, image, draft)))
            while waiting:
                first = [waiting.popleft() for _ in range(min(batch_size, len(waiting)))]
                batch = [_result(name, future, refused) for name, future in first]
                for image in islice(rest, len(first)):
                    waiting.append((image.id, pool.submit(self.preparation, image, draft)))
                if prepared := [image for image in batch if image is not None]:
                    yield prepared

    def answers(self, batch: Sequence[Prepared], is_packed: bool = False) -> Iterable[np.ndarray]:
        """Return logits, values or masks of prepared images of one size.

        Args:
            batch: the images.
            is_packed: leave masks at the packed size.
        """
        masks = has_masks(self.group.task_type)
        transforms = None if is_packed else self.transforms
        if self.group.networks[0].window is not None:
            if masks:
                return [self.group.mask_by_windows(prepared, transforms) for prepared in batch]
            return [self.group.logits_by_windows(prepared.pixels) for prepared in batch]
        images = tensor_of(batch).to(self.group.device)
        if not masks:
            return self.group.logits(images)
        pairs = zip(self.group.masks(images), batch, strict=True)
        return [restored_mask(mask, prepared, transforms) for mask, prepared in pairs]


def _result(name: str, future: Future[Prepared], refused: Refused | None) -> Prepared | None:
    """Return a prepared image; None: it is refused.

    Raises:
        MMLError: it cannot be read or prepared, and refused images are not collected.
    """
    try:
        return future.result()
    except MMLError as error:
        if refused is None:
            raise
        refused[name] = str(error)
        return None


def check_counts(batch_size: int, threads: int | None) -> None:
    """Refuse numbers of images or threads that are not whole numbers of 1 or more.

    Raises:
        MMLError: naming the argument.
    """
    for name, value in {"batch_size": batch_size, "threads": 1 if threads is None else threads}.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise MMLError(f"{name}: {value!r} is not a positive integer")


def tensor_of(batch: Sequence[Prepared]) -> torch.Tensor:
    """Return images of one size, N×C×H×W of the packed type, in channels-last memory as those of a training."""
    return torch.from_numpy(np.stack([prepared.pixels for prepared in batch])).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Predictor:
    """A trained run, or an ensemble of runs, that predicts new images.

    Args:
        task: name of the task.
        classes: names of its classes, in the order of outputs; empty for a regression.
        members: the runs with their networks.
        ensemble: rule that combines the members; None: a single member.
    """

    task: str
    classes: list[str]
    members: Sequence[Member]
    ensemble: EnsembleStorage | None = None

    @property
    def task_type(self) -> str:
        """Name of the task type."""
        return self.members[0].group.task_type

    def __repr__(self) -> str:
        networks = sum(len(member.group.networks) for member in self.members)
        runs = ", ".join(dict.fromkeys(member.run for member in self.members))
        return f"Predictor({self.task!r}, {self.task_type}, {networks} networks of {runs})"

    def __call__(self, images: Images, batch_size: int = 32, threads: int | None = None) -> "pd.DataFrame":
        """Return one row for each image.

        Args:
            images: a folder, a table with a column `image`, a file, an array H×W or H×W×C (N×H×W×C for several), a
                picture of Pillow, a list of these, or a mapping of ids to them.
            batch_size: number of images in a batch.
            threads: number of threads that read images; None: one for each core.

        Returns:
            `id`, `file` (empty for images in memory), and by task type

            - classification: `prediction` (class name), `probability/<class>`;
            - multi-label: `prediction` (names of labels with a probability of 0.5 or more, joined by `; `),
              `probability/<label>`;
            - regression: `prediction` (value in the unit of the task);
            - segmentation: `prediction/<class>` (pixels of each class at the size of the image; see `masks`).

        Raises:
            MMLError: there are no images, or one cannot be read or differs in kind from the training images.
        """
        listed = new_images(images)
        return prediction_rows(self.predictions(listed, batch_size, threads), self.classes, listed)

    def masks(
        self, images: Images, batch_size: int = 32, threads: int | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield id and mask of each image: the index of the class of each pixel, uint8 H×W at the size of the image.

        Raises:
            MMLError: the network predicts no masks; as for rows.
        """
        if not has_masks(self.task_type):
            raise MMLError(f"masks: networks of {self.task} predict no masks, which is a {self.task_type}")
        listed = new_images(images)
        check_counts(batch_size, threads)
        for start in range(0, len(listed), batch_size):
            part = self.predictions(listed[start : start + batch_size], batch_size, threads)
            assert isinstance(part, MaskPredictions), "networks for masks predict masks"
            yield from ((str(id_), mask) for id_, (mask, _) in zip(part.ids, part.images(), strict=True))

    def predictions(
        self,
        images: Images,
        batch_size: int = 32,
        threads: int | None = None,
        observe: Observe | None = None,
        refused: Refused | None = None,
    ) -> AnyPredictions:
        """Return the predictions in the stored form: merged logits, values, or masks at the sizes of the images.

        Args:
            images: as for rows.
            batch_size: number of images in a batch.
            threads: number of threads that read images; None: one for each core.
            observe: called with the prepared images of the first member.
            refused: receives the images that cannot be predicted; None: raise an error for the first one.

        Raises:
            MMLError: as for rows, or two images have the same id.
            NoImagesLeft: all images are refused.
        """
        is_listed = isinstance(images, list) and all(isinstance(image, NewImage) for image in images)
        listed: list[NewImage] = images if is_listed else new_images(images)  # type: ignore[assignment]
        if repeated := repeated_ids(listed):
            raise MMLError(f"images: several images have the id '{repeated[0]}'; use unique ids")
        check_counts(batch_size, threads)
        threads = threads or len(os.sched_getaffinity(0))
        try:
            parts = [self.members[0].predictions(listed, batch_size, threads, observe, refused)]
            for member in self.members[1:]:
                remaining = [image for image in listed if image.id not in (refused or ())]
                parts.append(member.predictions(remaining, batch_size, threads, refused=refused))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise MMLError(f"out of memory with {batch_size} images at once; lower batch_size") from error
        if refused:
            parts = [part.take(np.flatnonzero([name not in refused for name in part.ids.tolist()])) for part in parts]
        return parts[0] if self.ensemble is None else combine(self.ensemble, parts)

    def to(self, device: str | torch.device) -> "Predictor":
        """Move all networks to a device, and return the predictor."""
        for member in self.members:
            for network in member.group.networks:
                network.to(device)
        return self

    def with_folds(self, folds: Sequence[int]) -> "Predictor":
        """Return the predictor of some of the networks of each member, by their place."""
        members = [
            replace(
                member,
                group=replace(
                    member.group,
                    networks=[member.group.networks[fold] for fold in folds],
                    calibrations=[member.group.calibrations[fold] for fold in folds],
                ),
            )
            for member in self.members
        ]
        return replace(self, members=members)
