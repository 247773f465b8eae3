"""Matching of a task's samples with the images in the manifest of a shared data set."""

import os
from collections.abc import Sequence
from dataclasses import replace

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized, warn
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.delivery_checks import check_delivery


def match_samples(dataset: Dataset, delivery: Delivery, task: str) -> tuple[Dataset, list[int]]:
    """Return the data set with the samples of a task, and the row of each sample in the manifest.

    A file with several images gives a sample for each of its rows. Samples without a group have the group in the
    manifest, so that images of a patient stay together.

    Args:
        dataset: the shared data set.
        delivery: samples of the task, from the same creator.
        task: name of the task, for errors.

    Raises:
        MMLError: an image is not in the data set, or the samples cannot form a task.
    """
    check_delivery(delivery, task)
    places = _places(dataset)
    has_groups = any(sample.group is not None for sample in delivery.samples)
    samples: list[Sample] = []
    rows: list[int] = []
    for sample in delivery.samples:
        path = _absolute(dataset, sample.image)
        if path not in places:
            raise MMLError(
                f"{task}: the image {path} of sample '{sample.id}' is not in the data set {dataset.name}; the data "
                "changed after the study was planned, or its creator names images in another way: run the command again"
            )
        images = [dataset.delivery.samples[row] for row in places[path]]
        if _absolute(dataset, images[0].image) == path:
            samples += [_placed(sample, image) for image in images]
        else:
            file = replace(sample, group=sample.group or (sample.id if has_groups else None))
            samples += [replace(_placed(file, image), id=f"{sample.id}#{_frame(image)}") for image in images]
        rows += places[path]
    _check_masks(samples, delivery, task)
    samples = _with_groups(samples, [dataset.delivery.samples[row].group for row in rows], task)
    delivery = replace(delivery, samples=samples)
    if TASK_TYPES[delivery.task_type].has_masks and dataset.delivery.has_ignored_value:
        # Values of drawn masks denote the classes of all samples of the data set.
        delivery = replace(delivery, classes=dataset.delivery.classes, has_ignored_value=True)
    check_delivery(delivery, task)
    return _with_samples(dataset, delivery, rows), rows


def placed_samples(dataset: Dataset, delivery: Delivery, name: str) -> list[Sample]:
    """Return a sample for each row of a manifest, with split, fold, group and label of its image in a delivery.

    Args:
        dataset: the shared data set.
        delivery: split, fold and group of its images, from the same creator.
        name: name of the data set, for errors.

    Raises:
        MMLError: an image has two splits, folds or groups, or is missing.
    """
    places = _places(dataset)
    has_groups = any(sample.group is not None for sample in delivery.samples)
    by_row: dict[int, Sample] = {}
    for sample in delivery.samples:
        for row in places.get(_absolute(dataset, sample.image), ()):
            first = by_row.setdefault(row, sample)
            if (first.split, first.fold, first.group) != (sample.split, sample.fold, sample.group):
                raise MMLError(
                    f"{name}: the image {sample.image} has two places, as '{first.id}' and as '{sample.id}'; give both "
                    "the same split, fold and group"
                )
    placed = []
    for row, image in enumerate(dataset.delivery.samples):
        if (place := by_row.get(row)) is None:
            raise MMLError(f"{name}: the image {image.image} is new in the data, or gone; run the command again")
        group = (place.group or place.id) if has_groups else image.group
        placed.append(replace(image, split=place.split, fold=place.fold, group=group, label=place.label))
    return placed


def _places(dataset: Dataset) -> dict[str, list[int]]:
    """Return the rows of each image, and of each file with several images, by path."""
    places: dict[str, list[int]] = {}
    for row, sample in enumerate(dataset.delivery.samples):
        path = _absolute(dataset, sample.image)
        places.setdefault(path, []).append(row)
        file, mark, number = path.rpartition("#")
        if mark and number.isdecimal():
            places.setdefault(file, []).append(row)
    return places


def _absolute(dataset: Dataset, image: str) -> str:
    return os.path.normpath(os.path.join(dataset.folder.absolute(), image))


def _frame(image: Sample) -> str:
    return image.image.rpartition("#")[2]


def _placed(sample: Sample, image: Sample) -> Sample:
    """Return a sample of a task with the image in the manifest, and with its mask if the sample has one."""
    mask = None if sample.mask is None else image.mask
    return replace(sample, image=image.image, channels=image.channels, mask=mask)


def _check_masks(samples: Sequence[Sample], delivery: Delivery, task: str) -> None:
    """Refuse a segmentation whose masks are missing in the data set."""
    if not TASK_TYPES[delivery.task_type].has_masks:
        return
    if lacking := [sample.id for sample in samples if sample.mask is None and sample.split != "unlabelled"]:
        raise MMLError(
            f"{task}: the data set has no masks of {len(lacking):,} samples ({summarized(lacking)}); name the column "
            "or folder of masks in the data set"
        )


def _with_groups(samples: Sequence[Sample], groups: Sequence[str | None], task: str) -> list[Sample]:
    """Return samples with the groups of the manifest if they have none of their own."""
    if all(sample.group is None for sample in samples):
        return [replace(sample, group=group) for sample, group in zip(samples, groups, strict=True)]
    homes: dict[str, set[str]] = {}
    for sample, group in zip(samples, groups, strict=True):
        if group is not None and sample.split != "unlabelled":
            homes.setdefault(group, set()).add(sample.group or f"sample {sample.id}")
    divided = [f"{group}: {' and '.join(sorted(names)[:2])}" for group, names in homes.items() if len(names) > 1]
    if divided:
        warn(
            f"{task}: the groups of the task divide {len(divided)} of {len(homes)} groups of the data set, as patients "
            f"are, so that one may be trained on and tested ({summarized(divided)}); correct the groups"
        )
    return list(samples)


def _with_samples(dataset: Dataset, delivery: Delivery, rows: Sequence[int]) -> Dataset:
    """Return the data set with other samples, and the properties of their images in the manifest."""
    masks = [delivery.samples[place].mask for place in range(len(rows))]
    values = dataset.values and [
        dataset.values[row] if mask is not None else None for row, mask in zip(rows, masks, strict=True)
    ]
    table = dataset.masks and replace(
        dataset.masks,
        kinds=[dataset.masks.kinds[row] if mask is not None else None for row, mask in zip(rows, masks, strict=True)],
    )
    return replace(
        dataset,
        delivery=delivery,
        sizes=[dataset.sizes[row] for row in rows],
        digests=dataset.digests and [dataset.digests[row] for row in rows],
        values=values,
        masks=table,
    )
