"""The built-in tags. Each has a plan, which refuses what cannot be, and a function, which derives the task."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.group_folds import Balance
from mml_lib.tasks.splits.dividing import Divider, Splitting
from mml_lib.tasks.tags.tag_registry import Axis, Shape, register_tag
from mml_lib.tasks.targets import class_of_tag

SAMPLES = Axis("training samples", counted=True)
EQUAL_SAMPLES = Axis("training samples, classes equally frequent", counted=True, with_base=False)
NOISE = Axis("share of training samples with a wrong label", counted=False)


def _labelled(shape: Shape, tag: str) -> Shape:
    if not TASK_TYPES[shape.task_type].is_learnable:
        raise MMLError(f"the tag '{tag}' needs labels, which this task has none of")
    return shape


def _only_classes(shape: Shape, tag: str) -> Shape:
    if not TASK_TYPES[shape.task_type].is_single_label:
        raise MMLError(f"the tag '{tag}' is for classification, not for {shape.task_type}")
    return shape


def _share(value: float, tag: str) -> None:
    if not 0 < value < 1:
        raise MMLError(f"the tag '{tag}' takes a number between 0 and 1, not {value:g}")


def _positive(value: int, tag: str) -> None:
    if value < 1:
        raise MMLError(f"the tag '{tag}' takes a whole number from 1 on, not {value}")


@register_tag("identity", keeps_classes=True)
def identity(task: TaskDescription) -> TaskDescription:
    """The same task."""
    return task.changed("identity")


def _plan_duplicate(shape: Shape, number: int) -> Shape:
    _positive(number, "duplicate")
    return shape


@register_tag("duplicate", plan=_plan_duplicate, keeps_classes=True)
def duplicate(task: TaskDescription, number: int) -> TaskDescription:
    """The same task with another name, so that a study can use it several times."""
    return task.changed(f"duplicate {number}")


def _plan_nested(shape: Shape, fold: int, folds: int = 0) -> Shape:
    _labelled(shape, "nested")
    if shape.num_folds < 2:
        raise MMLError("the tag 'nested' needs a task with two folds or more; this one brings its validation split")
    if not 0 <= fold < shape.num_folds:
        raise MMLError(f"the tag 'nested' takes a fold from 0 to {shape.num_folds - 1}, not {fold}")
    if folds and folds < 2:
        raise MMLError(f"the tag 'nested' takes two folds or more, not {folds}")
    return replace(shape, num_folds=folds or shape.num_folds, has_test=True)


@register_tag("nested", plan=_plan_nested, keeps_classes=True)
def nested(task: TaskDescription, fold: int, folds: int = 0) -> TaskDescription:
    """The fold becomes the test split, the other samples form new folds; the old test split is omitted."""
    number = folds or task.header["num_folds"]
    divider = Divider(task.targets, task.groups, task.header["name"], _splitting(task, number))
    split, old = task.column["split"], task.column["fold"]
    new = divider.into_folds(np.flatnonzero((split == "train") & (old != fold)), f"outside of fold {fold}")
    return hold_out(task, fold, number, new, divider.balance)


def hold_out(
    task: TaskDescription, fold: int, number: int, new: np.ndarray, balance: Mapping[str, Balance]
) -> TaskDescription:
    """Return a task with a fold as test split, without the old test split.

    Args:
        task: the task.
        fold: the fold that is held out.
        number: number of the new folds.
        new: new fold of each sample outside of the fold, N; -1 of all others.
        balance: balance of the new folds, if groups were divided.
    """
    split = task.column["split"]
    in_fold = (split == "train") & (task.column["fold"] == fold)
    words = f"fold {fold} became the test split, the rest was split into {number} folds"
    new_split = np.where(in_fold, "test", split)
    return task.changed(words, new_split, new, keep=in_fold | (split != "test"), num_folds=number, balance=balance)


def _splitting(task: TaskDescription, folds: int, fold_0_fraction: float | None = None, test: float = 0) -> Splitting:
    header = task.header
    return Splitting(folds, test, header["seed"], fold_0_fraction, header["fold_time_limit"])


def _plan_subset(shape: Shape, fraction: float, seed: int = 0) -> Shape:
    _share(fraction, "subset")
    return _labelled(shape, "subset")


@register_tag("subset", plan=_plan_subset, keeps_classes=True, axis=SAMPLES)
def subset(task: TaskDescription, fraction: float, seed: int = 0) -> TaskDescription:
    """A share of the training samples, stratified in each fold; the same test split."""
    keep = _thinned(task, seed, lambda counts: counts * fraction)
    return task.changed(f"{fraction:g} of the training samples, seed {seed}", keep=keep)


def _plan_shrink_train(shape: Shape, number: int, seed: int = 0) -> Shape:
    _positive(number, "shrink_train")
    return _labelled(shape, "shrink_train")


@register_tag("shrink_train", plan=_plan_shrink_train, keeps_classes=True, axis=SAMPLES)
def shrink_train(task: TaskDescription, number: int, seed: int = 0) -> TaskDescription:
    """A number of training samples, stratified in each fold; the same test split."""
    available = task.header["num_samples"].get("train", 0)
    if number > available:
        raise MMLError(f"{task.header['name']}: the tag 'shrink_train' asks for {number} of {available} samples")
    keep = _thinned(task, seed, lambda counts: counts * (number / counts.sum()))
    return task.changed(f"{number} training samples, seed {seed}", keep=keep)


def _plan_shrink_equal(shape: Shape, per_class: int, seed: int = 0) -> Shape:
    _positive(per_class, "shrink_equal")
    return _only_classes(shape, "shrink_equal")


@register_tag("shrink_equal", plan=_plan_shrink_equal, keeps_classes=True, axis=EQUAL_SAMPLES)
def shrink_equal(task: TaskDescription, per_class: int, seed: int = 0) -> TaskDescription:
    """The same number of training samples for each class, in proportion to each fold; the same test split."""
    for label, available in task.header["class_occ"].items():
        if available < per_class:
            raise MMLError(
                f"{task.header['name']}: the tag 'shrink_equal' asks for {per_class} samples of '{label}', "
                f"which has {available}"
            )
    keep = _thinned(task, seed, lambda counts: counts * (per_class / counts.sum(axis=0)))
    return task.changed(f"{per_class} training samples of each class, seed {seed}", keep=keep)


def _thinned(task: TaskDescription, seed: int, target_counts: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return a mask of the samples to keep: a share of each stratum of each fold, and all samples outside of training.

    Args:
        task: the task.
        seed: seed of the choice.
        target_counts: function from the number of samples (folds×strata) to the number to keep, not yet rounded.
    """
    rng = np.random.default_rng(seed)
    split = task.column["split"]
    train = np.flatnonzero(split == "train")
    _, fold = np.unique(task.column["fold"][train], return_inverse=True)
    _, stratum = np.unique(task.targets.take(train).strata(task.groups[train], 1), return_inverse=True)
    counts = np.zeros((fold.max() + 1, stratum.max() + 1), dtype=int)
    np.add.at(counts, (fold, stratum), 1)
    number = _rounded(target_counts(counts))
    keep = split != "train"
    for k, s in np.argwhere(number):
        keep[rng.choice(train[(fold == k) & (stratum == s)], number[k, s], replace=False)] = True
    return keep


