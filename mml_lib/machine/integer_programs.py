"""Integer programs: models of PuLP, solved by CBC in a process of its own.

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
"""Amount by which the printed bound may be too large."""


@dataclass(frozen=True)
class Solved:
    """State of a model after the solver.

    Args:
        has_solution: its variables have values that fulfil all constraints.
        is_proved: all was searched: the solution is the best, or there is none.
        lower: lower bound of the objective that the solver printed; None if it printed none.
    """

    has_solution: bool
    is_proved: bool
    lower: float | None


@contextlib.contextmanager
def quiet_pulp() -> Iterator[None]:
    """Silence the warnings of PuLP 3 about the interface of PuLP 4; can go with `pulp>=4`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def solve(model: Any, seed: int, end: float, options: Sequence[str] = (), **limits: Any) -> Solved:
    """Solve a model that is to be minimised.

    Args:
        model: a `pulp.LpProblem`.
        seed: seed of the solver.
        end: time of the monotonic clock at which it stops; it has one second at least.
        options: further options of CBC.
        limits: further limits, as `pulp.PULP_CBC_CMD` takes them.
    """
    import pulp

    seed %= 2**31
    options = [*options, f"randomSeed {seed}", f"randomCbcSeed {seed}"]
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        limits = {"timeLimit": max(1.0, end - time.monotonic()), "threads": 1, **limits}
        model.solve(pulp.PULP_CBC_CMD(msg=False, options=options, logPath=str(log), **limits))
        lower = re.search(r"Lower bound:\s+(\S+)", log.read_text())
    return Solved(
        model.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible),
        model.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionInfeasible),
        float(lower[1]) - TOLERANCE if lower else None,
    )
