"""Cheap functions that stand for trainings, and searches of them: by this library's order, and by Optuna alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna

from mml_lib.config.analysis.search_options import Search
from mml_lib.search.proposing import propose
from mml_lib.search.space import Space
from mml_lib.search.trials import Objective, TrialRecord

LOSS = (Objective("loss", lower_is_better=True),)

HARTMANN_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
HARTMANN_MINIMUM = -3.32237


@dataclass(frozen=True)
class Surrogate:
    """A function of a search space.

    Args:
        space: `search.space` of a study.
        value: the function, at least 0; its minimum is 0.
        grid: the choices of a grid of about a hundred points; empty where the space has conditions.
    """

    space: Mapping[str, Any]
    value: Callable[[Mapping[str, Any]], float]
    grid: Mapping[str, Any] = field(default_factory=dict)


def mixed(values: Mapping[str, Any]) -> float:
    """The best learning rate grows with the batch size, the best depth falls with the regularisation."""
    batch = math.log2(values["sampling.batch_size"] / 16)
    decay = math.log10(values["optimizer.weight_decay"])
    rate = (math.log10(values["optimizer.lr"]) + 4 - 0.5 * batch) ** 2
    return rate + 0.1 * (batch - 2) ** 2 + 0.2 * (values["arch.depth"] - 1 + decay / 2) ** 2 + 0.05 * (decay + 4) ** 2


def conditional(values: Mapping[str, Any]) -> float:
    """Two optimizers with optima and parameters of their own."""
    rate = math.log10(values["optimizer.lr"])
    arch = {"small": 0.3, "medium": 0.0, "large": 0.15}[values["arch"]]
    if values["optimizer"] == "sgd":
        return 0.2 + arch + 0.5 * (rate + 1) ** 2 + 4 * (values["optimizer.momentum"] - 0.9) ** 2
    return arch + (rate + 3) ** 2 + 0.1 * (math.log10(values["optimizer.weight_decay"]) + 2) ** 2


def hartmann(values: Mapping[str, Any]) -> float:
    """The function of Hartmann in six dimensions, three of them logarithmic: it has several local minima."""
    point = [1 + math.log10(values[f"log{number}"]) / 5 for number in range(3)]
    point += [values[f"plain{number}"] for number in range(3)]
    exponents = (HARTMANN_A * (np.array(point) - HARTMANN_P) ** 2).sum(1)
    return max(0.0, float(-HARTMANN_ALPHA @ np.exp(-exponents)) - HARTMANN_MINIMUM)


SURROGATES = {
    "mixed": Surrogate(
        {
            "optimizer.lr": {"low": 1e-5, "high": 1, "log": True},
            "sampling.batch_size": [16, 32, 64, 128],
            "arch.depth": {"low": 1, "high": 6},
            "optimizer.weight_decay": {"low": 1e-6, "high": 0.1, "log": True},
        },
        mixed,
        {
            "optimizer.lr": [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1],
            "sampling.batch_size": [16, 64],
            "arch.depth": [1, 3, 5],
            "optimizer.weight_decay": [1e-5, 1e-3, 0.1],
        },
    ),
    "conditional": Surrogate(
        {
            "optimizer": ["adamw", "sgd"],
            "arch": ["small", "medium", "large"],
            "optimizer.lr": {"low": 1e-5, "high": 1, "log": True},
            "optimizer.momentum": {"low": 0, "high": 0.99, "when": {"optimizer": "sgd"}},
            "optimizer.weight_decay": {"low": 1e-5, "high": 1, "log": True, "when": {"optimizer": "adamw"}},
        },
        conditional,
    ),
    "hartmann": Surrogate(
        {f"log{number}": {"low": 1e-5, "high": 1, "log": True} for number in range(3)}
        | {f"plain{number}": {"low": 0.0, "high": 1.0} for number in range(3)},
        hartmann,
        {f"log{number}": [1e-4, 1e-2, 0.5] for number in range(3)}
        | {f"plain{number}": [0.25, 0.75] for number in range(3)},
    ),
}


def own_search(surrogate: Surrogate, sampler: str, parallel: int, seed: int, number: int) -> list[float]:
    """Return the values of a search in this library's order: trial i knows the results of trials 1 to i - parallel."""
    options = surrogate.grid if sampler == "grid" else surrogate.space
    space = Space.of(options, {})
    section = Search(sampler=sampler, parallel=parallel, seed=seed, trials=number, space=dict(options))
    records: list[TrialRecord] = []
    for place in range(number):
        finished = max(place + 1 - parallel, 0)
        earlier = [*records[:finished], *(_pending(record) for record in records[finished:])]
        values = propose(space, section, LOSS, earlier)
        records.append(TrialRecord(place + 1, values, None, objectives=[surrogate.value(values)]))
    return [record.objectives[0] for record in records if record.objectives]


def _pending(record: TrialRecord) -> TrialRecord:
    return TrialRecord(record.number, record.values, None)


def optuna_search(surrogate: Surrogate, parallel: int, seed: int, number: int) -> list[float]:
    """Return the values of a search by Optuna alone, in one process, with as many trials in flight."""
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    study, waiting, values = optuna.create_study(sampler=sampler), [], []
    for _ in range(number):
        if len(waiting) == parallel:
            study.tell(*waiting.pop(0))
        trial = study.ask()
        values.append(surrogate.value(_suggest(trial, surrogate.space)))
        waiting.append((trial, values[-1]))
    return values


def _suggest(trial: optuna.Trial, space: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, options in space.items():
        if isinstance(options, list):
            values[key] = trial.suggest_categorical(key, options)
        elif any(values[other] != value for other, value in options.get("when", {}).items()):
            continue
        elif isinstance(options["high"], int) and "log" not in options and "when" not in options:
            values[key] = trial.suggest_int(key, options["low"], options["high"])
        else:
            values[key] = trial.suggest_float(key, options["low"], options["high"], log=options.get("log", False))
    return values
