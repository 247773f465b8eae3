"""Choice of the members of a vote as an integer program, with one variable per member and per kind of sample."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mml_lib.machine import integer_programs

if TYPE_CHECKING:
    from mml_lib.evaluation.ensembles.votes import Contest, Vote


def solve(vote: "Vote", contest: "Contest", best: np.ndarray, seed: int, end: float) -> tuple[np.ndarray, float]:
    """Return a choice that is as good as `best` or better, and an upper bound of all choices.

    The solver stops at `end` of the monotonic clock.
    """
    value, possible = vote.value(best), contest.sure + float(contest.weights.sum())
    if not len(contest.weights):
        return best, value
    # The solver's tolerances are absolute, so the least weight is scaled to 1; equal weights become integers.
    unit = float(contest.weights.min())
    with integer_programs.quiet_pulp():
        model, members = _model(contest, (possible - value) / unit, unit)
        solved = integer_programs.solve(model, seed, end)
    if solved.has_solution:
        chosen = np.flatnonzero([round(member.value()) for member in members])
        best, value = max((best, value), (chosen, vote.value(chosen)), key=lambda candidate: candidate[1])
    return best, value if solved.is_proved else min(possible, possible - max(0.0, solved.lower or 0.0) * unit)


def _model(contest: "Contest", most_wrong: float, unit: float) -> tuple[Any, list[Any]]:
    """Return a model that minimises the weight of wrong kinds, and the variables of its members.

    Args:
        contest: the contest.
        most_wrong: upper bound of this weight, in units.
        unit: weight of one unit.
    """
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
