"""Searches: their quality next to Optuna alone, the epochs that halving saves, and what a trial costs beside training.

Qualities are measured on functions and on stored learning curves, without a training. Differences are paired by seed.
"""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from mml_lib.config.analysis.search_options import Halving
from mml_lib.search.trials import Objective
from tests.benchmarks.learning_curves import EPOCHS, halve, read_curves, read_tests
from tests.benchmarks.surrogates import SURROGATES, optuna_search, own_search
from tests.support.benchmark_figures import Figures

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


@pytest.mark.parametrize("parallel", PARALLEL)
def test_trials_are_as_good_as_those_of_optuna_in_one_process_and_better_than_random(parallel: int, figures: Figures):
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
    for (rival, number), differences in pairs.items():
        mean, _, high = interval(differences)
        name = f"search, {parallel} in flight, best of {number} trials, to {rival}"
        figures.record(name, mean, "decades", of=f"{rival}; at most {high:.2f} by the interval")
    for number in NUMBERS:
        _, low, high = interval(pairs["optuna", number], 0.995)
        assert low <= 0 <= high, number
    for rival in ("random", "grid"):
        assert interval(pairs[rival, 100])[2] < 0, rival


@pytest.mark.parametrize("name", ["accuracy", "loss"])
def test_halving_finds_as_good_a_pipeline_in_at_most_two_fifths_of_the_epochs(name: str, figures: Figures):
    """Each seed searches 27 of the pipelines, in an order of its own, by halving and by full trainings of all.

    Both choose by validation, where the best of all is best by chance too. So the chosen pipelines are compared on the
    test split, which chose nothing; differences of validation are recorded as well. A test split of 397 images has a
    standard error of almost one hundredth of accuracy, which the intervals over seeds do not contain.
    """
    curves, tests = read_curves(name), read_tests(name)
    goal = Objective(name, lower_is_better=name == "loss")
    shares, validation, test, ranges = [], [], [], []
    for seed in range(10):
        places = np.random.default_rng(seed).permutation(len(curves))[:27]
        own = [curves[place] for place in places]
        epochs, halved = halve(own, goal, Halving(min_epochs=2, factor=3))
        finals = {place: goal.sign * curve[-1] for place, curve in enumerate(own) if curve}
        full = max(finals, key=finals.__getitem__)
        shares.append(epochs / (len(own) * EPOCHS))
        validation.append(finals[full] - finals[halved])
        test.append(goal.sign * (tests[places[full]] - tests[places[halved]]))
        ranges.append(goal.sign * (tests[places[full]] - float(np.nanmedian([tests[place] for place in places]))))
    of = "full trainings"
    figures.record(f"halving by {name}: epochs", float(np.mean(shares)), of=of, at_most=0.4)
    figures.record(f"halving by {name}: loss in validation", interval(validation)[0], of=of)
    lost = interval(test)[0] / float(np.mean(ranges))
    figures.record(f"halving by {name}: loss in test", lost, of="what the median pipeline loses", at_most=0.2)
