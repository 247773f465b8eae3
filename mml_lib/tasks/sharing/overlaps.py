"""Overlaps: images that one task holds out and another trains on, from whatever data set or table."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.image_guards import ImageGuard

logger = logging.getLogger(__name__)

WORDS = {"test": "test", "val": "validation", "fold": "validation"}


@dataclass(frozen=True)
class Overlap:
    """Images of a held-out part of one task that are training images of another.

    Args:
        guard: guard that compared the tasks.
        part: part of the tested task.
        images: ids of a sample of the learned task and of a sample of the tested task, for each image.
    """

    guard: ImageGuard
    part: str
    images: Sequence[tuple[str, str]]

    @property
    def message(self) -> str:
        """Error about these images."""
        learned, tested = self.guard.learned[0], self.guard.tested[0]
        files = summarized(
            f"{tested}: {tested_id} = {learned}: {training_id}" for training_id, tested_id in self.images
        )
        count = len(self.images)
        s, verb = ("", "is a training image") if count == 1 else ("s", "are training images")
        return (
            f"{self.guard.key}: {count} {WORDS[self.part]} image{s} of {tested} {verb} of {learned} ({files}); give "
            "both the same division (columns split or fold that agree for each image), or leave one of them out"
        )


def compare_images(guards: Sequence[ImageGuard], tasks: Sequence[TaskDescription]) -> list[dict[str, Any]]:
    """Compare the images of tasks, and refuse held-out images that are training images.

    Args:
        guards: tasks to compare, and their held-out parts.
        tasks: descriptions of all tasks that the guards name.

    Returns:
        Each guard with `shared`, the number of images that both tasks contain in any split.

    Raises:
        MMLError: a held-out image is a training image, or a task has no digests of its images.
    """
    by_name = {(task.header["name"], task.header["id"]): task for task in tasks}
    compared, refused = [], []
    for guard in guards:
        learned, tested = _digests(by_name[guard.learned]), _digests(by_name[guard.tested])
        shared = len(set(learned) & set(tested))
        compared.append({**guard.as_json(), "shared": shared})
        if shared:
            refused += [
                overlap
                for part in guard.parts
                if (overlap := _overlap(guard, part, by_name[guard.learned], by_name[guard.tested])).images
            ]
    for overlap in refused:
        logger.info("%s", overlap.message)
        for training_id, tested_id in overlap.images:
            logger.info("  %s = %s", tested_id, training_id)
    if refused:
        raise MMLError(refused[0].message)
    return compared


def images_twice(tasks: Sequence[TaskDescription]) -> list[str]:
    """Return a hint for each pair of data sets of which one contains most images of the other.

    Args:
        tasks: descriptions of tasks. Those of an older MML, which have no digests of images, are skipped.
    """
    images: dict[str, set[str]] = {}
    owners: dict[str, str] = {}
    for task in tasks:
        if None in task.samples["digest"]:
            continue
        images.setdefault(task.header["dataset"], set()).update(task.samples["digest"])
        owners.setdefault(task.header["dataset"], task.header["name"])
    lines = []
    for first, second in combinations(images, 2):
        shared = len(images[first] & images[second])
        if 2 * shared > min(len(images[first]), len(images[second])):
            lines.append(
                f"{owners[first]} and {owners[second]}: their data sets {first} and {second} have {shared:,} images in "
                "common; one of `datasets:` for both tasks unpacks, reads and packs them once"
            )
    return lines


def existing_images_twice(task: TaskDescription, paths: Sequence[str]) -> list[str]:
    """Return hints about a task and each other task that shares most of its images.

    Args:
        task: a task.
        paths: descriptions of other tasks. Those that do not exist yet are skipped.
    """
    others = (TaskDescription.read(path) for path in paths if os.path.isfile(path))
    return [line for other in others for line in images_twice([other, task])]


def _digests(task: TaskDescription) -> list[str]:
    digests = task.samples["digest"]
    if None in digests:
        raise MMLError(
            f"the task {task.header['name']} has no digests of its images, because an older MML described it; describe "
            "it again: snakemake --forcerun create_task"
        )
    return digests


def _columns(task: TaskDescription) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return digest, split and fold of each sample."""
    return np.array(_digests(task), dtype=object), task.column["split"], task.column["fold"]


def _overlap(guard: ImageGuard, part: str, learned: TaskDescription, tested: TaskDescription) -> Overlap:
    """Return the images of a held-out part of one task that are training images of another.

    Images that the tested task itself trains on do not count; `duplicates: allow` admits them.
    """
    digests, split, fold = _columns(learned)
    tested_digests, tested_split, tested_fold = _columns(tested)
    trained = split == "train"
    if part == "test":
        pairs = [(trained, tested_split == "test", tested_split == "train")]
    else:
        pairs = []
        for number in range(tested.header["num_folds"]):
            in_fold = (tested_split == "train") & (tested_fold == number)
            is_used = trained & (fold != number % max(1, learned.header["num_folds"])) if part == "fold" else trained
            pairs.append((is_used, in_fold, (tested_split == "train") & ~in_fold))
    images: dict[str, tuple[str, str]] = {}
    for is_used, held_out, admitted in pairs:
        common = (set(digests[is_used]) & set(tested_digests[held_out])) - set(tested_digests[admitted])
        images |= _ids_of(common, (learned, digests, is_used), (tested, tested_digests, held_out))
    return Overlap(guard, part, list(images.values()))


def _ids_of(common: set[str], *sides: tuple[TaskDescription, np.ndarray, np.ndarray]) -> Mapping[str, tuple[str, str]]:
    """Return the ids of the samples of both tasks with common images, by digest, in the order of the second task."""
    if not common:
        return {}
    by_digest = []
    for task, digests, is_selected in sides:
        rows = [row for row in np.flatnonzero(is_selected).tolist() if digests[row] in common]
        by_digest.append({digests[row]: task.samples["id"][row] for row in reversed(rows)})
    first, second = by_digest
    return {digest: (first[digest], second[digest]) for digest in reversed(second)}
