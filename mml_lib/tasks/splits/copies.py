"""Copies: samples of one data set whose images have the same content digest."""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mml_lib.config.task_options import SEPARATOR
from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized, warn
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import SPLITS, Dataset, Sample
from mml_lib.tasks.targets import Targets

logger = logging.getLogger(__name__)


def group_names(groups: Sequence[str | None], ids: Sequence[str]) -> np.ndarray:
    """Return the name of each sample's group (str, N); a sample without one is a group of its own."""
    pairs = zip(groups, ids, strict=True)
    return np.array([f"s:{id_}" if group is None else f"g:{group}" for group, id_ in pairs])


def are_grouped(groups: np.ndarray) -> bool:
    """Return True if a group has several samples."""
    return len(set(groups.tolist())) < len(groups)


def in_random_order(groups: np.ndarray, seed: int) -> np.ndarray:
    """Return the groups (N) under names in a random order, behind the two letters of `group_names`.

    The division of equal groups follows their names, in which patients of one site or year may be neighbours.
    """
    names, group = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    pairs = zip(names.tolist(), order.tolist(), strict=True)
    return np.array([f"{name[:2]}{place:09d}" for name, place in pairs])[group]


def merge_groups(groups: np.ndarray, digests: Sequence[str | None]) -> np.ndarray:
    """Return the groups (N), merged where they share an image, under the name of the first sample's group.

    Args:
        groups: name of the group of each sample, N.
        digests: content digest of the image of each sample, N; None where it is unknown.
    """
    if not copied_rows(digests):
        return groups
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = np.array([row for row, digest in enumerate(digests) if digest is not None])
    names, group = np.unique(groups, return_inverse=True)
    _, image = np.unique([digests[row] for row in rows], return_inverse=True)
    size = len(names) + image.max() + 1
    edges = coo_array((np.ones(len(rows), np.int8), (group[rows], len(names) + image)), shape=(size, size))
    component = connected_components(edges, directed=False)[1][group]
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    return groups[first][inverse]


def copied_rows(digests: Sequence[str | None]) -> list[list[int]]:
    """Return the rows of each image that several samples show, in the order of the first."""
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        if digest is not None:
            rows.setdefault(digest, []).append(row)
    return [same for same in rows.values() if len(same) > 1]


@dataclass(frozen=True)
class Copies:
    """The copies within a data set, for one of its tasks.

    Args:
        dataset: data set with the digests of its images.
        name: name of the task, for errors.
        allowed: copies may cross splits and folds that the data define.
        left_out: ids of samples that are left out after the division.
    """

    dataset: Dataset
    name: str
    allowed: bool = False
    left_out: Collection[str] = ()

    @cached_property
    def rows(self) -> list[list[int]]:
        """Rows of each image that several samples show."""
        return copied_rows(self.dataset.digests or [])

    def merge(self, groups: np.ndarray) -> np.ndarray:
        """Return the groups (N), merged where they share an image."""
        return merge_groups(groups, self.dataset.digests or [])

    def check(self, split: np.ndarray, fold: np.ndarray, targets: Targets) -> None:
        """Refuse copies that cross splits or folds, and warn of all others.

        Args:
            split: train, test or unlabelled, N.
            fold: -1 where there is none, N.
            targets: of all samples, N.

        Raises:
            MMLError: an image is in two splits or folds, and that is not allowed.
        """
        samples, left_out = self.dataset.delivery.samples, set(self.left_out)
        kept = [[row for row in rows if samples[row].id not in left_out] for rows in self.rows]
        labelled = [[row for row in rows if split[row] != "unlabelled"] for rows in kept]
        labelled = [rows for rows in labelled if len(rows) > 1]
        self._warn_of_labels(labelled, targets)
        crossing = [rows for rows in labelled if len({(split[row], fold[row]) for row in rows}) > 1]
        if crossing:
            self._refuse(crossing)
        elif labelled:
            count = sum(map(len, labelled))
            warn(
                f"{self.name}: {count} images are copies of each other ({len(labelled)} different); those that are "
                f"identical stay in one split and fold: {self._listed(labelled)}"
            )

    def _refuse(self, crossing: Sequence[Sequence[int]]) -> None:
        samples = self.dataset.delivery.samples
        places = [list(dict.fromkeys(_place(samples[row]) for row in rows)) for rows in crossing]
        pairs = list(dict.fromkeys(" and ".join(sorted(pair, key=_order)) for pair in places))
        count = f"{len(crossing)} image{'s are' if len(crossing) > 1 else ' is'} in {summarized(pairs)}"
        for rows in crossing:
            logger.info("identical: %s", self._files(rows))
        if self.allowed:
            warn(f"{self.name}: {count}, as tasks.{self._base}.duplicates allows: {self._listed(crossing)}")
            return
        raise MMLError(
            f"{self.name}: {count}, under other names or as copies: {self._listed(crossing)}; keep each in one of "
            f"them, or set tasks.{self._base}.duplicates: allow"
        )

    @property
    def _base(self) -> str:
        return self.name.split(SEPARATOR)[0]

    def _listed(self, copies: Iterable[Sequence[int]]) -> str:
        return summarized(self._files(rows) for rows in copies)

    def _files(self, rows: Sequence[int]) -> str:
        return " = ".join(str(self.dataset.image_path(row)) for row in rows)

    def _warn_of_labels(self, copies: Sequence[Sequence[int]], targets: Targets) -> None:
        """Warn of identical images that have different labels; masks are compared where they are surveyed."""
        if TASK_TYPES[targets.task_type].has_masks:
            return
        contrary = [rows for rows in copies if _are_contrary(targets.values[rows])]
        if not contrary:
            return
        words = (
            ", ".join(f"{self.dataset.image_path(row)} ({_label(self.dataset.delivery.samples[row])})" for row in rows)
            for rows in contrary
        )
        warn(
            f"{self.name}: {len(contrary)} image{'s have' if len(contrary) > 1 else ' has'} different labels in "
            f"identical copies: {summarized(words)}; correct the labels, or leave the copies out"
        )


def _are_contrary(values: np.ndarray) -> bool:
    """Return True if targets of copies differ; an unknown label agrees with any other."""
    return bool(((values != values[0]) & ~np.isnan(values) & ~np.isnan(values[0])).any())


def _place(sample: Sample) -> str:
    """Return the split or fold that the data define for a sample, in words."""
    fold = "" if sample.fold is None else f"fold {sample.fold}"
    if sample.split in (None, "train") and fold:
        return fold
    return sample.split or "no fold"


def _order(place: str) -> tuple[int, str]:
    return (SPLITS.index(place) if place in SPLITS else len(SPLITS), place)


def _label(sample: Sample) -> str:
    if isinstance(sample.label, dict):
        return ", ".join(label for label, value in sample.label.items() if value) or "no label"
    return str(sample.label)
