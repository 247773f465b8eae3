"""Splits and folds: which samples are trained on, validated on, and held out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mml_lib.config.tasks import SEPARATOR
from mml_lib.errors import MMLError
from mml_lib.files.terminal import summarized, warn
from mml_lib.tasks.dataset import Sample
from mml_lib.tasks.group_folds import group_folds
from mml_lib.tasks.targets import Targets


@dataclass(frozen=True)
class Splitting:
    """How samples are split, as far as the data leave that open.

    Args:
        folds: number of folds.
        test_fraction: share of the test split.
        seed: seed of all choices.
        fold_0_fraction: share of fold 0 among the training samples; the others share the rest. None: even.
        time_limit: seconds that balancing classes over groups may take.
    """

    folds: int
    test_fraction: float = 0.0
    seed: int = 0
    fold_0_fraction: float | None = None
    time_limit: float = 60.0

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> "Splitting":
        """Return what the definition of a task says."""
        keys = ("folds", "test_fraction", "seed", "fold_0_fraction")
        return cls(**{key: definition[key] for key in keys}, time_limit=definition["fold_time_limit"])

    @property
    def shares(self) -> list[float]:
        """The share of each fold among the training samples."""
        if self.fold_0_fraction is None:
            return [1 / self.folds] * self.folds
        rest = (1 - self.fold_0_fraction) / (self.folds - 1)
        return [self.fold_0_fraction] + [rest] * (self.folds - 1)


@dataclass(frozen=True)
class Assignment:
    """Split (train, test or unlabelled) and fold of each sample; fold -1 is in no fold.

    `report` says how well groups could be balanced, for `test` and `folds` as far as groups were divided.
    """

    split: list[str]
    fold: list[int]
    num_folds: int
    report: dict[str, Any] = field(default_factory=dict)


def assign(samples: Sequence[Sample], targets: Targets, name: str, splitting: Splitting) -> Assignment:
    """Assign samples to a test split and folds, stratified over classes, groups kept together.

    What the data set brings wins: its `split` and `fold` values. A `val` split becomes fold 0, without folds the only
    one. A task of the type `no_task` is unlabelled as a whole.

    Raises:
        MMLError: a class or the groups are too few, or the given folds do not fit.
    """
    if targets.task_type == "no_task":
        return Assignment(["unlabelled"] * len(samples), [-1] * len(samples), 0)
    divider = Divider(targets, groups_of(samples), name, splitting)
    split = np.array([sample.split or "" for sample in samples], dtype=object)
    fold = np.array([-1 if sample.fold is None else sample.fold for sample in samples])
    labelled = split != "unlabelled"
    open_, given_folds = split == "", bool((fold[labelled & (split != "test")] >= 0).any())
    if open_.any() and (split[labelled] != "").any():
        row = int(np.flatnonzero(open_)[0])
        raise MMLError(f"{name}: sample '{samples[row].id}' has no split though others have one; fill the column")
    if open_.any():
        # A test split beside given folds: the samples without a fold.
        test = open_ & (fold < 0) if given_folds else divider.held_out(np.flatnonzero(open_))
        split[open_] = np.where(test[open_], "test", "train")
    if not (split == "train").any():
        raise MMLError(f"{name}: there is no training sample; put some in the split 'train', or set task_type: no_task")
    fold[split == "val"] = 0
    fold[(split == "test") | ~labelled] = -1
    if not given_folds and not (split == "val").any():
        divider.into_folds(np.flatnonzero(split == "train"), fold)
    validated = (split == "val").any()
    split[split == "val"] = "train"
    _check(samples, split, fold, name)
    _check_tested(targets, split, name)
    _check_validated(targets, split, fold, name, "'val'" if validated else "fold {}" if given_folds else None)
    _warn_of_one_value(targets, split, name)
    return Assignment(split.tolist(), fold.tolist(), int(fold.max()) + 1, divider.report)


def groups_of(samples: Sequence[Sample]) -> np.ndarray:
    """Return a group for each sample, samples without one being a group of their own."""
    return np.array([f"g:{s.group}" if s.group is not None else f"s:{s.id}" for s in samples])


class Divider:
    """Divides samples, and remembers how well it could be done.

    Args:
        targets: of all samples, N.
        groups: of all samples, N.
        name: the task, for errors.
        splitting: how.
    """

    def __init__(self, targets: Targets, groups: np.ndarray, name: str, splitting: Splitting):
        self.targets = targets
        self.groups = groups
        self.name = name
        self.splitting = splitting
        self.report: dict[str, Any] = {}

    def held_out(self, rows: np.ndarray) -> np.ndarray:
        """Return a mask (N) of the test split, `test_fraction` of the samples `rows`."""
        test = np.zeros(len(self.groups), dtype=bool)
        fraction = self.splitting.test_fraction
        if fraction:
            self._check_classes(rows, self.splitting.folds + 1, "folds and test split")
            test[rows] = self._divide(rows, [fraction, 1 - fraction], "test", self.splitting.folds + 1) == 0
        return test

    def into_folds(self, rows: np.ndarray, fold: np.ndarray) -> None:
        """Set the fold of the samples `rows`."""
        parts = "folds beside the test split" if self.splitting.test_fraction else "folds"
        self._check_classes(rows, self.splitting.folds, parts)
        fold[rows] = self._divide(rows, self.splitting.shares, "folds", self.splitting.folds)

    def _divide(self, rows: np.ndarray, shares: Sequence[float], what: str, needed: int) -> np.ndarray:
        """Return the part of each sample in `rows`."""
        groups, seed = self.groups[rows], self.splitting.seed
        strata = self.targets.take(rows).strata(groups, needed)
        if len(set(groups)) == len(groups):
            part = _stratified(strata, shares, seed)
        elif len(set(groups)) < needed:
            found = _count(set(groups), "group")
            raise MMLError(f"{self.name}: {found} cannot fill {needed} folds and splits; {self._remedy('group')}")
        else:
            folds = group_folds(strata, groups, shares, seed, self.splitting.time_limit)
            part, self.report[what] = folds.fold, folds.report
        for number, share in enumerate(shares):
            if not (part == number).any():
                raise MMLError(
                    f"{self.name}: a share of {share:g} of {len(rows)} images is less than one image; take a larger one"
                )
        return part

    def _check_classes(self, rows: np.ndarray, needed: int, parts: str) -> None:
        """Refuse classes that cannot be in each part."""
        presence, groups = self.targets.presence[rows], self.groups[rows]
        thing = "group" if len(set(groups)) < len(groups) else "image"
        for label, shown in zip(self.targets.classes, presence.T, strict=True):
            found = set(groups[shown])
            if 0 < len(found) < needed:
                raise MMLError(
                    f"{self.name}: the class '{label}' has {_count(found, thing)}, {parts} need at least {needed}; "
                    f"{self._remedy(thing)}"
                )
        if len(rows) < needed:
            raise MMLError(f"{self.name}: {_count(rows, 'image')} cannot fill {needed} folds and splits; add images")

    def _remedy(self, thing: str) -> str:
        # Tags are put on a task that the study defines.
        return f"add {thing}s, or lower tasks.{self.name.split(SEPARATOR)[0]}.folds"


def _count(things: Collection[Any] | np.ndarray, word: str) -> str:
    return f"{len(things)} {word}" + ("" if len(things) == 1 else "s")


def _stratified(strata: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """Return the part of each sample; in every stratum a part differs from its share by less than one sample.

    What whole numbers leave over goes to the part that is furthest behind over all strata so far, so that many small
    strata do not add up to one deviation.
    """
    rng = np.random.default_rng(seed)
    part = np.empty(len(strata), dtype=int)
    shares = np.asarray(shares)
    total = np.zeros(len(shares))
    names, stratum = np.unique(strata, return_inverse=True)
    for number in range(len(names)):
        rows = rng.permutation(np.flatnonzero(stratum == number))
        counts = np.floor(shares * len(rows) + 1e-9)
        for _ in range(len(rows) - int(counts.sum())):
            below = counts < shares * len(rows) - 1e-9
            lag = np.round(shares * (total.sum() + len(rows)) - total - counts, 9)
            counts[np.argmax(np.where(below, lag, -np.inf))] += 1
        total += counts
        part[rows] = np.repeat(np.arange(len(shares)), counts.astype(int))
    return part


def _check_tested(targets: Targets, split: np.ndarray, name: str) -> None:
    """Refuse a class that is tested on, but never trained on."""
    tested, trained = (targets.presence[split == which].any(axis=0) for which in ("test", "train"))
    for label, lost in zip(targets.classes, tested & ~trained, strict=True):
        if lost:
            raise MMLError(f"{name}: the class '{label}' is in the test split only; put some of it into 'train'")


def _check_validated(targets: Targets, split: np.ndarray, fold: np.ndarray, name: str, brought: str | None) -> None:
    """Refuse a class that is validated on, but not trained on; of folds that were drawn here, warn of it.

    Args:
        targets: of all samples, N.
        split, fold: of all samples, N.
        name: the task, for errors.
        brought: what the data set calls the fold `{}` that it brings; None if it brings none.

    Raises:
        MMLError: the first class.
    """
    train = split == "train"
    for number in sorted(set(fold[train & (fold >= 0)].tolist())):
        held_out = train & (fold == number)
        lost = targets.presence[held_out].any(axis=0) & ~targets.presence[train & ~held_out].any(axis=0)
        labels = [label for label, is_lost in zip(targets.classes, lost.tolist(), strict=True) if is_lost]
        if labels and brought:
            place = brought.format(number)
            raise MMLError(
                f"{name}: the class '{labels[0]}' is in {place} only, so that no network that {place} validates learns "
                "it; put some of it into the other training samples, or leave it out"
            )
        if labels:
            warn(
                f"{name}: only fold {number} has the class {summarized(map(repr, labels))}; the network that it "
                "validates does not learn it: add images, or take fewer folds"
            )


def _warn_of_one_value(targets: Targets, split: np.ndarray, name: str) -> None:
    values = targets.values[split == "train"]
    if targets.task_type == "regression" and len(values) > 1 and np.ptp(values) == 0:
        warn(f"{name}: all training values are {values[0]:g}, so there is nothing to learn; mend the values")


def _check(samples: Sequence[Sample], split: np.ndarray, fold: np.ndarray, name: str) -> None:
    """Refuse folds that are empty, and groups that cross folds or splits."""
    train = split == "train"
    numbers = sorted(set(fold[train & (fold >= 0)].tolist()))
    if numbers != list(range(len(numbers))) or not numbers:
        raise MMLError(f"{name}: the folds are {numbers}; they must be 0, 1, 2 … without a gap")
    if len(numbers) == 1 and (fold[train] == 0).all():
        raise MMLError(f"{name}: every training sample is in fold 0, nothing is left to train on; use more folds")
    homes: dict[str, tuple[str, int]] = {}
    for sample, *home in zip(samples, split.tolist(), fold.tolist(), strict=True):
        if sample.group is None or home[0] == "unlabelled":
            continue
        if homes.setdefault(sample.group, tuple(home)) != tuple(home):
            raise MMLError(f"{name}: group '{sample.group}' crosses folds or splits; give it one fold and one split")
