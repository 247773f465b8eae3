"""The choice of the members of a vote as an integer program: a variable a member, one a kind of sample."""

import re
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mml_lib.evaluation.ensembles.votes import Contest, Vote


def solve(vote: "Vote", contest: "Contest", best: np.ndarray, seed: int, end: float) -> tuple[np.ndarray, float]:
    """Return a choice that is as good as `best` or better, and a bound that none exceeds.

    Solved by CBC (Forrest & Lougee-Heimer 2005, doi:10.1287/educ.1053.0020), until `end` of the monotonic clock.
    """
    import pulp

    value, possible = vote.value(best), contest.sure + float(contest.weights.sum())
    if not len(contest.weights):
        return best, value
    # The solver's tolerances are absolute: the least weight becomes 1, and so equal weights whole numbers.
    unit = float(contest.weights.min())
    with warnings.catch_warnings():
        # PuLP 3 says of PuLP 4 what older versions lack; it can go with `pulp>=4`.
        warnings.simplefilter("ignore", DeprecationWarning)
        model, members = _model(contest, (possible - value) / unit, unit)
        lower = _run(model, seed, end)
    if model.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
        found = np.flatnonzero([round(each.value()) for each in members])
        best, value = max((best, value), (found, vote.value(found)), key=lambda each: each[1])
    proved = model.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionInfeasible)
    return best, value if proved else min(possible, possible - lower * unit)


def _model(contest: "Contest", most_wrong: float, unit: float) -> tuple[Any, list[Any]]:
    """Return a model that minimises the weight of wrong kinds, in units, at most `most_wrong`; and its members."""
    import pulp

    model = pulp.LpProblem("vote")
    members = [pulp.LpVariable(f"m_{index}", 0, 1, "Integer") for index in range(len(contest.leads))]
    model.addConstraint(pulp.lpSum(members) == contest.size)
    wrong = [pulp.LpVariable(f"w_{index}", 0, 1, "Integer") for index in range(len(contest.weights))]
    weight = pulp.LpAffineExpression(list(zip(wrong, (contest.weights / unit).tolist(), strict=True)))
    model.setObjective(weight)
    model.addConstraint(weight <= most_wrong + 1e-6)
    lacks = contest.needs - np.sort(contest.leads, axis=0)[: contest.size].sum(axis=0)
    for rival, kind in np.argwhere(lacks > 0).tolist():
        leads = contest.leads[:, rival, kind]
        terms = [(members[place], int(leads[place])) for place in np.flatnonzero(leads)]
        terms.append((wrong[kind], int(lacks[rival, kind])))
        model.addConstraint(pulp.LpAffineExpression(terms) >= int(contest.needs[rival, kind]))
    return model, members


def _run(model: Any, seed: int, end: float) -> float:
    """Run the solver, and return the lower bound that it printed, 0 without one."""
    import pulp

    seed %= 2**31
    options = [f"randomSeed {seed}", f"randomCbcSeed {seed}"]
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        limit = max(1.0, end - time.monotonic())
        model.solve(pulp.PULP_CBC_CMD(msg=False, options=options, logPath=str(log), timeLimit=limit, threads=1))
        lower = re.search(r"Lower bound:\s+(\S+)", log.read_text())
    return max(0.0, float(lower[1]) - 1e-4) if lower else 0.0
