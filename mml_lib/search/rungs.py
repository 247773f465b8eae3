"""Rungs of successive halving: how many trials are trained for how many epochs, and which are continued.

Slot j of a rung continues the best training among the first j × factor of the rung below that no earlier slot has
continued. So slots are filled while other trials still run, and more trials later leave earlier slots as they are
(asynchronous successive halving, Li et al. 2020, in a fixed order).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mml_lib.config.analysis.search_options import Halving
from mml_lib.errors import MMLError
from mml_lib.search.trials import Objective, TrialRecord


@dataclass(frozen=True)
class Rung:
    """A rung of a search.

    Args:
        number: number of the rung, from 0 on.
        epochs: epochs that its trainings have behind them at its end.
        slots: number of its trainings.
    """

    number: int
    epochs: int
    slots: int


def plan_rungs(trials: int, max_epochs: int, halving: Halving | None) -> list[Rung]:
    """Return the rungs of a search; the last one trains in full.

    Raises:
        MMLError: too few trials for the rungs, or too few epochs for a second rung.
    """
    if halving is None:
        return [Rung(0, max_epochs, trials)]
    if halving.min_epochs >= max_epochs:
        raise MMLError(
            f"search.halving.min_epochs is {halving.min_epochs}, but trainer.max_epochs {max_epochs}; lower min_epochs"
        )
    rungs: list[Rung] = []
    epochs, slots = halving.min_epochs, trials
    while epochs < max_epochs:
        rungs.append(Rung(len(rungs), epochs, slots))
        epochs, slots = epochs * halving.factor, slots // halving.factor
    rungs.append(Rung(len(rungs), max_epochs, slots))
    if not slots:
        needed, epochs_of = halving.factor ** (len(rungs) - 1), ", ".join(str(rung.epochs) for rung in rungs)
        raise MMLError(
            f"search.halving: {len(rungs)} rungs of {epochs_of} epochs need at least {needed} trials to train one in "
            f"full, but search.trials is {trials}; raise it, or min_epochs or factor"
        )
    return rungs


def count_epochs(rungs: Sequence[Rung]) -> int:
    """Return the number of epochs that the trainings of rungs take at most, on one fold."""
    below = [0, *(rung.epochs for rung in rungs)]
    return sum(rung.slots * (rung.epochs - done) for rung, done in zip(rungs, below, strict=False))


def affordable_trials(trials: int, max_epochs: int, halving: Halving | None, budget: int) -> int:
    """Return the largest number of trials, up to `trials`, whose rungs take no more epochs than a budget for one fold.

    Raises:
        MMLError: no search fits into the budget.
    """
    for number in range(trials, 0, -1):
        try:
            rungs = plan_rungs(number, max_epochs, halving)
        except MMLError:
            if number == trials:
                raise
            break
        if count_epochs(rungs) <= budget:
            return number
    raise MMLError(f"search.max_epochs: no search fits into {budget} epochs of each fold; raise it")


def choose_slot(
    slot: int, factor: int, below: Sequence[TrialRecord], continued: Sequence[int], objective: Objective
) -> int | None:
    """Return the place, from 0 on, of the training in the rung below that a slot continues.

    Args:
        slot: number of the slot, from 1 on.
        factor: factor of the halving.
        below: results of the first `slot` × `factor` trainings of the rung below.
        continued: places that earlier slots continue.
        objective: what trainings are compared by; of equal ones the earlier one is chosen.

    Returns:
        None if all others have failed.
    """
    candidates = {
        place: record.objectives[0]
        for place, record in enumerate(below[: slot * factor])
        if record.objectives is not None and place not in continued
    }
    if not candidates:
        return None
    return max(candidates, key=lambda place: (objective.sign * candidates[place], -place))
