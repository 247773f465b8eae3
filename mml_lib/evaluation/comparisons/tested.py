"""Tested networks: resampled metrics with their procedures, tasks and numbers of samples."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.evaluation.comparisons.planned_tests import PlannedTest
from mml_lib.evaluation.procedures import Networks
from mml_lib.evaluation.resampled import Resampled, read_resampled
from mml_lib.tasks.curves import Point
from mml_lib.tasks.description import TaskDescription


@dataclass(frozen=True)
class TestedNetwork:
    """A network and its metrics on the test samples.

    Args:
        task: name of the task in tables.
        procedures: names of the procedures that the network belongs to.
        run, fold: names in tables.
        split: split that the network is tested on.
        metrics: metrics on the samples and on resamples of them.
        tested: number of test samples.
        trained: number of training samples.
        point: point of the task on a curve; without a curve, the point of a task without tags.
    """

    __test__ = False  # no class of tests

    task: str
    procedures: tuple[str, ...]
    run: str
    fold: int
    split: str
    metrics: Resampled
    tested: int
    trained: int
    point: Point


def read_tested(
    networks: Sequence[Mapping[str, Any]], resampled: Iterable[str | Path], tasks: Iterable[str | Path]
) -> list[TestedNetwork]:
    """Read the resampled metrics of networks.

    Args:
        networks: results of `PlannedTest.as_params`, N.
        resampled: path of the resampled metrics of each network, N.
        tasks: paths of the descriptions of the tasks that they were trained on.

    Raises:
        MMLError: a file is missing, damaged, or of a newer format.
    """
    described = {task.header["name"]: task for task in map(TaskDescription.read, tasks)}
    tested = []
    for test, path in zip(map(PlannedTest.of, networks), resampled, strict=True):
        columns = described[test.network.task].column
        training, in_fold = columns["split"] == "train", columns["fold"] == test.network.fold
        of_split = training & in_fold if test.split == "val" else columns["split"] == test.split
        of_split = of_split if of_split.any() else columns["split"] == test.split
        numbers = int(of_split.sum()), int(np.sum(training & ~in_fold))
        point = test.point or Point(test.network.task, None, 0)
        names = test.task, test.procedures, test.run, test.fold, test.split
        tested.append(TestedNetwork(*names, read_resampled(path), *numbers, point))
    return tested


def metrics_of(networks: Iterable[TestedNetwork]) -> list[str]:
    """Return the names of all metrics of networks, in their order."""
    return list(dict.fromkeys(name for network in networks for name in network.metrics.metrics))


def by_procedure(networks: Iterable[TestedNetwork]) -> dict[str, list[TestedNetwork]]:
    """Return the networks of each procedure, in the order of procedures."""
    members: dict[str, list[TestedNetwork]] = {}
    for network in networks:
        for name in network.procedures:
            members.setdefault(name, []).append(network)
    return members


def runs_of(networks: Iterable[TestedNetwork]) -> Networks:
    """Return the metrics of networks of a task by run and fold."""
    runs: dict[str, dict[int, Resampled]] = {}
    for network in networks:
        runs.setdefault(network.run, {})[network.fold] = network.metrics
    return runs


def samples_of(networks: Iterable[TestedNetwork]) -> int:
    """Return the number of different samples that networks are tested on."""
    return sum({network.metrics.sample_set: network.tested for network in networks}.values())
