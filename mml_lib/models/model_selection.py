"""Selection of one of several trained models by their model storages."""

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
        chosen: `project` (None: the project of the choice), `task`, `run` and `fold` of the model.
        why: reason of the choice as text.
        candidates: all models to choose from, with the values that the choice compared.
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
    """Return the choice of one of several models.

    Args:
        models: `project`, `task`, `run` and `fold` of each model.
        storages: model storages, in the same order.
        way: one of `mml_lib.config.feature_options.SELECTIONS`, or a run id, whose best fold is chosen.
        by: metric of the performance; the validation loss is used if a model lacks it.
        seed: seed of a random choice.
        task: task of the candidates; None: all tasks.

    Raises:
        MMLError: the metric is undefined for all models.
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
        procedure: id of the procedure.
        run: id of the run.
        metric: metric of the choice.
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
        storages: model storages of all networks.
        called: by run id, the procedure and the run that its networks belong to.
        by: metric of the choice; the validation loss is used if a network lacks it.

    Raises:
        MMLError: no network defines the metric.
    """
    metric = metric_of_all(storages, by)
    values: dict[str, dict[str, list[float]]] = {}
    for storage in storages:
        procedure, run = called[storage.run]
        values.setdefault(procedure, {}).setdefault(run, []).append(performance(storage, metric))
    procedure_means = {name: _mean([v for values in runs.values() for v in values]) for name, runs in values.items()}
    procedure = list(procedure_means)[best(list(procedure_means.values()), metric)]
    run_means = {run: _mean(run_values) for run, run_values in values[procedure].items()}
    run = list(run_means)[best(list(run_means.values()), metric)]
    return BestRun(procedure, run, metric, procedure_means[procedure], run_means[run])


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN; NaN without any."""
    finite = [value for value in values if not math.isnan(value)]
    return fmean(finite) if finite else math.nan


def metric_of_all(storages: Sequence[ModelStorage], by: str) -> str:
    """Return the metric to compare all models by: `by`, or `loss` if any model lacks it."""
    return by if all(storage.metrics.get(f"val/{by}") is not None for storage in storages) else "loss"


def performance(storage: ModelStorage, metric: str) -> float:
    """Return the metric of a model on its validation split; NaN if it is undefined."""
    value = storage.performance if metric == "loss" else storage.metrics[f"val/{metric}"]
    return math.nan if value is None else value


def best(values: Sequence[float], metric: str) -> int:
    """Return the index of the best value of a metric; the first of equal values.

    Raises:
        MMLError: all values are undefined.
    """
    sign = -1 if lower_is_better(metric) else 1
    defined = [number for number, value in enumerate(values) if not math.isnan(value)]
    if not defined:
        raise MMLError(
            f"the validation {metric} of every model is undefined, so none is best; name another metric first in "
            "metrics (for pretraining, mode.model_selection: created also works)"
        )
    return max(defined, key=lambda number: sign * values[number])
