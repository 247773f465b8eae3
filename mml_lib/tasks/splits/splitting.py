"""Splits and folds of the samples of a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized, warn
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import Sample
from mml_lib.tasks.group_folds import Balance
from mml_lib.tasks.splits.copies import Copies, group_names
from mml_lib.tasks.splits.dividing import Divider, Splitting
from mml_lib.tasks.targets import Targets


@dataclass(frozen=True)
class Assignment:
    """Splits and folds of the samples of a task.

    Args:
        split: train, test or unlabelled, for each sample.
        fold: fold of each sample; -1 without a fold.
        num_folds: number of folds.
        balance: balance of `test` and `folds`, if groups were divided.
    """

    split: list[str]
    fold: list[int]
    num_folds: int
    balance: Mapping[str, Balance] = field(default_factory=dict)


def assign(
    samples: Sequence[Sample], targets: Targets, name: str, splitting: Splitting, copies: Copies | None = None
) -> Assignment:
    """Assign samples to a test split and folds, stratified over classes. Groups and copies stay together.

    Splits and folds of the data set take precedence. A `val` split becomes fold 0; without other folds, it is the only
    fold. All samples of a task of the type `no_task` are unlabelled.

    Args:
        samples: samples of the data set (N).
        targets: targets of all samples (N).
        name: name of the task, for errors.
        splitting: options of the split.
        copies: samples with identical images; None: images are not compared.

    Raises:
        MMLError: there are too few groups, or the splits and folds of the data set are not valid.
    """
    if not TASK_TYPES[targets.task_type].is_learnable:
        return Assignment(["unlabelled"] * len(samples), [-1] * len(samples), 0)
    groups = group_names([sample.group for sample in samples], [sample.id for sample in samples])
    divider = Divider(targets, copies.merge(groups) if copies else groups, name, splitting)
    split = np.array([sample.split or "" for sample in samples], dtype=object)
    fold = np.array([-1 if sample.fold is None else sample.fold for sample in samples])
    labelled = split != "unlabelled"
    open_, given_folds = split == "", bool((fold[labelled & (split != "test")] >= 0).any())
    if open_.any() and (split[labelled] != "").any():
        row = int(np.flatnonzero(open_)[0])
        raise MMLError(f"{name}: sample '{samples[row].id}' has no split, but others have one; fill the column")
    if open_.any():
        if not given_folds:
            fold = divider.divide(np.flatnonzero(open_))
        # If the data define folds, samples without a fold form the test split.
        split[open_] = np.where(fold[open_] < 0, "test", "train")
    if not (split == "train").any():
        raise MMLError(f"{name}: there is no training sample; put some in the split 'train', or set task_type: no_task")
    fold[split == "val"] = 0
    fold[(split == "test") | ~labelled] = -1
    if not given_folds and not open_.any() and not (split == "val").any():
        fold = divider.into_folds(np.flatnonzero(split == "train"))
    validated = (split == "val").any()
    split[split == "val"] = "train"
    check_assignment(samples, targets, split, fold, name, copies)
    _check_validated(targets, split, fold, name, "'val'" if validated else "fold {}" if given_folds else None)
    return Assignment(split.tolist(), fold.tolist(), int(fold.max()) + 1, divider.balance)


def divided_by_reading(assignment: Assignment, version: int | None) -> dict[str, int]:
    """Return the entry `group_division` of a header: the version of a division, if the task's id does not cover it.

    Args:
        assignment: splits and folds of the task.
        version: version of divisions of groups; None: the id covers it.

    Returns:
        The entry; empty if no groups were divided.
    """
    return {"group_division": version} if version is not None and assignment.balance else {}


def check_assignment(
    samples: Sequence[Sample], targets: Targets, split: np.ndarray, fold: np.ndarray, name: str, copies: Copies | None
) -> None:
    """Refuse invalid splits and folds.

    Args:
        samples: samples of the task (N).
        targets: targets of all samples (N).
        split: train, test or unlabelled, for each sample (N).
        fold: fold of each sample (N); -1 without a fold.
        name: name of the task, for errors.
        copies: samples with identical images; None: images are not compared.

    Raises:
        MMLError: a fold is empty, a group or a copy crosses folds or splits, or a class is in the test split only.
    """
    _check(samples, split, fold, name)
    if copies:
        copies.check(split, fold, targets)
    _check_tested(targets, split, name)
    _warn_of_one_value(targets, split, name)


def _check_tested(targets: Targets, split: np.ndarray, name: str) -> None:
    """Refuse a class that is tested on, but never trained on."""
    tested, trained = (targets.presence[split == part].any(axis=0) for part in ("test", "train"))
    for label, lost in zip(targets.classes, tested & ~trained, strict=True):
        if lost:
            raise MMLError(f"{name}: the class '{label}' is in the test split only; put some of it into 'train'")


def _check_validated(targets: Targets, split: np.ndarray, fold: np.ndarray, name: str, fold_name: str | None) -> None:
    """Refuse a class that is validated, but not trained on. If MML drew the folds, warn about it.

    Args:
        targets: targets of all samples (N).
        split, fold: split and fold of each sample (N).
        name: name of the task, for errors.
        fold_name: name of the fold `{}` in the data set; None: the data set defines no folds.

    Raises:
        MMLError: there is such a class. The error states the first one.
    """
    train = split == "train"
    for number in sorted(set(fold[train & (fold >= 0)].tolist())):
        held_out = train & (fold == number)
        lost = targets.presence[held_out].any(axis=0) & ~targets.presence[train & ~held_out].any(axis=0)
        labels = [label for label, is_lost in zip(targets.classes, lost.tolist(), strict=True) if is_lost]
        if labels and fold_name:
            place = fold_name.format(number)
            raise MMLError(
                f"{name}: the class '{labels[0]}' is in {place} only, so that no network that {place} validates learns "
                "it; put some of it into the other training samples, or leave it out"
            )
        if labels:
            warn(
                f"{name}: only fold {number} has the class {summarized(map(repr, labels))}; the network that it "
                "validates does not learn it: add images, or use fewer folds"
            )


def _warn_of_one_value(targets: Targets, split: np.ndarray, name: str) -> None:
    values = targets.values[split == "train"]
    if TASK_TYPES[targets.task_type].has_values and len(values) > 1 and np.ptp(values) == 0:
        warn(f"{name}: all training values are {values[0]:g}, so there is nothing to learn; correct the values")


def _check(samples: Sequence[Sample], split: np.ndarray, fold: np.ndarray, name: str) -> None:
    """Refuse empty folds, and groups that cross folds or splits."""
    train = split == "train"
    numbers = sorted(set(fold[train & (fold >= 0)].tolist()))
    if numbers != list(range(len(numbers))) or not numbers:
        raise MMLError(f"{name}: the folds are {numbers}; they must be 0, 1, 2 … without a gap")
    if len(numbers) == 1 and (fold[train] == 0).all():
        raise MMLError(f"{name}: all training samples are in fold 0, so that none are left to train on; use more folds")
    homes: dict[str, tuple[str, int]] = {}
    for sample, *home in zip(samples, split.tolist(), fold.tolist(), strict=True):
        if sample.group is None or home[0] == "unlabelled":
            continue
        if homes.setdefault(sample.group, tuple(home)) != tuple(home):
            raise MMLError(f"{name}: group '{sample.group}' crosses folds or splits; give it one fold and one split")
