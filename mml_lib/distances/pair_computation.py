"""Computation of many distances by one measure. Each task is summarised once for all of its pairs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from typing import Any, Protocol

from mml_lib.distances.measure_registry import Measure, check_extractors
from mml_lib.distances.pair_distances import Pair
from mml_lib.distances.task_data import TaskData


class ComparedData(Protocol):
    """Data of the compared tasks, read on demand."""

    def task(self, name: str) -> TaskData:
        """Return the data of a task."""

    def pair(self, source: str, target: str) -> tuple[TaskData, TaskData]:
        """Return the data of source and target. Features of the target are by the source's network."""


def compute_pairs(
    measure: Measure,
    options: Any,
    pairs: Sequence[Pair],
    data: ComparedData,
    threads: int = 1,
    capacity: int = 64,
) -> Iterator[tuple[Pair, float]]:
    """Yield pairs with their distances.

    Args:
        measure: the measure.
        options: its options.
        pairs: pairs in any order.
        data: data of their tasks.
        threads: number of pairs to compute in parallel.
        capacity: largest number of summaries of tasks in memory, at least 2.

    Raises:
        MMLError: data of a task are missing or invalid for the measure.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        if measure.of_source_networks:
            compare = _of_networks(measure, options, data)
            yield from zip(pairs, pool.map(compare, pairs), strict=True)
            return
        summaries: dict[str, Any] = {}
        summarise = _summaries(measure, options, data)
        for tile in _tiles(pairs, max(1, capacity // 2)):
            tasks = dict.fromkeys(task for pair in tile for task in (pair.source, pair.target))
            summaries = {task: summary for task, summary in summaries.items() if task in tasks}
            missing = [task for task in tasks if task not in summaries]
            summaries |= zip(missing, pool.map(summarise, missing), strict=True)
            compare = _of_summaries(measure, options, summaries)
            yield from zip(tile, pool.map(compare, tile), strict=True)


def _tiles(pairs: Sequence[Pair], side: int) -> Iterator[list[Pair]]:
    """Yield the pairs in groups of at most `side` sources and `side` targets."""
    tasks = dict.fromkeys(task for pair in pairs for task in (pair.source, pair.target))
    places = {task: number // side for number, task in enumerate(sorted(tasks))}

    def tile(pair: Pair) -> tuple[int, int]:
        return places[pair.source], places[pair.target]

    for _, group in groupby(sorted(pairs, key=tile), tile):
        yield list(group)


def _of_networks(measure: Measure, options: Any, data: ComparedData) -> Callable[[Pair], float]:
    def compare(pair: Pair) -> float:
        return measure.compare(*data.pair(pair.source, pair.target), options)

    return compare


def _of_summaries(measure: Measure, options: Any, summaries: Mapping[str, Any]) -> Callable[[Pair], float]:
    def compare(pair: Pair) -> float:
        return measure.between(summaries[pair.source], summaries[pair.target], options)

    return compare


def _summaries(measure: Measure, options: Any, data: ComparedData) -> Callable[[str], Any]:
    """Return a function that summarises a task, and refuses a task with another extractor than the first."""
    first: list[TaskData] = []

    def summarise(name: str) -> Any:
        task = data.task(name)
        if measure.compares_extractors:
            first.append(_outline(task))
            check_extractors(first[0], task)
        return measure.summary(task, options)

    return summarise


def _outline(task: TaskData) -> TaskData:
    """Return the data of one sample of a task."""
    return replace(task, features=None if task.features is None else task.features[:1].copy())
