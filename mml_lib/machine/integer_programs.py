"""Integer programs: models of PuLP that CBC solves in a separate process.

CBC: Forrest & Lougee-Heimer 2005, doi:10.1287/educ.1053.0020.
"""

import contextlib
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

TOLERANCE = 1e-4
"""Largest rounding error of the printed bound."""


@dataclass(frozen=True)
class Solution:
    """Result of a solver.

    Args:
        has_solution: True if the variables have feasible values.
        is_proved: True if the solution is optimal, or the model is infeasible.
        lower: lower bound of the objective from the solver's log; None without one.
    """

    has_solution: bool
    is_proved: bool
    lower: float | None


@contextlib.contextmanager
def quiet_pulp() -> Iterator[None]:
    """Silence the deprecation warnings of PuLP 3. This can go with `pulp>=4`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def solve(model: Any, seed: int, deadline: float, options: Sequence[str] = (), **limits: Any) -> Solution:
    """Solve a minimisation problem.

    Args:
        model: a `pulp.LpProblem`.
        seed: seed of the solver.
        deadline: time of the monotonic clock at which it stops, at least one second from now.
        options: additional options of CBC.
        limits: keyword arguments of `pulp.PULP_CBC_CMD`.
    """
    import pulp

    seed %= 2**31
    options = [*options, f"randomSeed {seed}", f"randomCbcSeed {seed}"]
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        limits = {"timeLimit": max(1.0, deadline - time.monotonic()), "threads": 1, **limits}
        model.solve(pulp.PULP_CBC_CMD(msg=False, options=options, logPath=str(log), **limits))
        lower = re.search(r"Lower bound:\s+(\S+)", log.read_text())
    return Solution(
        model.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible),
        model.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionInfeasible),
        float(lower[1]) - TOLERANCE if lower else None,
    )