def _rounded(share: np.ndarray) -> np.ndarray:
    """Return shares (folds×strata) as whole numbers with the same sum, and similar sums of rows and columns.

    Each step adds one where cell, fold and stratum lag most. A stratum exceeds its share by less than one.
    """
    number = np.floor(share + 1e-9).astype(int)
    for _ in range(round(share.sum()) - number.sum()):
        lag = np.round(share - number, 9)
        stratum_lag = lag.sum(axis=0)
        below = (lag > 0) & (stratum_lag > 0)
        gain = lag + lag.sum(axis=1, keepdims=True) + stratum_lag
        number[np.unravel_index(np.where(below, gain, -np.inf).argmax(), gain.shape)] += 1
    return number


def _plan_confuse(shape: Shape, fraction: float, seed: int = 0) -> Shape:
    _share(fraction, "confuse")
    return _only_classes(shape, "confuse")


@register_tag("confuse", plan=_plan_confuse, keeps_classes=True, axis=NOISE)
def confuse(task: TaskDescription, fraction: float, seed: int = 0) -> TaskDescription:
    """Label noise: a share of the training samples gets another class, drawn uniformly."""
    rng = np.random.default_rng(seed)
    values = task.targets.values.copy()
    train = np.flatnonzero(task.column["split"] == "train")
    rows = rng.choice(train, round(fraction * len(train)), replace=False)
    classes = len(task.targets.classes)
    values[rows] = (values[rows] + rng.integers(1, classes, len(rows))) % classes
    words = f"another label for {len(rows)} of {len(train)} training samples, seed {seed}"
    return task.changed(words, targets=replace(task.targets, values=values))


