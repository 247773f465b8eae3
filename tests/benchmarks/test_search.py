"""Searches: their quality next to Optuna alone, the epochs that halving saves, and what a trial costs beside training.

Qualities are measured on functions and on stored learning curves, without a training. Differences are paired by seed.
"""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from mml_lib.config.analysis.search_options import Halving
from mml_lib.search.trials import Objective
from tests.benchmarks.learning_curves import EPOCHS, halve, read_curves
from tests.benchmarks.surrogates import SURROGATES, optuna_search, own_search

pytestmark = pytest.mark.benchmark

SEEDS, NUMBERS, PARALLEL = 20, (20, 50, 100), (1, 4, 8)

RESOLUTION = 1e-6
"""Values are compared by the logarithm of their distance to the minimum, which a grid may hit."""


def best(values: Sequence[float], number: int) -> float:
    """Return the decimal logarithm of the best value among the first trials."""
    return math.log10(max(min(values[:number]), RESOLUTION))


def interval(differences: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of paired differences with the bounds of its bootstrap interval."""
    values = np.asarray(differences)
    rows = np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))
    low, high = np.quantile(values[rows].mean(1), [(1 - level) / 2, (1 + level) / 2])
    return float(values.mean()), float(low), float(high)


def words(difference: tuple[float, float, float]) -> str:
    return "{:+.2f} ({:+.2f} to {:+.2f})".format(*difference)


@pytest.mark.parametrize("parallel", PARALLEL)
def test_trials_are_as_good_as_those_of_optuna_in_one_process_and_better_than_random(parallel: int, capsys):
    """Units are decades of the distance to the minimum, negative where this library is better.

    An interval is of 99.5 %, as nine of them have to contain 0.
    """
    pairs: dict[tuple[str, int], list[float]] = {}
    for surrogate in SURROGATES.values():
        rivals = ("optuna", "random", *(["grid"] if surrogate.grid else []))
        for seed in range(SEEDS):
            own = own_search(surrogate, "tpe", parallel, seed, max(NUMBERS))
            for rival in rivals:
                if rival == "optuna":
                    other = optuna_search(surrogate, parallel, seed, max(NUMBERS))
                else:
                    other = own_search(surrogate, rival, parallel, seed, max(NUMBERS))
                for number in NUMBERS:
                    pairs.setdefault((rival, number), []).append(best(own, number) - best(other, number))
    with capsys.disabled():
        for number in NUMBERS:
            differences = ", ".join(
                f"{rival} {words(interval(pairs[rival, number]))}" for rival in ("optuna", "random", "grid")
            )
            print(f"\ntpe, {parallel} in flight, best of {number} trials in decades less than that of {differences}")
    for number in NUMBERS:
        _, low, high = interval(pairs["optuna", number], 0.995)
        assert low <= 0 <= high, number
    for rival in ("random", "grid"):
        assert interval(pairs[rival, 100])[2] < 0, rival


@pytest.mark.parametrize("name", ["accuracy", "loss"])
def test_halving_finds_as_good_a_pipeline_in_at_most_two_fifths_of_the_epochs(name: str, capsys):
    """Each seed searches 27 of the pipelines, in an order of its own.

    The best of all is best by chance too: an accuracy on 280 images has a standard error of one hundredth.
    """
    curves, goal = read_curves(name), Objective(name, lower_is_better=name == "loss")
    shares, losses, ranges = [], [], []
    for seed in range(10):
        own = [curves[place] for place in np.random.default_rng(seed).permutation(len(curves))[:27]]
        finals = [goal.sign * curve[-1] for curve in own if curve]
        epochs, place = halve(own, goal, Halving(min_epochs=2, factor=3))
        shares.append(epochs / (len(own) * EPOCHS))
        losses.append(max(finals) - goal.sign * own[place][-1])
        ranges.append(max(finals) - float(np.median(finals)))
    mean, low, high = interval(losses)
    with capsys.disabled():
        print(
            f"\nhalving, digits, {len(curves)} stored curves: {np.mean(shares):.1%} of the epochs of full trainings; "
            f"its pipeline is worse by {mean:.4f} ({low:.4f} to {high:.4f}) in validation {name}, the median pipeline "
            f"by {np.mean(ranges):.4f}; the very best one was found by {losses.count(0.0)} of 10 seeds"
        )
    assert np.mean(shares) <= 0.4
    assert mean <= (0.02 if name == "accuracy" else 0.05 * float(np.mean(ranges)))
