"""Near sources: tasks within a quantile of the distances to a target, and the best procedures on each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from mml_lib.config.metric_options import lower_is_better
from mml_lib.config.task_options import SEPARATOR
from mml_lib.distances.pair_distances import read_columns
from mml_lib.errors import MMLError, nearest
from mml_lib.models.model_selection import metric_of_all, performance
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.pipeline import Pipeline


@dataclass(frozen=True)
class StoredNetwork:
    """A trained network that suggestions can use.

    Args:
        project: project of the network; None: this project.
        storage: model storage of the network.
        pipeline: pipeline of its run.
    """

    project: str | None
    storage: ModelStorage
    pipeline: Pipeline


@dataclass(frozen=True)
class SourceProcedure:
    """A procedure on a source, with the best of its runs.

    Args:
        project: project of the best run; None: this project.
        pipeline: pipeline of the best run.
        metric: validation metric.
        validation: mean of the metric over all networks of the procedure.
        networks: number of networks.
    """

    project: str | None
    pipeline: Pipeline
    metric: str
    validation: float
    networks: int


@dataclass(frozen=True)
class Source:
    """A task with its distance to the target.

    Args:
        task: name of the task.
        distance: distance from the task to the target.
        is_near: True if the distance is within the quantile.
        procedures: best procedures, the best one first; empty if the task is far, or has no networks.
        weight: weight of each of these procedures.
    """

    task: str
    distance: float
    is_near: bool
    procedures: Sequence[SourceProcedure] = ()
    weight: float = 0.0


def distances_to(target: str, path: str | Path) -> dict[str, float]:
    """Return the defined distances from other tasks to a target, the nearest first.

    Tasks with the same base as the target are omitted.

    Raises:
        MMLError: the table cannot be read, lacks the target, or has no distance to it.
    """
    columns = read_columns(path)
    if target not in columns:
        raise MMLError(f"suggest: {path} has no column of the pivot '{target}'{nearest(target, columns)}")
    own = (base_of(target), "")
    others = {
        task: value for task, value in columns[target].items() if math.isfinite(value) and base_of(task) not in own
    }
    if not others:
        raise MMLError(f"suggest: {path} has no distance from another task to {target}; choose another distance")
    return dict(sorted(others.items(), key=lambda item: (item[1], item[0])))


def base_of(task: str) -> str:
    """Return the name of a task without tags."""
    return task.partition(SEPARATOR)[0]


def threshold_of(distances: Sequence[float], quantile: float) -> float:
    """Return a quantile of distances, with linear interpolation."""
    import numpy as np

    return float(np.quantile(distances, quantile))


def find_sources(
    distances: Mapping[str, float],
    networks: Sequence[StoredNetwork],
    metrics: Mapping[str, str],
    quantile: float,
    number: int,
) -> list[Source]:
    """Return all tasks by distance. Tasks within the quantile have procedures and weights.

    The weight of a source is exp(−(d − d₀)/s): d₀ is the distance of the nearest source with networks, s the mean of
    d − d₀ over the sources with networks. Its procedures share the weight equally. The weights do not depend on shift
    and scale of the distances.

    Args:
        distances: distance from each task to the target.
        networks: trained networks.
        metrics: metric of each task type that compares runs.
        quantile: quantile of the distances (0..1).
        number: largest number of procedures of each source.

    Raises:
        MMLError: no task within the quantile has networks.
    """
    threshold = threshold_of(list(distances.values()), quantile)
    near = [task for task, distance in distances.items() if distance <= threshold]
    by_task = {task: best_procedures([net for net in networks if net.storage.task == task], metrics) for task in near}
    selected = {task: procedures[:number] for task, procedures in by_task.items() if procedures}
    if not selected:
        trained = sorted(
            {network.storage.task for network in networks} & set(distances), key=lambda task: distances[task]
        )
        raise MMLError(
            f"suggest: none of the tasks within the quantile {quantile} ({', '.join(near)}) has trained networks; "
            f"train one of them, or raise suggest.quantile (the nearest with networks: {', '.join(trained) or 'none'})"
        )
    excess = {task: distances[task] - distances[next(iter(selected))] for task in selected}
    scale = fmean(excess.values()) or 1.0
    return [
        Source(
            task,
            distance,
            task in near,
            selected.get(task, ()),
            math.exp(-excess[task] / scale) / len(selected[task]) if task in selected else 0.0,
        )
        for task, distance in distances.items()
    ]


def best_procedures(networks: Sequence[StoredNetwork], metrics: Mapping[str, str]) -> list[SourceProcedure]:
    """Return the procedures of networks of one task, the best one by validation first.

    Repetitions with other seeds count as one procedure, so that a lucky seed has no effect. Procedures without a
    defined performance are omitted.

    Args:
        networks: networks of the task.
        metrics: metric by task type. If a network lacks it, the validation loss is used.
    """
    if not networks:
        return []
    metric = metric_of_all(
        [network.storage for network in networks], metrics.get(networks[0].pipeline.task["task_type"], "loss")
    )
    groups: dict[str, dict[str, list[StoredNetwork]]] = {}
    for network in networks:
        groups.setdefault(network.pipeline.procedure, {}).setdefault(network.pipeline.run, []).append(network)
    sign = 1 if lower_is_better(metric) else -1
    procedures = []
    for runs in groups.values():
        means = {run: _mean(members, metric) for run, members in runs.items()}
        defined = [run for run, mean in means.items() if not math.isnan(mean)]
        if not defined:
            continue
        best = min(defined, key=lambda run: sign * means[run])
        members = [network for run_networks in runs.values() for network in run_networks]
        first = runs[best][0]
        mean = _mean(members, metric)
        procedures.append(SourceProcedure(first.project, first.pipeline, metric, mean, len(members)))
    return sorted(procedures, key=lambda procedure: (sign * procedure.validation, procedure.pipeline.run))


def _mean(networks: Sequence[StoredNetwork], metric: str) -> float:
    values = [performance(network.storage, metric) for network in networks]
    finite = [value for value in values if not math.isnan(value)]
    return fmean(finite) if finite else math.nan


def as_content(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return sources for the file of a suggestion."""
    return [
        {
            "task": source.task,
            "distance": source.distance,
            "near": source.is_near,
            "procedures": [
                {
                    "project": procedure.project,
                    "run": procedure.pipeline.run,
                    "metric": procedure.metric,
                    "validation": procedure.validation,
                    "networks": procedure.networks,
                }
                for procedure in source.procedures
            ],
        }
        for source in sources
    ]
