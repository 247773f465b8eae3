"""Selection of one of several trained models, by their storages."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from mml_lib.config.metric_options import lower_is_better
from mml_lib.errors import MMLError
from mml_lib.files.stored import Stored
from mml_lib.models.model_storage import ModelStorage


@dataclass(frozen=True)
class Selection(Stored):
    """The choice of a model.

    Args:
        chosen: its `project` (None: the project of the choice), `task`, `run` and `fold`.
        why: in words.
        candidates: all that there was to choose from, with what the choice looked at.
    """

    chosen: Mapping[str, Any]
    why: str
    candidates: Sequence[Mapping[str, Any]]

    KIND = "selection"


def select_model(
    models: Sequence[Mapping[str, Any]],
    storages: Sequence[ModelStorage],
    way: str,
    by: str,
    seed: int,
    task: str | None = None,
) -> Selection:
    """Choose one of some models.

    Args:
        models: `project`, `task`, `run` and `fold` of each.
        storages: their storages, in the same order.
        way: one of `mml_lib.config.feature_options.SELECTIONS`, or a run id, of whose folds the best is chosen.
        by: metric of performance; the validation loss where a model does not have it.
        seed: of a random choice.
        task: task of those to choose from; None: all.
    """
    if task is not None:
        places = [place for place, model in enumerate(models) if model["task"] == task]
        models, storages = [models[place] for place in places], [storages[place] for place in places]
    metric = metric_of_all(storages, by)
    values = [performance(storage, metric) for storage in storages]
    candidates = [
        {**model, f"val/{metric}": value if math.isfinite(value) else None, "created": storage.created}
        for model, value, storage in zip(models, values, storages, strict=True)
    ]
    if way == "created":
        number = max(range(len(models)), key=lambda candidate: (storages[candidate].created, candidate))
        why = f"the latest of {len(models)} models, made {storages[number].created}"
    elif way == "random":
        number = random.Random(seed).randrange(len(models))
        why = f"drawn from {len(models)} models with the seed {seed}"
    else:
        number = best(values, metric)
        of = f"{len(models)} models" if way == "performance" else f"the {len(models)} models of the run asked for"
        why = f"the best validation {metric} ({values[number]}) of {of}"
    return Selection(dict(models[number]), why, candidates)


@dataclass(frozen=True)
class BestRun:
    """The best procedure by validation, and its best run.

    Args:
        procedure: its id.
        run: its id.
        metric: what both were chosen by.
        procedure_value: mean over all networks of the procedure on their validation splits.
        run_value: mean over the networks of the run.
    """

    procedure: str
    run: str
    metric: str
    procedure_value: float
    run_value: float


def best_run(storages: Sequence[ModelStorage], called: Mapping[str, tuple[str, str]], by: str) -> BestRun:
    """Return the procedure with the best mean over its networks on their validation splits, and its best run.

    Args:
        storages: of all networks.
        called: by run id, the procedure and the run that its networks are counted to.
        by: the metric; the validation loss where a network does not have it.

    Raises:
        MMLError: no network defines the metric.
    """
    metric = metric_of_all(storages, by)
    values: dict[str, dict[str, list[float]]] = {}
    for storage in storages:
        procedure, run = called[storage.run]
        values.setdefault(procedure, {}).setdefault(run, []).append(performance(storage, metric))
    of_procedures = {name: _mean([v for values in runs.values() for v in values]) for name, runs in values.items()}
    procedure = list(of_procedures)[best(list(of_procedures.values()), metric)]
    of_runs = {run: _mean(of_run) for run, of_run in values[procedure].items()}
    run = list(of_runs)[best(list(of_runs.values()), metric)]
    return BestRun(procedure, run, metric, of_procedures[procedure], of_runs[run])


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the defined values, NaN of none."""
    finite = [value for value in values if not math.isnan(value)]
    return fmean(finite) if finite else math.nan


def metric_of_all(storages: Sequence[ModelStorage], by: str) -> str:
    """Return the metric by which all models are compared: `by`, or `loss` if one of them lacks it."""
    return by if all(storage.metrics.get(f"val/{by}") is not None for storage in storages) else "loss"


def performance(storage: ModelStorage, metric: str) -> float:
    """Return a model's value on its validation split, NaN where it is undefined."""
    value = storage.performance if metric == "loss" else storage.metrics[f"val/{metric}"]
    return math.nan if value is None else value


def best(values: Sequence[float], metric: str) -> int:
    """Return the position of the best value of a metric; of equal values the first.

    Raises:
        MMLError: all are undefined.
    """
    sign = -1 if lower_is_better(metric) else 1
    defined = [number for number, value in enumerate(values) if not math.isnan(value)]
    if not defined:
        raise MMLError(
            f"the validation {metric} of every model is undefined, so none is best; name another of metrics first "
            "(what starts from one may set mode.model_selection: created)"
        )
    return max(defined, key=lambda number: sign * values[number])
