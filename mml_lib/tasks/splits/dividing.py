"""Division of samples into a test split and folds, stratified over classes. Groups stay together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mml_lib.config.task_options import SEPARATOR
from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.tasks.group_folds import Balance, Needs, balance_of, fulfil, group_folds, group_folds_with_needs
from mml_lib.tasks.splits.copies import are_grouped, in_random_order
from mml_lib.tasks.targets import Targets

TEST = -1
"""Fold of samples of the test split."""


@dataclass(frozen=True)
class Splitting:
    """Options of splits and folds, unless the data define them.

    Args:
        folds: number of folds.
        test_fraction: share of the test split.
        seed: seed of all choices.
        fold_0_fraction: share of fold 0 among the training samples; the other folds share the rest. None: all folds are
            equal.
        time_limit: time limit in seconds for balancing classes over groups.
    """

    folds: int
    test_fraction: float = 0.0
    seed: int = 0
    fold_0_fraction: float | None = None
    time_limit: float = 60.0

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> "Splitting":
        """Return the options in a task's definition."""
        keys = ("folds", "test_fraction", "seed", "fold_0_fraction")
        return cls(**{key: definition[key] for key in keys}, time_limit=definition["fold_time_limit"])

    @property
    def shares(self) -> list[float]:
        """Share of each fold among the training samples."""
        if self.fold_0_fraction is None:
            return [1 / self.folds] * self.folds
        other_share = (1 - self.fold_0_fraction) / (self.folds - 1)
        return [self.fold_0_fraction] + [other_share] * (self.folds - 1)


class Divider:
    """Divides samples into a test split and folds.

    The test split and each fold get a group of each class if possible (a sample, without groups). The test split is
    drawn first, then the folds. If a fold then lacks a class, both are drawn together. Groups of the same size and
    classes are assigned at random. After a division of groups, `balance` contains the balance of `test` and `folds`.

    Args:
        targets: targets of all samples (N).
        groups: group of each sample (N).
        name: name of the task, for errors.
        splitting: options of the division.
    """

    def __init__(self, targets: Targets, groups: np.ndarray, name: str, splitting: Splitting):
        self.targets = targets
        self.groups = in_random_order(groups, splitting.seed) if are_grouped(groups) else groups
        self.name = name
        self.splitting = splitting
        self.balance: dict[str, Balance] = {}

    def divide(self, rows: np.ndarray) -> np.ndarray:
        """Divide samples into the test split and folds; return the fold of each sample (N).

        It is -1 for the test split and for samples that are not in `rows`.

        Raises:
            MMLError: a class is in too few groups, or groups share classes so that no division has all in each part.
        """
        return self._divided(rows, self.splitting.test_fraction, "")

    def into_folds(self, rows: np.ndarray, where: str = "") -> np.ndarray:
        """Divide samples into folds; return the fold of each sample (N), -1 for samples that are not in `rows`.

        Args:
            rows: rows of the samples to divide.
            where: description of the rows for errors, such as `outside of fold 0`.

        Raises:
            MMLError: as in `divide`.
        """
        return self._divided(rows, 0.0, where)

    def _divided(self, rows: np.ndarray, test: float, where: str) -> np.ndarray:
        request = _Request(self, rows, test, where)
        request.check_numbers()
        part = self._one_after_the_other(request)
        if part is None or not request.accepts(part):
            part = self._together(request, part)
        fold = np.full(len(self.groups), TEST)
        fold[rows] = part - (request.parts - self.splitting.folds)
        return fold

    def _one_after_the_other(self, request: "_Request") -> np.ndarray | None:
        """Return the part of each sample, with the test split drawn first; None if too few groups remain for folds."""
        rows, folds, test = request.rows, self.splitting.folds, request.test
        if not test:
            return self._draw(rows, self.splitting.shares, "folds", folds)
        part = self._draw(rows, [test, 1 - test], "test", folds + 1)
        is_training = part == 1
        train = rows[is_training]
        if Needs.of(self.targets.presence[train], self.groups[train]).rarest < folds:
            return None
        part[is_training] += self._draw(train, self.splitting.shares, "folds", folds)
        return part

    def _draw(self, rows: np.ndarray, shares: Sequence[float], key: str, needed: int) -> np.ndarray:
        """Return the part of each sample in `rows`, balanced over strata. The balance is stored under `key`."""
        groups, seed = self.groups[rows], self.splitting.seed
        strata = self.targets.take(rows).strata(groups, needed)
        if len(set(groups)) == len(groups):
            part = _stratified(strata, shares, seed)
        else:
            folds = group_folds(strata, groups, shares, seed, self.splitting.time_limit)
            part, self.balance[key] = folds.fold, folds.balance
        for number, share in enumerate(shares):
            if share * len(rows) < 1 and not (part == number).any():
                raise MMLError(
                    f"{self.name}: a share of {share:g} of {len(rows)} images is less than one image; set a larger one"
                )
        return part

    def _together(self, request: "_Request", start: np.ndarray | None) -> np.ndarray:
        """Return the part of each sample, so that each part has a group of each class.

        Raises:
            MMLError: there is no such division, or none was found in time.
        """
        groups, shares, seed = self.groups[request.rows], request.shares, self.splitting.seed
        strata = self.targets.take(request.rows).strata(groups, request.parts)
        if start is None and not request.grouped:
            start = _stratified(strata, shares, seed)
        part, is_proven = group_folds_with_needs(
            strata, groups, shares, request.needs, seed, self.splitting.time_limit, start
        )
        if part is None:
            raise request.impossible() if is_proven else request.undecided()
        if request.grouped:
            self._assess(request, part)
        return part

    def _assess(self, request: "_Request", part: np.ndarray) -> None:
        """Store the balance of a division of groups."""
        rows, test, fold = request.rows, request.test, part - (request.parts - self.splitting.folds)
        is_training = fold >= 0
        if test:
            self.balance["test"] = self._balance_of(rows, is_training.astype(int), [test, 1 - test])
        self.balance["folds"] = self._balance_of(rows[is_training], fold[is_training], self.splitting.shares)

    def _balance_of(self, rows: np.ndarray, part: np.ndarray, shares: Sequence[float]) -> Balance:
        groups = self.groups[rows]
        return balance_of(self.targets.take(rows).strata(groups, len(shares)), groups, part, shares)


