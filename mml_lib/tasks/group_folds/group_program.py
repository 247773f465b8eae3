"""The mixed-integer program: it improves a division, and proves how good it is."""

import time
from typing import Any

import numpy as np

from mml_lib.machine import integer_programs
from mml_lib.tasks.group_folds.problem import EXACT, Key, Problem, better, proved

WORK = 2e7  # of the solver in one call: nodes × variables × rows
VARIABLES = 800  # more, and the solver proves nothing within its work


def bound_of_worst_class(problem: Problem, fold: np.ndarray, bounds: Key, seed: int, seconds: float) -> Key:
    """Raise the bound by solving the class of the largest deviation alone, a far smaller problem."""
    off = np.abs(problem.table(fold) - problem.targets) / problem.targets
    label = int(off.max(0).argmax())
    if off.max() <= bounds[0] + EXACT or problem.counts.shape[1] == 1:
        return bounds
    some = problem.counts[:, label] > 0
    alone = Problem(problem.counts[some][:, [label]], problem.targets[:, [label]], problem.shares)
    if not fits(alone):
        return bounds
    # Groups without this class can fill a fold, hence no fold of the class alone need have a group.
    program = Program(alone, seed, least=0)
    _, bound = program.least_deviation((float(off.max()), np.inf), bounds[0], time.monotonic() + seconds)
    return max(bounds[0], bound), bounds[1]


def fits(problem: Problem) -> bool:
    return len(np.unique(problem.counts, axis=0)) * problem.folds <= VARIABLES


def solve(problem: Problem, best: np.ndarray, bounds: Key, seed: int, time_limit: float) -> tuple[np.ndarray, Key]:
    """Return the best division and the bounds after the solver improved or proved what it could."""
    if not fits(problem):
        return best, bounds
    end = time.monotonic() + time_limit
    program = Program(problem, seed, least=1)
    key = problem.key(best)
    if key[0] > bounds[0] + EXACT:
        division, bound = program.least_deviation(key, bounds[0], end)
        best = _pick(problem, best, division)
        bounds = (max(bounds[0], bound), bounds[1])
    key = problem.key(best)
    if not proved(key, (key[0], bounds[1])):
        division, total = program.least_total(key, bounds[1], end)
        best = _pick(problem, best, division)
        bounds = (bounds[0], max(bounds[1], total))
    return best, bounds


def _pick(problem: Problem, best: np.ndarray, division: np.ndarray | None) -> np.ndarray:
    return division if division is not None and better(problem.key(division), problem.key(best)) else best


class Program:
    """The division as an integer program: how many groups of each kind, which have equal counts, a fold gets."""

    def __init__(self, problem: Problem, seed: int, least: int):
        """Keep at least `least` groups in each fold."""
        self.problem, self.seed, self.least = problem, seed, least
        kinds, kind = np.unique(problem.counts, axis=0, return_inverse=True)
        order = np.argsort(-(kinds / problem.counts.sum(0)).max(1), kind="stable")
        self.kinds = kinds[order]
        self.kind = np.argsort(order)[kind.ravel()]

    @integer_programs.quiet_pulp()
    def least_deviation(self, key: Key, bound: float, end: float) -> tuple[np.ndarray | None, float]:
        """Return a division with no larger deviation than `key`, if one was found, and a proved bound."""
        import pulp

        model, x, table = self._model(key[0])
        worst = pulp.LpVariable("worst", bound, key[0] + EXACT)
        # Per mille: deviations are small numbers, and the solver's tolerances are absolute.
        model.setObjective(1000 * worst)
        for (k, c), samples in table.items():
            target = float(self.problem.targets[k, c])
            model.addConstraint(samples - target * worst <= target)
            model.addConstraint(samples + target * worst >= target)
        division, proved = self._run(model, x, end)
        reached = key[0] if division is None else min(key[0], self.problem.key(division)[0])
        return division, max(bound, min(reached, proved / 1000))

    @integer_programs.quiet_pulp()
    def least_total(self, key: Key, bound: float, end: float) -> tuple[np.ndarray | None, float]:
        """Return a division with no larger total at the largest deviation of `key`, if found, and a proved bound."""
        import pulp

        model, x, table = self._model(key[0])
        off = {cell: pulp.LpVariable(f"off_{cell[0]}_{cell[1]}", 0) for cell in table}
        model.setObjective(pulp.lpSum(off.values()))
        for (k, c), samples in table.items():
            target = float(self.problem.targets[k, c])
            model.addConstraint(samples - off[k, c] <= target)
            model.addConstraint(samples + off[k, c] >= target)
        model.addConstraint(pulp.lpSum(off.values()) >= bound)
        model.addConstraint(pulp.lpSum(off.values()) <= key[1] + 1e-6)
        division, proved = self._run(model, x, end)
        reached = key[1] if division is None else min(key[1], self.problem.key(division)[1])
        return division, max(bound, min(reached, proved))

    def _model(self, limit: float) -> tuple[Any, dict, dict]:
        """Return a model without objective, groups per (kind, fold), and samples per (fold, class) within the limit."""
        import pulp

        amounts = np.bincount(self.kind).tolist()
        targets = self.problem.targets
        low, high = np.ceil(targets * (1 - limit - EXACT)), np.floor(targets * (1 + limit + EXACT))
        model = pulp.LpProblem("folds")
        x = {
            (v, k): pulp.LpVariable(f"x_{v}_{k}", 0, amounts[v] if self._usable(v, k) else 0, "Integer")
            for v in range(len(amounts))
            for k in range(self.problem.folds)
        }
        table = {}
        for v, amount in enumerate(amounts):
            model.addConstraint(pulp.lpSum(x[v, k] for k in range(self.problem.folds)) == amount)
        for k in range(self.problem.folds):
            model.addConstraint(pulp.lpSum(x[v, k] for v in range(len(amounts))) >= self.least)
            for c in range(targets.shape[1]):
                table[k, c] = pulp.LpVariable(f"n_{k}_{c}", max(0.0, low[k, c]), high[k, c])
                terms = [(x[v, k], int(self.kinds[v, c])) for v in np.flatnonzero(self.kinds[:, c]).tolist()]
                model.addConstraint(pulp.LpAffineExpression(terms) == table[k, c])
        return model, x, table

    def _usable(self, v: int, k: int) -> bool:
        """Break the symmetry of folds of equal share: they are numbered in the order in which groups open them."""
        earlier = int((np.abs(self.problem.shares[:k] - self.problem.shares[k]) < EXACT).sum())
        return earlier < int((self.kind <= v).sum())

    def _run(self, model: Any, x: dict, end: float) -> tuple[np.ndarray | None, float]:
        """Return the division found, if any, and a lower bound of the objective: infinite if all was searched."""
        nodes = int(WORK / (len(x) * (len(model.constraints) + 1)))
        solved = integer_programs.solve(model, self.seed, end, ["increment 1e-7"], maxNodes=nodes)
        division = self._division(x) if solved.has_solution else None
        if solved.is_proved:
            return division, np.inf
        return division, -np.inf if solved.lower is None else solved.lower

    def _division(self, x: dict) -> np.ndarray:
        """Return the fold of each group (G,)."""
        fold = np.empty(len(self.kind), dtype=np.int64)
        for v in range(len(self.kinds)):
            share = [round(x[v, k].value()) for k in range(self.problem.folds)]
            fold[self.kind == v] = np.repeat(np.arange(self.problem.folds), share)
        return fold
