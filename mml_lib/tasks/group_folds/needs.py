"""Needs: each part of a division has a group of each class. Divisions that fulfil them, or a proof that none does.

This is polychromatic colouring of a hypergraph (Bollobás, Pritchard, Rothvoß & Scott 2013), which is NP-complete, but
easy if classes are in many more groups than parts.
"""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mml_lib.machine import integer_programs

STEPS = 20_000  # of the random walk, at most
NOISE = 0.1  # share of its steps that are random


@dataclass(frozen=True)
class Needs:
    """Groups that show each class: each part of a division needs one of them.

    Args:
        shows: of each group the classes that it shows (bool, G×L); the first column is that of any sample at all.
    """

    shows: np.ndarray

    @classmethod
    def of(cls, presence: np.ndarray, groups: np.ndarray) -> "Needs":
        """Return the needs of samples; classes that none of them shows are left out.

        Args:
            presence: which sample shows which class (bool, N×C).
            groups: of the samples, N.
        """
        names, row = np.unique(groups, return_inverse=True)
        shows = np.zeros((len(names), presence.shape[1] + 1), dtype=bool)
        shows[:, 0] = True
        np.logical_or.at(shows[:, 1:], row, presence)
        return cls(shows[:, shows.any(axis=0)])

    @cached_property
    def rarest(self) -> int:
        """Number of groups with the rarest class."""
        return int(self.shows.sum(axis=0).min())

    def counts(self, part: np.ndarray, parts: int) -> np.ndarray:
        """Return the number of groups with each class in each part (parts×L), for groups g in `part[g]`."""
        counts = np.zeros((parts, self.shows.shape[1]), dtype=np.int64)
        np.add.at(counts, part, self.shows)
        return counts

    def core(self) -> np.ndarray:
        """Return the columns of classes whose needs imply the needs of all others, the rarest class first."""
        columns = np.unique(self.shows, axis=1)
        order = np.argsort(columns.sum(axis=0), kind="stable")
        minimal: list[np.ndarray] = []
        for column in columns.T[order]:
            if not any((smaller & ~column).sum() == 0 for smaller in minimal):
                minimal.append(column)
        return np.array(minimal).T


def repair(needs: Needs, part: np.ndarray, parts: int, rng: np.random.Generator) -> np.ndarray | None:
    """Return a division near `part` that fulfils the needs, by a random walk; None if it finds none.

    Each step moves a group with a class that a part lacks into this part: the group that the other parts need least,
    and of these the one with the fewest classes; sometimes a random group (WalkSAT, Selman, Kautz and Cohen 1994).
    """
    part, counts, shows = part.copy(), needs.counts(part, parts), needs.shows
    for _ in range(min(STEPS, 200 + 20 * parts * shows.shape[1])):
        lacking = np.argwhere(counts == 0)
        if not len(lacking):
            return part
        home, label = lacking[rng.integers(len(lacking))]
        candidates = np.flatnonzero(shows[:, label])
        rng.shuffle(candidates)
        if rng.random() < NOISE:
            group = candidates[0]
        else:
            lost = (shows[candidates] & (counts[part[candidates]] == 1)).sum(axis=1)
            gained = (shows[candidates] & (counts[home] == 0)).sum(axis=1)
            cost = (lost - gained) * shows.shape[1] + shows[candidates].sum(axis=1)
            group = candidates[np.argmin(cost)]
        counts[part[group]] -= shows[group]
        counts[home] += shows[group]
        part[group] = home
    return None


def fulfil(needs: Needs, parts: int, seed: int, seconds: float) -> tuple[np.ndarray | None, bool]:
    """Return a division that fulfils the needs, or None, and True if the answer is proven.

    Args:
        needs: needs of each part.
        parts: number of parts.
        seed: seed of the random walk and of the solver.
        seconds: time limit of the solver, which decides if the random walk finds no division.
    """
    if needs.rarest < parts:
        return None, True
    rng = np.random.default_rng(seed)
    start = rng.permutation(np.arange(len(needs.shows)) % parts)
    division = repair(needs, start, parts, rng)
    return (division, True) if division is not None else _solve(needs, parts, seed, time.monotonic() + seconds)


@integer_programs.quiet_pulp()
def _solve(needs: Needs, parts: int, seed: int, end: float) -> tuple[np.ndarray | None, bool]:
    """Decide by an integer program: how many groups of each kind, which show the same classes, a part gets."""
    import pulp

    core = needs.core()
    kinds, kind = np.unique(core, axis=0, return_inverse=True)
    rare_first = np.lexsort((-kinds.sum(axis=1), ~kinds[:, 0]))  # the first column is the rarest class
    kinds, kind = kinds[rare_first], np.argsort(rare_first)[kind.ravel()]
    amounts = np.bincount(kind, minlength=len(kinds)).tolist()
    opened = np.cumsum(amounts)  # parts are numbered in the order in which groups open them: they are all alike
    model = pulp.LpProblem("needs")
    x = [
        [pulp.LpVariable(f"x_{v}_{k}", 0, amount if k < opened[v] else 0, "Integer") for k in range(parts)]
        for v, amount in enumerate(amounts)
    ]
    for v, amount in enumerate(amounts):
        model.addConstraint(pulp.lpSum(x[v]) == amount)
    for k in range(parts):
        for column in kinds.T:
            model.addConstraint(pulp.lpSum(x[v][k] for v in np.flatnonzero(column)) >= 1)
    solved = integer_programs.solve(model, seed, end)
    if not solved.has_solution:
        return None, solved.is_proved
    part = np.empty(len(kind), dtype=np.int64)
    for v in range(len(kinds)):
        part[kind == v] = np.repeat(np.arange(parts), [round(variable.value()) for variable in x[v]])
    return part, True
