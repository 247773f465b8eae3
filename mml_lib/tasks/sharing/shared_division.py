"""Shared division: one division of the images of a data set into folds and a test split, for all of its tasks.

Tasks that are learned together, or one after the other, then hold out the same images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized, warn
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.group_folds import Balance
from mml_lib.tasks.sharing.matching import placed_samples
from mml_lib.tasks.splits.copies import Copies, are_grouped, group_names, in_random_order
from mml_lib.tasks.splits.dividing import Divider, Splitting
from mml_lib.tasks.splits.splitting import Assignment, assign, check_assignment
from mml_lib.tasks.targets import Targets


@dataclass(frozen=True)
class _KeptTogether(Copies):
    """Copies that a division keeps together; each task checks and reports those among its own samples.

    Args:
        seed: of the division.
    """

    seed: int = 0

    def merge(self, groups: np.ndarray) -> np.ndarray:
        """Return the groups (N), merged where they share an image; single images under names in a random order."""
        merged = super().merge(groups)
        return merged if are_grouped(merged) else in_random_order(merged, self.seed)  # others are named by the divider

    def check(self, split: np.ndarray, fold: np.ndarray, targets: Targets) -> None:
        """Report nothing."""


def divide_images(dataset: Dataset, delivery: Delivery | None, name: str, splitting: Splitting) -> Assignment:
    """Divide all images of a data set, stratified over the target that it states, if it does.

    Classes in too few groups for one in each part are not stratified: tasks of the data set may leave them out.

    Args:
        dataset: the manifest, with the digests of its images.
        delivery: split, fold, group and label of each image; None: those of the manifest.
        name: of the data set, for errors.
        splitting: options of the division.

    Raises:
        MMLError: the splits or folds of the data do not fit, or there are too few groups.
    """
    images, kind = _placed(dataset, delivery, name)
    copies = _KeptTogether(images, name, seed=splitting.seed)
    groups = _groups(images, copies)
    targets = _stratified(images, kind, groups, splitting.folds + bool(splitting.test_fraction))
    return assign(images.delivery.samples, targets, name, splitting, copies)


def divide_again(
    dataset: Dataset, delivery: Delivery | None, name: str, splitting: Splitting, outer: Assignment, fold: int
) -> tuple[np.ndarray, Mapping[str, Balance]]:
    """Divide the training images outside of a fold of a data set's division, as `divide_images` divides all.

    Args:
        dataset, delivery, name: as `divide_images` has them.
        splitting: the number of folds, the seed and the time limit; nothing else counts.
        outer: the division of all images.
        fold: the fold that is held out.

    Returns:
        The fold of each image (N), -1 of those that are not divided; and the balance, if groups were divided.

    Raises:
        MMLError: there are too few groups.
    """
    images, kind = _placed(dataset, delivery, name)
    groups = _groups(images, _KeptTogether(images, name, seed=splitting.seed))
    outside = (np.array(outer.split, dtype=object) == "train") & (np.array(outer.fold) != fold)
    divider = Divider(_stratified(images, kind, groups, splitting.folds, outside), groups, name, splitting)
    return divider.into_folds(np.flatnonzero(outside), f"outside of fold {fold}"), divider.balance


def _placed(dataset: Dataset, delivery: Delivery | None, name: str) -> tuple[Dataset, str]:
    """Return a data set whose images have the places that its division starts from, and the task type."""
    kind = dataset.delivery.task_type if delivery is None else delivery.task_type
    samples = dataset.delivery.samples if delivery is None else placed_samples(dataset, delivery, name)
    if delivery is None and not TASK_TYPES[kind].is_learnable:  # images that only tasks label
        samples = [replace(sample, split=None) for sample in samples]
    return replace(dataset, delivery=replace(dataset.delivery, samples=samples)), kind


def _groups(images: Dataset, copies: Copies) -> np.ndarray:
    """Return the group of each image, N; copies are in one."""
    samples = images.delivery.samples
    return copies.merge(group_names([sample.group for sample in samples], [sample.id for sample in samples]))


def take_division(
    division: Assignment, dataset: Dataset, rows: Sequence[int], targets: Targets, name: str, copies: Copies
) -> Assignment:
    """Return the part of a data set's division that the samples of a task are in; unlabelled ones are in no fold.

    Args:
        division: of all images of the data set.
        dataset: the data set with the samples of the task, N.
        rows: the place of each sample in the manifest, N.
        targets: of the samples, N.
        name: name of the task, for errors.
        copies: samples with identical images.

    Raises:
        MMLError: a part of the division has no sample of the task, or only the test split has a class.
    """
    samples = dataset.delivery.samples
    labelled = np.array([sample.split != "unlabelled" for sample in samples])
    split = np.where(labelled, np.array(division.split, dtype=object)[list(rows)], "unlabelled")
    fold = np.where(split == "train", np.array(division.fold)[list(rows)], -1)
    _check_places(samples, split, fold, name)
    parts = {f"fold {number}": fold == number for number in range(division.num_folds)}
    parts |= {"the test split": split == "test"} if "test" in division.split else {}
    if empty := [part for part, inside in parts.items() if not inside.any()]:
        raise MMLError(
            f"{name}: no labelled sample is in {summarized(empty)} of the division that its data set declares; give "
            "the task folds, or a seed, of its own"
        )
    _check_classes(targets, split, parts, name)
    check_assignment(samples, targets, split, fold, name, copies)
    return Assignment(split.tolist(), fold.tolist(), division.num_folds, division.balance)


def _stratified(
    dataset: Dataset, kind: str, groups: np.ndarray, parts: int, divided: np.ndarray | None = None
) -> Targets:
    """Return the target over which images are divided; classes are labels that may all be absent.

    Args:
        dataset: all images of a data set, N.
        kind: task type of the target.
        groups: group of each image, N.
        parts: number of the parts that each class has to be in.
        divided: mask of the images that are divided, N; None: all.
    """
    inside = np.ones(len(groups), dtype=bool) if divided is None else divided
    samples, type_ = dataset.delivery.samples, TASK_TYPES[kind]
    if type_.has_values:
        values = np.array([np.nan if sample.label is None else float(str(sample.label)) for sample in samples])
        return Targets(kind, [], np.where(np.isnan(values), np.nanmedian(values), values))
    if type_.is_learnable and not type_.has_masks:
        classes_of = [_labels(sample) for sample in samples]
    else:
        classes_of = [{str(value) for value in counts or () if value != IGNORE} for counts in dataset.values or []]
    names = sorted(set().union(*classes_of))
    presence = np.array([[name in labels for name in names] for labels in classes_of], dtype=float)
    presence = presence.reshape(len(samples), len(names))
    often = [len(set(groups[(column > 0) & inside])) >= parts for column in presence.T]
    classes = [name for name, is_often in zip(names, often, strict=True) if is_often]
    return Targets("multilabel_classification", classes, presence[:, np.array(often, dtype=bool)])


def _labels(sample: Sample) -> set[str]:
    """Return the classes that an image is known to show."""
    if isinstance(sample.label, str):
        return {sample.label}
    label = sample.label if isinstance(sample.label, dict) else {}
    return {name for name, probability in label.items() if probability is not None and probability >= 0.5}


def _check_places(samples: Sequence[Sample], split: np.ndarray, fold: np.ndarray, name: str) -> None:
    """Refuse samples for which the task states another split or fold than the data set."""
    for sample, its_split, its_fold in zip(samples, split, fold.tolist(), strict=True):
        stated = "train" if sample.split == "val" else sample.split
        is_other_fold = its_split == "train" and sample.fold not in (None, its_fold)
        if stated not in (None, its_split) or is_other_fold:
            raise MMLError(
                f"{name}: sample '{sample.id}' has another split or fold than in the division that its data set "
                "declares; state both in the data set, or give the task folds of its own"
            )


def _check_classes(targets: Targets, split: np.ndarray, parts: dict[str, np.ndarray], name: str) -> None:
    """Refuse a class that only the test split has, and warn of parts without one."""
    presence, train = targets.presence, split == "train"
    for index, label in enumerate(targets.classes):
        if not presence[train, index].any() and presence[split == "test", index].any():
            raise MMLError(
                f"{name}: the class '{label}' is only in the test split of the division that its data set declares; "
                "state the column of the class in the data set, which stratifies by it, or give the task folds of its "
                "own"
            )
    lacking = {
        part: [label for label, is_in in zip(targets.classes, presence[inside].any(axis=0), strict=True) if not is_in]
        for part, inside in parts.items()
    }
    lines = [f"{part} lacks {summarized(map(repr, labels))}" for part, labels in lacking.items() if labels]
    if lines:
        warn(
            f"{name}: in the division that its data set declares, {'; '.join(lines)}; state the column of the class in "
            "the data set, which stratifies by it, or give the task folds of its own"
        )
