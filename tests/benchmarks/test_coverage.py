"""Coverage of intervals, and error and power of comparisons, in simulation: the figures that the guide promises.

Run by `pytest -m benchmark -n 0 tests/benchmarks/test_coverage.py`, which prints a table.
"""

import math
from collections.abc import Callable
from functools import partial
from multiprocessing import Pool
from typing import TypeVar

import pytest
from threadpoolctl import threadpool_limits

from tests.support.benchmark_figures import Figures
from tests.support.simulations import Setting, coverage, told_apart

SPREADS = {"accuracy": (0.05, 0.4), "auroc": (0.05, 0.4), "f1": (0.05, 0.4), "dice": (0.05, 0.4), "r2": (0.01, 0.08)}
"""Small and large deviations between trainings."""

REPETITIONS = {50: 300, 200: 300, 1000: 200}
COMPARED = 400
EFFECTS = {
    "none": {},
    "of folds, the same in both": {"of_folds": 0.6},
    "of folds, of each its own": {"of_folds": 0.6, "same_folds": False},
    "of seeds": {"of_runs": 0.6},
    "of folds and seeds": {"of_folds": 0.3, "of_runs": 0.3, "same_folds": False},
}
"""Effects that trainings share besides their procedure."""

Item = TypeVar("Item")


def settings(metric: str, samples: int) -> list[Setting]:
    """Return one network, and five and ten folds, with shared and own samples, with and without groups."""
    several = [
        Setting(metric, samples, folds=folds, shared=shared, spread=spread, group=group)
        for spread in SPREADS[metric]
        for folds in (5, 10)
        for shared in (True, False)
        for group in (1, 5)
    ]
    return [Setting(metric, samples, folds=1, spread=0, group=group) for group in (1, 5)] + several


def compared(metric: str, spread: float) -> list[Setting]:
    """Return five and ten networks a procedure, with and without repeats, and effects that these have in common."""
    lone = [Setting(metric, 200, folds, runs, spread=spread) for runs, folds in ((1, 5), (3, 1))]
    repeated = [
        Setting(metric, 200, 5, runs, spread=spread, **effects) for runs in (3, 5) for effects in EFFECTS.values()
    ]
    return [*lone, *repeated, Setting(metric, 200, 5, 3, spread=spread, group=5)]


def in_parallel(measure: Callable[[Setting], float], cells: list[Setting]) -> list[float]:
    """Return the measured rates of each setting, each in one thread."""
    with Pool(initializer=threadpool_limits, initargs=(1,)) as pool:
        return pool.map(measure, cells, chunksize=1)


def chance(share: float, repetitions: int) -> float:
    """Return three standard errors of a share."""
    return 3 * math.sqrt(share * (1 - share) / repetitions)


@pytest.mark.benchmark
@pytest.mark.parametrize("samples", REPETITIONS)
@pytest.mark.parametrize("metric", SPREADS)
def test_intervals_hold_the_truth_as_often_as_the_guide_says(metric: str, samples: int, figures: Figures):
    """93 to 97 % of 200 samples and more, 90 % of 50, each within what chance leaves; whatever the setting."""
    cells = settings(metric, samples)
    held = in_parallel(partial(coverage, repetitions=REPETITIONS[samples], seed=1), cells)
    least, most = (0.90, 0.98) if samples < 200 else (0.93, 0.97)
    name = f"coverage of {metric}, {samples} samples"
    figures.record(f"{name}, mean of settings", sum(held) / len(held), at_least=least, at_most=most)
    worst = min(range(len(cells)), key=held.__getitem__)
    lowest = least - chance(least, REPETITIONS[samples])
    figures.record(f"{name}, lowest", held[worst], of=str(cells[worst]), at_least=lowest)


@pytest.mark.benchmark
@pytest.mark.parametrize("metric", ["dice", "accuracy"])
@pytest.mark.parametrize("spread", [0.05, 0.4])
def test_equal_procedures_are_told_apart_in_five_percent(metric: str, spread: float, figures: Figures):
    cells = compared(metric, spread)
    errors = in_parallel(partial(told_apart, repetitions=COMPARED, seed=1), cells)
    worst = max(range(len(cells)), key=errors.__getitem__)
    name = f"equal procedures told apart by {metric}, deviation {spread}"
    figures.record(name, errors[worst], of=str(cells[worst]), at_most=0.05 + chance(0.05, COMPARED))


@pytest.mark.benchmark
@pytest.mark.parametrize("metric", ["dice", "accuracy"])
def test_a_difference_of_two_deviations_is_found_by_five_repeats_of_five_folds(metric: str, figures: Figures):
    """By trainings that are independent, and those that have effects of folds and seeds in common."""
    cells = [cell for cell in compared(metric, 0.4) if (cell.runs, cell.folds) == (5, 5)]
    power = in_parallel(partial(told_apart, repetitions=COMPARED // 4, better=2, seed=1), cells)
    figures.record(f"power for two deviations of {metric}, independent", power[0], at_least=0.95)
    lowest = 0.8 - chance(0.8, COMPARED // 4)
    figures.record(f"power for two deviations of {metric}, lowest", min(power), at_least=lowest)
