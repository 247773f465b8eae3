"""Folds of whole groups: near to the shares, proved where small, and the same each time."""

import itertools
import json
import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from mml_lib.tasks.group_folds import group_folds
from tests.support.group_problems import deviation, problem


def by_brute_force(strata: np.ndarray, groups: np.ndarray, shares: list[float]) -> tuple[float, float]:
    """Return the least deviations among all divisions into non-empty folds."""
    names, row = np.unique(groups, return_inverse=True)
    keys = set()
    for fold in itertools.product(range(len(shares)), repeat=len(names)):
        if len(set(fold)) == len(shares):
            largest, total = deviation(strata, np.array(fold)[row], shares)
            keys.add((round(largest, 9), round(total, 6)))
    return min(keys)


def by_sklearn(strata: np.ndarray, groups: np.ndarray, folds: int, shuffle: bool, seed: int) -> np.ndarray:
    splitter = StratifiedGroupKFold(folds, shuffle=shuffle, random_state=seed if shuffle else None)
    fold = np.empty(len(strata), dtype=int)
    for number, (_, rows) in enumerate(splitter.split(strata, strata, groups)):
        fold[rows] = number
    return fold


@pytest.mark.parametrize("shares", [[0.25] * 4, [0.2, 0.8], [0.3, 0.35, 0.35]])
def test_groups_never_cross_folds_and_no_fold_is_empty(shares: list[float]):
    strata, groups = problem(0, 80, 3)
    fold = group_folds(strata, groups, shares, seed=0).fold
    assert fold.shape == strata.shape
    assert set(fold.tolist()) == set(range(len(shares)))
    assert all(len(set(fold[groups == name])) == 1 for name in set(groups))


@pytest.mark.parametrize("shares", [[0.5, 0.5], [1 / 3] * 3, [0.2, 0.8], [0.3, 0.35, 0.35], [0.5, 0.3, 0.2]])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_optimum_of_small_problems_is_proved_and_is_that_of_brute_force(seed: int, shares: list[float]):
    strata, groups = problem(seed, 8 if len(shares) > 2 else 11, 2)
    division = group_folds(strata, groups, shares, seed=0)
    assert division.balance.optimal
    assert division.balance.gap == 0
    assert deviation(strata, division.fold, shares) == pytest.approx(by_brute_force(strata, groups, shares), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_bound_is_never_above_the_least_deviation(seed: int):
    strata, groups = problem(seed + 10, 9, 1 + seed % 3, mean=8)
    shares = [1 / 3] * 3
    assert group_folds(strata, groups, shares, 0).balance.bound <= by_brute_force(strata, groups, shares)[0] + 1e-9


def test_balance_states_the_deviation_of_the_folds_and_fits_in_json():
    strata, groups = problem(4, 60, 3)
    division = group_folds(strata, groups, [0.2] * 5, seed=0)
    balance = json.loads(json.dumps(asdict(division.balance)))
    assert set(balance) == {"method", "deviation", "total_deviation", "optimal", "bound", "gap"}
    assert (balance["deviation"], balance["total_deviation"]) == pytest.approx(
        deviation(strata, division.fold, [0.2] * 5)
    )
    assert balance["gap"] == pytest.approx(balance["deviation"] - balance["bound"])


@pytest.mark.parametrize("shares", [[0.2, 0.8], [0.3] + [0.175] * 4])
def test_uneven_shares_are_met(shares: list[float]):
    groups = np.arange(400) // 2
    strata = np.where(groups % 4 == 0, "rare", "common")
    division = group_folds(strata, groups, shares, seed=0)
    for name in ("rare", "common"):
        counts = np.bincount(division.fold[strata == name], minlength=len(shares))
        # Groups are pairs, so that no count need be off by more than one pair.
        assert (np.abs(counts - np.array(shares) * (strata == name).sum()) <= 2 + 1e-9).all()
    assert division.balance.optimal


@pytest.mark.parametrize("classes", [1, 4])
def test_samples_that_are_their_own_groups_are_divided_as_evenly_as_numbers_allow(classes: int):
    strata = np.arange(1003) % classes
    division = group_folds(strata, np.arange(1003), [0.2] * 5, seed=0)
    for name in range(classes):
        assert np.ptp(np.bincount(division.fold[strata == name])) <= 1
    assert division.balance.optimal


@pytest.mark.parametrize(("seed", "count", "classes", "folds"), [(0, 25, 2, 5), (1, 70, 4, 3), (2, 90, 3, 10)])
def test_never_worse_than_stratified_group_k_fold(seed: int, count: int, classes: int, folds: int):
    strata, groups = problem(seed, count, classes)
    shares = [1 / folds] * folds
    ours = deviation(strata, group_folds(strata, groups, shares, seed).fold, shares)
    for shuffle in (True, False):
        theirs = deviation(strata, by_sklearn(strata, groups, folds, shuffle, seed), shares)
        assert ours[0] <= theirs[0] + 1e-9
        assert ours[0] < theirs[0] - 1e-9 or ours[1] <= theirs[1] + 1e-6


PRINT_FOLDS = """
from mml_lib.tasks.group_folds import group_folds
from tests.support.group_problems import problem
found = group_folds(*problem(0, 20, 5), [0.25] * 4, seed=5)
print(found.fold.tolist(), found.balance)
"""


def test_same_seed_gives_the_same_folds_in_another_process():
    division = group_folds(*problem(0, 20, 5), [0.25] * 4, seed=5)
    assert "program" in division.balance.method
    path = os.pathsep.join(folder or "." for folder in sys.path)
    done = subprocess.run(
        [sys.executable, "-c", PRINT_FOLDS],
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"{division.fold.tolist()} {division.balance}"
