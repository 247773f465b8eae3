"""The problem: groups with counts of classes to divide by shares, and the deviations of a division."""

from dataclasses import dataclass

import numpy as np

from mml_lib.tasks.group_folds.needs import Needs

Key = tuple[float, float]

EXACT = 1e-9


@dataclass(frozen=True)
class Problem:
    """Groups to divide: their samples per class (G, C), the shares of these per fold (K, C), and the shares of folds.

    With `needs`, search keeps to divisions in which each fold has a group of each class.
    """

    counts: np.ndarray
    targets: np.ndarray
    shares: np.ndarray
    needs: Needs | None = None

    @property
    def folds(self) -> int:
        """Number of folds, K."""
        return len(self.shares)

    def table(self, fold: np.ndarray) -> np.ndarray:
        """Return the samples per fold and class (K, C) when group g is in `fold[g]`."""
        return sums_of(self.counts, fold, self.folds)

    def key(self, fold: np.ndarray) -> Key:
        """Return the deviations when group g is in `fold[g]`."""
        return key_of(self.table(fold), self.targets)


def sums_of(rows: np.ndarray, fold: np.ndarray, folds: int) -> np.ndarray:
    """Return the sum of the rows of each fold's groups (K, columns) when group g is in `fold[g]`."""
    table = np.zeros((folds, rows.shape[1]), dtype=np.int64)
    np.add.at(table, fold, rows)
    return table


def key_of(table: np.ndarray, targets: np.ndarray) -> Key:
    """Return the largest relative and the total deviation of samples per fold and class (K, C) from their shares."""
    off = np.abs(table - targets)
    return round(float((off / targets).max()), 12), round(float(off.sum()), 9)


def better(a: Key, b: Key) -> bool:
    """Return True if `a` is smaller than `b`: in the largest deviation, or in the total if these are equal."""
    return a[0] < b[0] - EXACT or (a[0] <= b[0] + EXACT and a[1] < b[1] - 1e-7)


def proved(key: Key, bounds: Key) -> bool:
    """Return True if lower bounds prove that a division is optimal."""
    return key[0] <= bounds[0] + EXACT and key[1] <= bounds[1] + 1e-7
