"""Overlaps: images that one task holds out and another learns, whatever data set, table, tag or archive brings them."""

import logging
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
    """Images of a part of one task that another learns.

    Args:
        guard: the guard that compared both.
        part: of the task that is tested.
        images: id of a sample of the learned task, and of one of the tested task, for each image.
    """

    guard: ImageGuard
    part: str
    images: Sequence[tuple[str, str]]

    @property
    def message(self) -> str:
        """The refusal of these images."""
        learned, tested = self.guard.learned[0], self.guard.tested[0]
        files = summarized(f"{tested}: {ours} = {learned}: {theirs}" for theirs, ours in self.images)
        count = len(self.images)
        s, verb = ("", "is a training image") if count == 1 else ("s", "are training images")
        return (
            f"{self.guard.key}: {count} {WORDS[self.part]} image{s} of {tested} {verb} of {learned} ({files}); give "
            "both the same division (columns split or fold that agree for each image), or leave one of them out"
        )


def compare_images(guards: Sequence[ImageGuard], tasks: Sequence[TaskDescription]) -> list[dict[str, Any]]:
    """Compare the images of tasks, and refuse held-out ones that are learned.

    Args:
        guards: which must not be learned.
        tasks: descriptions of all tasks that the guards name.

    Returns:
        each guard with the number of images that both tasks show, in whatever split.

    Raises:
        MMLError: a held-out image is learned, or the images of a task are not known by their content.
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
        for theirs, ours in overlap.images:
            logger.info("  %s = %s", ours, theirs)
    if refused:
        raise MMLError(refused[0].message)
    return compared


def images_twice(tasks: Sequence[TaskDescription]) -> list[str]:
    """Return a line for each two data sets of which one shows most images of the other.

    Args:
        tasks: descriptions of tasks; those of an older MML, whose images are not known by their content, are left out.
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


def _digests(task: TaskDescription) -> list[str]:
    digests = task.samples["digest"]
    if None in digests:
        raise MMLError(
            f"the images of the task {task.header['name']} are not known by their content, as an older MML described "
            "it; describe it anew: snakemake --forcerun create_task"
        )
    return digests


def _columns(task: TaskDescription) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return digest, split and fold of each sample."""
    return np.array(_digests(task), dtype=object), task.column["split"], task.column["fold"]


def _overlap(guard: ImageGuard, part: str, learned: TaskDescription, tested: TaskDescription) -> Overlap:
    """Return the images of a part of one task that are training images of another.

    Images that the tested task itself trains on, which `duplicates: allow` admits, do not count.
    """
    digests, split, fold = _columns(learned)
    own, own_split, own_fold = _columns(tested)
    trained = split == "train"
    if part == "test":
        pairs = [(trained, own_split == "test", own_split == "train")]
    else:
        pairs = []
        for number in range(tested.header["num_folds"]):
            inside = (own_split == "train") & (own_fold == number)
            seen = trained & (fold != number % max(1, learned.header["num_folds"])) if part == "fold" else trained
            pairs.append((seen, inside, (own_split == "train") & ~inside))
    images: dict[str, tuple[str, str]] = {}
    for seen, held_out, admitted in pairs:
        common = (set(digests[seen]) & set(own[held_out])) - set(own[admitted])
        images |= _named(common, (learned, digests, seen), (tested, own, held_out))
    return Overlap(guard, part, list(images.values()))


def _named(common: set[str], *sides: tuple[TaskDescription, np.ndarray, np.ndarray]) -> Mapping[str, tuple[str, str]]:
    """Return the ids of the samples of both sides that show common images, by digest, in the order of the second."""
    if not common:
        return {}
    by_digest = []
    for task, digests, chosen in sides:
        rows = [row for row in np.flatnonzero(chosen).tolist() if digests[row] in common]
        by_digest.append({digests[row]: task.samples["id"][row] for row in reversed(rows)})
    first, second = by_digest
    return {digest: (first[digest], second[digest]) for digest in reversed(second)}
