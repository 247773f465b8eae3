"""Splits and folds: which samples are trained on, validated on, and held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.tasks.dataset import Sample


@dataclass(frozen=True)
class Assignment:
    """Split (train or test) and fold of each sample; fold -1 is always trained on, or is no training sample."""

    split: list[str]
    fold: list[int]
    num_folds: int


def assign(samples: Sequence[Sample], name: str, folds: int, test_fraction: float, seed: int) -> Assignment:
    """Assign samples to a test split and folds, stratified over classes, groups kept together.

    What the data set brings wins: its `split` and `fold` values. A `val` split becomes fold 0, the only fold.

    Raises:
        MMLError: a class or the groups are too few, or the given folds do not fit.
    """
    labels = np.array([sample.label for sample in samples])
    groups = _groups(samples)
    split = np.array([sample.split or "" for sample in samples], dtype=object)
    if (split == "").any() and (split != "").any():
        row = int(np.flatnonzero(split == "")[0])
        raise MMLError(f"{name}: sample '{samples[row].id}' has no split though others have one; fill the column")
    given_folds = any(sample.fold is not None for sample in samples)
    fold = np.array([-1 if sample.fold is None else sample.fold for sample in samples])
    if (split == "").all():
        # A test split beside given folds: the samples without a fold.
        test = fold < 0 if given_folds else _held_out(labels, groups, name, test_fraction, folds, seed)
        split = np.where(test, "test", "train").astype(object)
    if not (split == "train").any():
        raise MMLError(f"{name}: there is no training sample; put some in the split 'train'")
    fold[split == "val"] = 0
    fold[split == "test"] = -1
    if not given_folds and not (split == "val").any():
        train = np.flatnonzero(split == "train")
        fold[train] = _folds(labels[train], groups[train], name, folds, seed)
    split[split == "val"] = "train"
    _check(samples, split, fold, name)
    return Assignment(split.tolist(), fold.tolist(), int(fold.max()) + 1)


def _groups(samples: Sequence[Sample]) -> np.ndarray:
    """Return a group for each sample, samples without one being a group of their own."""
    return np.array([f"g:{s.group}" if s.group is not None else f"s:{s.id}" for s in samples])


def _held_out(labels: np.ndarray, groups: np.ndarray, name: str, fraction: float, folds: int, seed: int) -> np.ndarray:
    """Return a mask of the test split, `fraction` of the samples."""
    test = np.zeros(len(labels), dtype=bool)
    if not fraction:
        return test
    _check_classes(labels, name, folds + 1)
    if len(set(groups)) == len(groups):
        from sklearn.model_selection import StratifiedShuffleSplit

        count = max(len(set(labels)), round(fraction * len(labels)))
        splitter = StratifiedShuffleSplit(n_splits=1, test_size=count, random_state=seed)
        test[next(splitter.split(labels, labels))[1]] = True
    else:
        test[_folds(labels, groups, name, max(2, round(1 / fraction)), seed) == 0] = True
    return test


def _folds(labels: np.ndarray, groups: np.ndarray, name: str, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each sample."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    _check_classes(labels, name, folds)
    grouped = len(set(groups)) < len(groups)
    if grouped and len(set(groups)) < folds:
        raise MMLError(f"{name}: {len(set(groups))} groups cannot fill {folds} folds; lower tasks.{name}.folds")
    splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(folds, shuffle=True, random_state=seed)
    fold = np.empty(len(labels), dtype=int)
    for number, (_, rows) in enumerate(splitter.split(labels, labels, groups if grouped else None)):
        fold[rows] = number
    return fold


def _check_classes(labels: np.ndarray, name: str, needed: int) -> None:
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        if count < needed:
            images = "1 image" if count == 1 else f"{count} images"
            raise MMLError(
                f"{name}: the class '{label}' has {images}, folds and test split need at least {needed}; "
                f"add images, or lower tasks.{name}.folds"
            )


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
        if sample.group is not None and homes.setdefault(sample.group, tuple(home)) != tuple(home):
            raise MMLError(f"{name}: group '{sample.group}' crosses folds or splits; give it one fold and one split")
