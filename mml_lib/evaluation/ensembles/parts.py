"""Division of samples into those that select an ensemble, and those that assess it."""

from collections.abc import Sequence

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.group_folds import group_folds

STRATA = 5  # number of strata of a regression
TIME_LIMIT = 5.0  # seconds


def divide(
    targets: np.ndarray,
    task_type: str,
    groups: Sequence[str] | np.ndarray | None,
    fraction: float,
    seed: int,
    by_classes: bool = True,
) -> np.ndarray:
    """Return the samples that select, N (bool): a stratified share, with whole groups.

    Strata are classes, the rarest label of each sample (or group), or ranges of values.

    Args:
        targets: targets of the samples, N, or N×labels.
        task_type: task type of the targets.
        groups: group of each sample, N; None: each sample is a group.
        fraction: share of the samples that select, in (0, 1).
        seed: seed of the division.
        by_classes: True to require every class in both parts.

    Raises:
        MMLError: there are too few samples or groups for two parts, or (`by_classes`) for two parts with every class.
    """
    names, group = np.unique(np.arange(len(targets)) if groups is None else groups, return_inverse=True)
    if len(group) != len(targets):
        raise MMLError(f"ensemble: there are groups of {len(group)} samples, but {len(targets)} samples; name one each")
    what = "samples" if groups is None else "groups"
    if len(names) < 2:
        raise MMLError(f"ensemble: there is 1 of the {what}; 2 are needed, to select by one and assess by the other")
    if TASK_TYPES[task_type].is_single_label:
        pairs = np.unique(np.stack([targets, group]), axis=1)
        amounts = np.bincount(pairs[0])
        enough = (amounts >= 2).all()
        if by_classes and not enough:
            scarce = int(amounts.argmin())
            raise MMLError(
                f"ensemble: class {scarce} has {amounts[scarce]} of the {what}; 2 are needed, to select by one and "
                "assess by the other; take all members alike (strategy mean), predict more samples, or leave the class "
                "out of the task (+subclass)"
            )
        if enough and len(names) < len(targets):
            return group_folds(targets, np.asarray(groups), [fraction, 1 - fraction], seed, TIME_LIMIT).fold == 0
        strata = np.empty(len(names), int)
        strata[group] = targets
    else:
        strata = _strata(targets, task_type, group, len(names))
    return _stratified(strata, fraction, seed)[group]


def _strata(targets: np.ndarray, task_type: str, group: np.ndarray, number: int) -> np.ndarray:
    """Return a stratum for each group."""
    if TASK_TYPES[task_type].is_multilabel:
        has = np.zeros((number, targets.shape[1] + 1), bool)
        np.logical_or.at(has, group, np.column_stack([targets >= 0.5, np.ones(len(targets), bool)]))
        amounts = np.append(has[:, :-1].sum(axis=0), number + 1)  # the last: without a label
        return np.where(has, amounts, number + 2).argmin(axis=1)
    means = np.bincount(group, targets) / np.bincount(group)
    ranks = np.empty(number, int)
    ranks[np.argsort(means, kind="stable")] = np.arange(number)
    return ranks * min(STRATA, max(1, number // 2)) // number


def _stratified(strata: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Return a share of each stratum, N (bool); of a stratum of two or more, at least one and not all."""
    rng = np.random.default_rng(seed)
    selected = np.zeros(len(strata), bool)
    remainder = 0.0  # of rounding, passed on to the next stratum, so that the total is right
    for rows in (np.flatnonzero(strata == stratum) for stratum in np.unique(strata)):
        exact = fraction * len(rows) + remainder
        spare = int(len(rows) > 1)
        number = min(max(round(exact), spare), len(rows) - spare)
        remainder = exact - number
        selected[rng.permutation(rows)[:number]] = True
    if selected.all() or not selected.any():
        selected[rng.integers(len(selected))] ^= True
    return selected
