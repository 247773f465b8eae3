"""Folds of whole groups, next to scikit-learn's StratifiedGroupKFold."""

import time
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from mml_lib.tasks.group_folds import group_folds
from tests.support.benchmark_figures import Figures, rounded
from tests.support.group_problems import deviation

SEED = 0


@dataclass(frozen=True)
class Problem:
    """A data set: groups with Pareto sizes up to `cap`, and classes whose frequencies fall off as 1/rank^rarity."""

    name: str
    groups: int
    classes: int
    folds: int
    pareto: float
    cap: int
    rarity: float

    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the class and the group of each sample; seven in ten have the main class of their group."""
        rng = np.random.default_rng(SEED)
        sizes = np.minimum(self.cap, 1 + (3 * rng.pareto(self.pareto, self.groups)).astype(int))
        group = np.repeat(np.arange(self.groups), sizes)
        chance = np.arange(1, self.classes + 1) ** -self.rarity
        main, other = (rng.choice(self.classes, n, p=chance / chance.sum()) for n in (self.groups, len(group)))
        strata = np.where(rng.random(len(group)) < 0.7, main[group], other)
        # Each class in as many groups as there are folds, as it must be.
        sown = np.tile(np.arange(self.classes), self.folds)
        homes = np.concatenate([rng.permutation(self.groups)[: self.folds] for _ in range(self.classes)])
        return np.append(strata, sown), np.append(group, homes.reshape(self.classes, -1).T.ravel())


PROBLEMS = [
    Problem("few patients", 24, 2, 5, 3.0, 20, 0.5),
    Problem("patients", 150, 4, 5, 3.0, 20, 1.0),
    Problem("rare classes", 300, 8, 5, 2.5, 30, 2.0),
    Problem("long videos", 200, 5, 5, 1.1, 300, 1.0),
    Problem("many patients", 1000, 12, 10, 2.0, 50, 1.0),
    Problem("single images", 5000, 10, 10, 9.0, 1, 1.0),
    Problem("large", 5000, 50, 5, 2.0, 60, 1.0),
    Problem("large, rare", 5000, 50, 10, 1.5, 100, 1.5),
]


def by_sklearn(strata: np.ndarray, groups: np.ndarray, folds: int, shuffle: bool) -> np.ndarray:
    splitter = StratifiedGroupKFold(folds, shuffle=shuffle, random_state=SEED if shuffle else None)
    fold = np.empty(len(strata), dtype=int)
    for number, (_, rows) in enumerate(splitter.split(strata, strata, groups)):
        fold[rows] = number
    return fold


@pytest.mark.benchmark
def test_folds_are_never_worse_than_those_of_stratified_group_k_fold(figures: Figures):
    for problem in PROBLEMS:
        strata, groups = problem.samples()
        shares = [1 / problem.folds] * problem.folds
        started = time.perf_counter()
        division = group_folds(strata, groups, shares, SEED)
        seconds = time.perf_counter() - started
        ours = deviation(strata, division.fold, shares)
        theirs = min(deviation(strata, by_sklearn(strata, groups, problem.folds, s), shares) for s in (True, False))
        name = f"folds of groups, {problem.name}"
        for words, index, tolerance in (("largest deviation", 0, 1e-9), ("deviations in total", 1, 1e-6)):
            equal = index == 0 or ours[0] > theirs[0] - 1e-9
            limit = theirs[index] + tolerance if equal else None
            figures.record(
                f"{name}: {words}", ours[index], of=f"scikit-learn's {rounded(theirs[index])}", at_most=limit
            )
        figures.record(f"{name}: divided", seconds, "s", by="clock", at_most=30)
