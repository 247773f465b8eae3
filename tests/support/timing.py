"""Durations of several pieces of work that take turns, so that what else the machine does slows down all of them."""

import statistics
import time
from collections.abc import Callable


def take_turns(
    work: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Return the seconds of each piece of work in each round, after one that warms up.

    Args:
        work: pieces of work by name.
        rounds: how often each is done.
        clock: processor time, or time by the clock.
    """
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(1 + rounds):
        for name, function in work.items():
            started = clock()
            function()
            seconds[name].append(clock() - started)
    return {name: values[1:] for name, values in seconds.items()}


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """Return the median of the ratios of all rounds."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))
