"""Computation of many distances by one measure: data of each task are summarised once, for all of its pairs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from typing import Any, Protocol

from mml_lib.distances.measure_registry import Measure, check_extractors
from mml_lib.distances.pair_distances import Pair
from mml_lib.distances.task_data import TaskData


class ComparedData(Protocol):
    """Data of the compared tasks, read when they are needed."""

    def task(self, name: str) -> TaskData:
        """Return the data of a task."""

    def pair(self, source: str, target: str) -> tuple[TaskData, TaskData]:
        """Return the data of source and target, of the target by the source's network."""


def compute_pairs(
    measure: Measure, options: Any, pairs: Sequence[Pair], data: ComparedData, threads: int = 1, held: int = 64
) -> Iterator[tuple[Pair, float]]:
    """Yield pairs with their distances.

    Args:
        measure: the measure.
        options: its options.
        pairs: the pairs, in any order.
        data: data of their tasks.
        threads: pairs that are computed at a time.
        held: summaries of tasks that are held in memory at a time, at least 2.

    Raises:
        MMLError: data of a task do not fit the measure.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        if measure.of_source_networks:
            compare = _of_networks(measure, options, data)
            yield from zip(pairs, pool.map(compare, pairs), strict=True)
            return
        summaries: dict[str, Any] = {}
        summarise = _summaries(measure, options, data)
        for tile in _tiles(pairs, max(1, held // 2)):
            tasks = dict.fromkeys(task for pair in tile for task in (pair.source, pair.target))
            summaries = {task: summary for task, summary in summaries.items() if task in tasks}
            missing = [task for task in tasks if task not in summaries]
            summaries |= zip(missing, pool.map(summarise, missing), strict=True)
            compare = _of_summaries(measure, options, summaries)
            yield from zip(tile, pool.map(compare, tile), strict=True)


def _tiles(pairs: Sequence[Pair], side: int) -> Iterator[list[Pair]]:
    """Yield the pairs in groups of at most so many sources and targets."""
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
    """Return a function that summarises a task, and refuses one of another extractor than the first one."""
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
