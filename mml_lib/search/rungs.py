"""Rungs of successive halving: how many trials are trained for how many epochs, and which are continued.

Slot j of a rung continues the best of the first j × factor trainings of the rung below that no earlier slot continues.
Slots are therefore filled while other trials run, and adding trials does not change earlier slots (asynchronous
successive halving, Li et al. 2020, in a fixed order).

Hyperband (Li et al. 2018) has a bracket for each number of epochs at which trials may start. Trials are assigned to
brackets by their numbers, in the proportions of that paper, so that adding trials does not move earlier ones.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from mml_lib.config.analysis.search_options import Halving, Hyperband
from mml_lib.errors import MMLError
from mml_lib.search.trials import Objective, TrialRecord


@dataclass(frozen=True)
class Rung:
    """A rung of a search.

    Args:
        number: number of the rung, from 0 on.
        epochs: number of epochs after which its trainings end.
        numbers: numbers of its trainings, from 1 on: numbers of trials in a first rung, else numbers of slots.
        below: number of the rung whose trainings it continues; None for a first rung.
        is_last: True if no rung continues its trainings.
    """

    number: int
    epochs: int
    numbers: tuple[int, ...]
    below: int | None = None
    is_last: bool = True

    @property
    def slots(self) -> int:
        """Number of its trainings."""
        return len(self.numbers)


def plan_rungs(trials: int, max_epochs: int, halving: Halving | None) -> list[Rung]:
    """Return the rungs of a search, ordered by bracket. The last rung of a bracket trains in full.

    Raises:
        MMLError: too few trials for the rungs, or too few epochs for a second rung.
    """
    if halving is None:
        return [Rung(0, max_epochs, tuple(range(1, trials + 1)))]
    epochs = _compared_epochs(max_epochs, halving)
    rungs = _all_rungs(trials, epochs, halving)
    if not any(rung.slots for rung in rungs if rung.is_last):
        needed, counts = _needed_trials(epochs, halving), ", ".join(map(str, epochs))
        raise MMLError(
            f"search.{_key(halving)}: {len(epochs)} rungs of {counts} epochs need at least {needed} trials to train "
            f"one in full, but search.trials is {trials}; raise it, or min_epochs or factor"
        )
    return rungs


def _all_rungs(trials: int, epochs: Sequence[int], halving: Halving) -> list[Rung]:
    all_numbers = tuple(range(1, trials + 1))
    members = [all_numbers]
    if isinstance(halving, Hyperband):
        brackets = _brackets(trials, len(epochs), halving.factor)
        members = [tuple(n for n in all_numbers if brackets[n - 1] == index) for index in range(len(epochs))]
    rungs: list[Rung] = []
    for index, numbers in enumerate(members):
        rungs += _rungs_of_bracket(len(rungs), epochs[index:], numbers, halving.factor)
    return rungs


def _needed_trials(epochs: Sequence[int], halving: Halving) -> int:
    """Return the smallest number of trials for which one is trained in full."""
    enough = halving.factor ** (len(epochs) - 1)
    if not isinstance(halving, Hyperband):
        return enough
    trials = range(1, enough + 1)

    def has_full_training(number: int) -> bool:
        return any(rung.slots for rung in _all_rungs(number, epochs, halving) if rung.is_last)

    return trials[bisect_left(trials, True, key=has_full_training)]


def comparable_trials(
    trial: int, max_epochs: int, halving: Halving | None, earlier: Sequence[TrialRecord]
) -> list[TrialRecord]:
    """Return the earlier trials in the bracket of a trial, whose values are comparable."""
    if not isinstance(halving, Hyperband):
        return list(earlier)
    brackets = _brackets(trial, len(_compared_epochs(max_epochs, halving)), halving.factor)
    return [record for record in earlier if brackets[record.number - 1] == brackets[trial - 1]]


def _key(halving: Halving) -> str:
    return "hyperband" if isinstance(halving, Hyperband) else "halving"


def _compared_epochs(max_epochs: int, halving: Halving) -> list[int]:
    """Return the numbers of epochs after which trainings are compared; the last one is all of them."""
    if halving.min_epochs >= max_epochs:
        raise MMLError(
            f"search.{_key(halving)}.min_epochs is {halving.min_epochs}, but trainer.max_epochs is {max_epochs}; lower "
            "min_epochs"
        )
    epochs = [halving.min_epochs]
    while epochs[-1] * halving.factor < max_epochs:
        epochs.append(epochs[-1] * halving.factor)
    return [*epochs, max_epochs]


def _rungs_of_bracket(first: int, epochs: Sequence[int], trials: tuple[int, ...], factor: int) -> Iterator[Rung]:
    slots = len(trials)
    for index, count in enumerate(epochs):
        numbers = tuple(range(1, slots + 1)) if index else trials
        yield Rung(first + index, count, numbers, first + index - 1 if index else None, index == len(epochs) - 1)
        slots //= factor


@cache
def _brackets(trials: int, brackets: int, factor: int) -> tuple[int, ...]:
    """Return the bracket of each trial; bracket 0 starts with the fewest epochs.

    A bracket of r rungs gets a share of the trials in proportion to factor^(r-1) / r.
    """
    shares = [math.ceil(brackets * factor ** (rungs - 1) / rungs) for rungs in range(brackets, 0, -1)]
    counts, assigned = [0] * brackets, []
    for _ in range(trials):
        index = min(range(brackets), key=lambda index: (counts[index] + 1) / shares[index])
        counts[index] += 1
        assigned.append(index)
    return tuple(assigned)


def count_epochs(rungs: Sequence[Rung]) -> int:
    """Return the largest number of epochs that rungs take on one fold."""
    done: dict[int | None, int] = {None: 0, **{rung.number: rung.epochs for rung in rungs}}
    return sum(rung.slots * (rung.epochs - done[rung.below]) for rung in rungs)


def affordable_trials(trials: int, max_epochs: int, halving: Halving | None, budget: int) -> int:
    """Return the largest number of trials, up to `trials`, whose rungs fit into a budget of epochs for one fold.

    Raises:
        MMLError: no search fits into the budget.
    """
    plan_rungs(trials, max_epochs, halving)  # refuses too few trials whatever the budget

    def is_too_expensive(number: int) -> bool:
        try:
            return count_epochs(plan_rungs(number, max_epochs, halving)) > budget
        except MMLError:  # too few trials
            return False

    number = bisect_left(range(1, trials + 1), True, key=is_too_expensive)
    try:
        plan_rungs(number, max_epochs, halving) if number else None
    except MMLError:
        number = 0
    if not number:
        raise MMLError(f"search.max_epochs: no search fits into {budget} epochs of each fold; raise it")
    return number


def choose_slot(
    slot: int, factor: int, below: Sequence[TrialRecord], continued: Sequence[int], objective: Objective
) -> int | None:
    """Return the index of the training in the rung below that a slot continues; None if all have failed.

    Args:
        slot: number of the slot, from 1 on.
        factor: factor of the halving.
        below: results of the first `slot` × `factor` trainings of the rung below.
        continued: indices that earlier slots continue.
        objective: objective for comparing trainings. Of equal trainings, the earlier one is chosen.
    """
    candidates = {
        index: record.objectives[0]
        for index, record in enumerate(below[: slot * factor])
        if record.objectives is not None and index not in continued
    }
    if not candidates:
        return None
    return max(candidates, key=lambda index: (objective.sign * candidates[index], -index))