class _Request:
    """Samples to divide into folds and possibly a test split, their needs, and the remedies of errors.

    Args:
        divider: divider with all samples.
        rows: rows of the samples to divide.
        test: share of the test split; 0: no test split.
        where: description of the rows for errors; empty: all samples that can be divided.
    """

    def __init__(self, divider: Divider, rows: np.ndarray, test: float, where: str):
        self.rows, self.test, self.where = rows, test, f" {where}" if where else ""
        self.name, self.splitting = divider.name, divider.splitting
        self.groups = divider.groups[rows]
        self.presence = divider.targets.presence[rows]
        self.classes = divider.targets.classes
        self.needs = Needs.of(self.presence, self.groups)
        self.grouped = len(set(self.groups)) < len(self.groups)

    @property
    def parts(self) -> int:
        """Number of folds, plus one for a test split."""
        return self.splitting.folds + bool(self.test)

    @property
    def shares(self) -> list[float]:
        """Share of each part, the test split first."""
        folds = [(1 - self.test) * share for share in self.splitting.shares]
        return [self.test, *folds] if self.test else folds

    def accepts(self, part: np.ndarray) -> bool:
        """Return True if each part has each class. Parts that are too small for a sample of each class are exempt."""
        _, first = np.unique(self.groups, return_index=True)
        counts = self.needs.counts(part[first], self.parts)
        is_large = np.array(self.shares) * len(self.rows) >= counts.shape[1] - 1
        return bool((counts[:, 0] > 0).all() and (counts[is_large] > 0).all())

    def check_numbers(self) -> None:
        """Refuse classes in fewer groups than parts.

        Raises:
            MMLError: there are such classes. The error states the rarest, its number of groups, and remedies.
        """
        if self.needs.rarest >= self.parts:
            return
        few = [(count, label) for count, label in self._counts() if count < self.parts]
        if few:
            others = [f"'{label}' {count}" for count, label in few[1:]]
            more = f" (and {summarized(others)})" if others else ""
            problem = f"the class '{few[0][1]}' has {_count(few[0][0], self._unit)}{self.where}{more}"
            raise self._error(f"{problem}, {self._parts} need at least {self.parts}, one each")
        groups = _count(len(set(self.groups)), self._unit)
        raise self._error(f"{groups}{self.where} cannot fill {self._parts}, which need at least {self.parts}")

    def impossible(self) -> MMLError:
        """Return the error that no division has all classes in each part, although each class has enough groups."""
        classes = summarized([f"'{label}' {_count(count, self._unit)}" for count, label in self._counts()])
        return self._error(
            f"classes share {self._unit}s{self.where} so that no division has one of each class in each of "
            f"{self._parts} ({classes})"
        )

    def undecided(self) -> MMLError:
        """Return the error that no division was found in time."""
        return MMLError(
            f"{self.name}: no division of {_count(len(set(self.groups)), self._unit)} with each class in each of "
            f"{self._parts} was found within {self.splitting.time_limit:g} s; set a larger "
            f"{self._section}.fold_time_limit, or fewer folds"
        )

    def _error(self, problem: str) -> MMLError:
        return MMLError(f"{self.name}: {problem}; {self._remedies()}")

    def _remedies(self) -> str:
        """Return other settings that are possible, with their results."""
        key, remedies = self._section, []
        with_test, without_test = (self._most_folds(test) for test in (bool(self.test), False))
        if with_test:
            remedies.append(f"{key}.folds: {with_test} gives {with_test} folds{' and a test split' * bool(self.test)}")
        if self.test and without_test and SEPARATOR not in self.name:
            folds = "" if without_test == self.splitting.folds else f" with folds: {without_test}"
            result = f"{without_test} folds, which test each {'sample' if self.grouped else 'image'} once"
            remedies.append(f"{key}.test_fraction: 0{folds} gives {result}")
        add = f"add {self._unit}s"
        return f"{'; '.join(remedies)}; or {add}" if remedies else f"{add}, or leave the class out"

    def _most_folds(self, test: bool) -> int | None:
        """Return the largest possible number of folds with a group of each class, up to the number in the study."""
        most = min(self.splitting.folds, self.needs.rarest - test)
        for folds in range(most, 1, -1):
            part, _ = fulfil(self.needs, folds + test, self.splitting.seed, self.splitting.time_limit / 4)
            if part is not None:
                return folds
        return None

    def _counts(self) -> list[tuple[int, str]]:
        """Return the number of groups with each class that occurs, the rarest class first."""
        numbers = [len(set(self.groups[present])) for present in self.presence.T]
        return sorted((number, label) for number, label in zip(numbers, self.classes, strict=True) if number)

    @property
    def _unit(self) -> str:
        """Word for a unit of the division, in errors."""
        if not self.grouped:
            return "image"
        # Samples without a group form groups of their own, or with the copies of their image.
        return "different image" if all(str(name).startswith("s:") for name in self.groups) else "group"

    @property
    def _parts(self) -> str:
        return f"{self.splitting.folds} folds{' and a test split' * bool(self.test)}"

    @property
    def _section(self) -> str:
        # The study defines the base of a task with tags. The name of a data set contains its section.
        base = self.name.split(SEPARATOR)[0]
        return base if base.startswith("datasets.") else f"tasks.{base}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _stratified(strata: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """Return the part of each sample. In each stratum, a part differs from its share by less than one sample.

    Remainders go to the part that is furthest behind over all strata so far, so that deviations of many small strata do
    not add up.
    """
    rng = np.random.default_rng(seed)
    part = np.empty(len(strata), dtype=int)
    share = np.asarray(shares)
    total = np.zeros(len(shares))
    names, stratum = np.unique(strata, return_inverse=True)
    for number in range(len(names)):
        rows = rng.permutation(np.flatnonzero(stratum == number))
        counts = np.floor(share * len(rows) + 1e-9)
        for _ in range(len(rows) - int(counts.sum())):
            below = counts < share * len(rows) - 1e-9
            lag = np.round(share * (total.sum() + len(rows)) - total - counts, 9)
            counts[np.argmax(np.where(below, lag, -np.inf))] += 1
        total += counts
        part[rows] = np.repeat(np.arange(len(shares)), counts.astype(int))
    return part
