"""Lower bounds of the deviations of any division, from each class by itself."""

from functools import reduce

import numpy as np

from mml_lib.tasks.group_folds.problem import EXACT, Key, Problem


def bounds_of(problem: Problem) -> Key:
    """Return lower bounds of the largest relative and of the total deviation, from each class by itself."""
    largest, total = 0.0, 0.0
    for label in range(problem.counts.shape[1]):
        sizes = problem.counts[:, label]
        sizes = np.sort(sizes[sizes > 0])[::-1]
        targets = problem.targets[:, label]
        largest = max(largest, _sums_bound(sizes, targets), _pigeonhole_bound(sizes, targets))
        total += _total_bound(sizes, targets)
    return round(float(largest), 12), round(float(total), 9)


def _sums_bound(sizes: np.ndarray, targets: np.ndarray) -> float:
    """Return the least r such that sums of groups lie within r of every target and can add up to all samples."""
    sums, total = _sums(sizes), sizes.sum()
    rank = np.searchsorted(sums, targets)
    near = np.minimum(np.abs(sums[rank - 1] - targets), np.abs(sums[np.minimum(rank, len(sums) - 1)] - targets))
    least = float((near / targets).max())
    steps = np.unique(np.concatenate([np.abs(sums - target) / target for target in np.unique(targets)]))
    steps = steps[(steps >= least - EXACT) & (steps <= least + sizes[0] / targets.min() + EXACT)]

    def possible(r: float) -> bool:
        low = sums[np.searchsorted(sums, targets * (1 - r) - EXACT * targets)]
        high = sums[np.searchsorted(sums, targets * (1 + r) + EXACT * targets, side="right") - 1]
        return bool(low.sum() <= total <= high.sum())

    start, end = 0, len(steps) - 1
    while start < end:
        middle = (start + end) // 2
        start, end = (start, middle) if possible(steps[middle]) else (middle + 1, end)
    return float(steps[start])


def _sums(sizes: np.ndarray) -> np.ndarray:
    """Return, in order, the sums that subsets of the groups have, or for many groups a superset of them."""
    unit, total = _unit(sizes), int(sizes.sum())
    if len(sizes) > 200 or total > 100_000:
        return np.arange(0, total + 1, unit)
    bits = reduce(lambda bits, size: bits | bits << int(size), sizes, 1)
    return np.array([n for n in range(0, total + 1, unit) if bits >> n & 1])


def _unit(sizes: np.ndarray) -> int:
    return int(np.gcd.reduce(sizes))


def _pigeonhole_bound(sizes: np.ndarray, targets: np.ndarray) -> float:
    """Return the bound that follows from a fold with j + 1 of the jK + 1 largest groups."""
    folds, most = len(targets), targets.max()
    loads = [
        float(sizes[j * folds - j : j * folds + 1].sum()) / most - 1
        for j in range(len(sizes))
        if j * folds < len(sizes)
    ]
    return max(0.0, *loads)


def _total_bound(sizes: np.ndarray, targets: np.ndarray) -> float:
    """Return a lower bound of the total deviation.

    Counts are whole multiples of the groups' common divisor (largest remainders). A group that is larger than the
    largest target leaves its excess in one fold, which others lack.
    """
    unit = _unit(sizes)
    exact = targets / unit
    whole = np.floor(exact + EXACT)
    remainders = np.sort(np.maximum(exact - whole, 0))[::-1]
    up = int(sizes.sum() // unit - whole.sum())
    rounding = unit * ((1 - remainders[:up]).sum() + remainders[up:].sum())
    return float(max(rounding, 2 * np.maximum(sizes - targets.max(), 0).sum()))
