"""Groups to divide into folds, and how far a division is from the shares of the folds."""

from collections.abc import Sequence

import numpy as np


def problem(seed: int, count: int, classes: int, mean: float = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return the class and the group of samples in `count` groups of skewed sizes, the later classes rarer."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), np.minimum(40, 1 + (rng.pareto(2, count) * mean).astype(int)))
    chance = 0.7 ** np.arange(classes)
    strata = rng.choice(classes, len(groups), p=chance / chance.sum())
    return np.array([f"class{c}" for c in strata]), np.array([f"patient{g}" for g in groups])


def deviation(strata: np.ndarray, fold: np.ndarray, shares: Sequence[float]) -> tuple[float, float]:
    """Return the largest deviation of a class from its share of a fold, relative to it, and the sum of all, in samples.

    With n samples of class c in fold k, N of the class, and the share s of the fold: max |n - sN| / sN and Σ |n - sN|.
    """
    _, column = np.unique(strata, return_inverse=True)
    table = np.zeros((len(shares), column.max() + 1), dtype=np.int64)
    np.add.at(table, (np.asarray(fold), column), 1)
    targets = np.asarray(shares)[:, None] * table.sum(axis=0)
    off = np.abs(table - targets)
    return float((off / targets).max()), float(off.sum())
