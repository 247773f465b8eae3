"""Folds of whole groups: every class as near to its share of each fold as the groups allow, with a proved bound."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mml_lib.tasks.group_folds.bounds import bounds_of
from mml_lib.tasks.group_folds.group_program import bound_of_worst_class, fits, solve
from mml_lib.tasks.group_folds.group_search import fill, greedy, search
from mml_lib.tasks.group_folds.needs import Needs, fulfil, repair
from mml_lib.tasks.group_folds.problem import EXACT, Key, Problem, proved

ROUNDS = 8000  # of local search, at most
ROUNDS_PER_GROUP = 60
ROUNDS_OF_SAMPLES = 400  # where no two samples are in one group, which starts balanced


@dataclass(frozen=True)
class Balance:
    """Balance of a division: deviations of the classes from their shares of the folds.

    Args:
        method: name of the method.
        deviation: largest deviation of a class in a fold, relative to its share.
        total_deviation: sum of all deviations, in samples.
        optimal: both are proved to be the smallest possible.
        bound: lower bound of `deviation` for any division.
        gap: `deviation` - `bound`.
    """

    method: str
    deviation: float
    total_deviation: float
    optimal: bool
    bound: float
    gap: float


@dataclass(frozen=True)
class GroupFolds:
    """The fold of each sample, and the balance of the folds; the same for the same input and seed."""

    fold: np.ndarray
    balance: Balance


def group_folds(
    strata: np.ndarray, groups: np.ndarray, shares: Sequence[float], seed: int, time_limit: float = 20.0
) -> GroupFolds:
    """Divide N samples into folds of the given shares (summing to 1), without a group in two folds.

    Minimises the largest relative deviation of a class from its share of a fold, and then the total deviation. This is
    multi-way number partitioning of vectors, which is NP-hard: small problems are solved as a mixed-integer program
    (CBC, Forrest & Lougee-Heimer 2005, doi:10.1287/educ.1053.0020). All problems get an iterated local search of moves
    and swaps (Lourenço, Martin & Stützle 2003, doi:10.1007/0-306-48056-5_11) that starts from a greedy division, and,
    unless the outcome is proved optimal, from those of scikit-learn's StratifiedGroupKFold, than which it is never
    worse. The search and the solver are limited by counts; `time_limit`, in seconds, only guards the solver.

    Each stratum has to be in as many groups as there are folds, or more.
    """
    problem, row = _problem(strata, groups, shares)
    fold, bounds, method = _optimise(problem, lambda: _by_sklearn(strata, groups, row, problem, seed), seed, time_limit)
    return GroupFolds(fold[row], _balance(problem.key(fold), bounds, method))


def group_folds_with_needs(
    strata: np.ndarray,
    groups: np.ndarray,
    shares: Sequence[float],
    needs: Needs,
    seed: int,
    time_limit: float = 20.0,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray | None, bool]:
    """Divide as `group_folds`, but so that each fold has a group of each class, if there is such a division.

    Args:
        strata, groups: of the samples, N.
        shares: of the folds, summing to 1.
        needs: of the groups in the order of their names.
        seed: of the search.
        time_limit: seconds of the solver, which is asked where a random walk finds no such division.
        start: a balanced division of the samples, N, to mend; None: one is made.

    Returns:
        The fold of each sample, N, or None; and whether it is sure that there is none.
    """
    problem, row = _problem(strata, groups, shares, needs)
    rng = np.random.default_rng(seed)
    if start is None:
        first = fill(greedy(problem), problem)
    else:
        first = np.empty(len(problem.counts), dtype=np.int64)
        first[row] = start
    fold, sure = repair(needs, first, problem.folds, rng), True
    if fold is None:
        fold, sure = fulfil(needs, problem.folds, seed, time_limit)
    if fold is None:
        return None, sure
    most = ROUNDS if len(problem.counts) < len(row) else ROUNDS_OF_SAMPLES
    rounds = min(most, ROUNDS_PER_GROUP * len(problem.counts))
    return search(problem, fold, bounds_of(problem), rng, rounds)[row], True


def balance_of(strata: np.ndarray, groups: np.ndarray, fold: np.ndarray, shares: Sequence[float]) -> Balance:
    """Return the balance of a division that fulfils needs."""
    problem, row = _problem(strata, groups, shares)
    group_fold = np.empty(len(problem.counts), dtype=np.int64)
    group_fold[row] = fold
    return _balance(problem.key(group_fold), bounds_of(problem), "local search with a group of each class in each part")


def _problem(
    strata: np.ndarray, groups: np.ndarray, shares: Sequence[float], needs: Needs | None = None
) -> tuple[Problem, np.ndarray]:
    """Return the problem of dividing samples, and the group of each sample, N."""
    classes, column = np.unique(strata, return_inverse=True)
    names, row = np.unique(groups, return_inverse=True)
    share = np.asarray(shares, dtype=float)
    counts = np.zeros((len(names), len(classes)), dtype=np.int64)
    np.add.at(counts, (row, column), 1)
    return Problem(counts, share[:, None] * counts.sum(0), share, needs), row


def _balance(key: Key, bounds: Key, method: str) -> Balance:
    gap = max(0.0, round(key[0] - bounds[0], 12))
    return Balance(method, *key, proved(key, bounds), min(bounds[0], key[0]), gap)


def _optimise(
    problem: Problem, others: Callable[[], list[np.ndarray]], seed: int, time_limit: float
) -> tuple[np.ndarray, Key, str]:
    """Return the fold of each group (G,), lower bounds of both deviations, and the name of the method."""
    rng = np.random.default_rng(seed)
    bounds = bounds_of(problem)
    rounds = min(ROUNDS, ROUNDS_PER_GROUP * len(problem.counts))
    best = fill(greedy(problem), problem)
    best = search(problem, best, bounds, rng, rounds // 4)
    if proved(problem.key(best), bounds):
        return best, bounds, "local search"
    for other in (best, *others()):
        best = min(best, other, key=problem.key)
    best = search(problem, best, bounds, rng, 3 * rounds // 4)
    bounds = bound_of_worst_class(problem, best, bounds, seed, time_limit / 4)
    if proved(problem.key(best), bounds):
        return best, bounds, "local search"
    solved, bounds = solve(problem, best, bounds, seed, time_limit)
    return solved, bounds, "local search and mixed-integer program" if fits(problem) else "local search"


def _by_sklearn(
    strata: np.ndarray, groups: np.ndarray, row: np.ndarray, problem: Problem, seed: int
) -> list[np.ndarray]:
    """Return the folds of the groups by scikit-learn's StratifiedGroupKFold, shuffled and not; none if uneven."""
    from sklearn.model_selection import StratifiedGroupKFold

    if np.ptp(problem.shares) > EXACT:
        return []
    divisions = []
    for shuffle in (False, True):
        splitter = StratifiedGroupKFold(problem.folds, shuffle=shuffle, random_state=seed if shuffle else None)
        fold = np.empty(len(problem.counts), dtype=np.int64)
        with warnings.catch_warnings():
            # It counts samples where we count groups, which have been checked.
            warnings.simplefilter("ignore", UserWarning)
            for number, (_, test) in enumerate(splitter.split(strata, strata, groups)):
                fold[row[test]] = number
        divisions.append(fill(fold, problem))
    return divisions