def _plan_subclass(shape: Shape, *classes: str) -> Shape:
    if len(set(classes)) < 2:
        raise MMLError("the tag 'subclass' takes two classes or more")
    return _only_classes(shape, "subclass")


@register_tag("subclass", plan=_plan_subclass)
def subclass(task: TaskDescription, *classes: str) -> TaskDescription:
    """Some of the classes, in all splits; unlabelled samples are kept."""
    try:
        names = {class_of_tag(label, task.targets.classes) for label in classes}
    except MMLError as error:
        raise MMLError(f"{task.header['name']}: the tag 'subclass': {error}") from error
    selected = [label for label in task.targets.classes if label in names]
    if len(selected) < 2:
        raise MMLError(f"{task.header['name']}: the tag 'subclass' takes two classes or more, not only '{selected[0]}'")
    number = np.array([selected.index(label) if label in selected else -1 for label in task.targets.classes])
    values = task.targets.values
    keep = (values < 0) | (number[values] >= 0)
    targets = replace(task.targets, classes=selected, values=np.where(values < 0, -1, number[values]))
    return task.changed(f"the classes {', '.join(selected)} only", targets=targets, keep=keep)


def _plan_redistribute(shape: Shape, *shares: float) -> Shape:
    _labelled(shape, "redistribute")
    total = sum(shares)
    if len(shares) == 1:
        _share(total, "redistribute")
    # The negation refuses nan as well.
    elif not all(0 < share < 1 for share in shares) or total > 1 + 1e-9:
        raise MMLError("the tag 'redistribute' takes shares between 0 and 1 with a sum of at most 1")
    elif len(shares) == 3 and abs(total - 1) > 1e-9:
        raise MMLError("the tag 'redistribute' takes three shares with a sum of 1")
    has_test = {1: shape.has_test, 2: total < 1 - 1e-9, 3: True}[len(shares)]
    return replace(shape, num_folds=max(2, shape.num_folds), has_test=has_test)


@register_tag("redistribute", plan=_plan_redistribute, keeps_classes=True)
def redistribute(task: TaskDescription, train: float, val: float = 0, test: float = 0) -> TaskDescription:
    """Other proportions of training, validation (fold 0) and test samples.

    With `train` alone the test split stays. With `val` it is dropped, and what both leave of the training samples is
    the new one. With `test` the samples of both splits are mixed, and shared out anew.
    """
    split = task.column["split"].astype(object)
    keep = np.ones(len(split), dtype=bool)
    fold_0, held_out = 1 - train, 0.0
    if val:
        held_out = test or max(0.0, 1 - train - val)
        fold_0 = val / (train + val)
        keep = keep if test else split != "test"
        split[(split == "test") & keep] = "train"
    number = max(2, task.header["num_folds"])
    splitting = _splitting(task, number, fold_0, held_out if held_out > 1e-9 else 0)
    divider = Divider(task.targets, task.groups, task.header["name"], splitting)
    pool = np.flatnonzero((split == "train") & keep)
    fold = divider.divide(pool)
    split[pool[fold[pool] < 0]] = "test"
    words = "shares " + ", ".join(f"{value:g}" for value in (train, val, test) if value)
    return task.changed(words, split.astype(str), fold, keep=keep, num_folds=number, balance=divider.balance)
