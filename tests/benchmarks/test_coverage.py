"""Coverage of intervals, and error and power of comparisons, in simulation: the figures that the guide promises.

Run by `pytest -m benchmark -n 0 -s tests/benchmarks/test_coverage.py`, which prints all settings.
"""

import math
from collections.abc import Callable
from functools import partial
from multiprocessing import Pool
from typing import TypeVar

import pytest
from threadpoolctl import threadpool_limits

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


def show(capsys: pytest.CaptureFixture, cells: list[Setting], *columns: list[float]) -> None:
    with capsys.disabled():
        print()
        for cell, *values in zip(cells, *columns, strict=True):
            print("  ".join(f"{value:.3f}" for value in values), f" {cell}")


def chance(share: float, repetitions: int) -> float:
    """Return three standard errors of a share."""
    return 3 * math.sqrt(share * (1 - share) / repetitions)


@pytest.mark.benchmark
@pytest.mark.parametrize("samples", REPETITIONS)
@pytest.mark.parametrize("metric", SPREADS)
def test_intervals_hold_the_truth_as_often_as_the_guide_says(metric: str, samples: int, capsys):
    """93 to 97 % of 200 samples and more, 90 % of 50, each within what chance leaves; whatever the setting."""
    cells = settings(metric, samples)
    held = in_parallel(partial(coverage, repetitions=REPETITIONS[samples], seed=1), cells)
    show(capsys, cells, held)
    least, most = (0.90, 0.98) if samples < 200 else (0.93, 0.97)
    assert min(held) >= least - chance(least, REPETITIONS[samples])
    assert least <= sum(held) / len(held) <= most


@pytest.mark.benchmark
@pytest.mark.parametrize("metric", ["dice", "accuracy"])
@pytest.mark.parametrize("spread", [0.05, 0.4])
def test_equal_procedures_are_told_apart_in_five_percent(metric: str, spread: float, capsys):
    cells = compared(metric, spread)
    errors = in_parallel(partial(told_apart, repetitions=COMPARED, seed=1), cells)
    show(capsys, cells, errors)
    assert max(errors) <= 0.05 + chance(0.05, COMPARED)


@pytest.mark.benchmark
@pytest.mark.parametrize("metric", ["dice", "accuracy"])
def test_a_difference_of_two_deviations_is_found_by_five_repeats_of_five_folds(metric: str, capsys):
    """By trainings that are independent, and those that have effects of folds and seeds in common."""
    cells = [cell for cell in compared(metric, 0.4) if (cell.runs, cell.folds) == (5, 5)]
    power = in_parallel(partial(told_apart, repetitions=COMPARED // 4, better=2, seed=1), cells)
    show(capsys, cells, power)
    assert power[0] >= 0.95
    assert min(power) >= 0.8 - chance(0.8, COMPARED // 4)
