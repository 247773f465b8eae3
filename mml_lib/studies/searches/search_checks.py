"""Checks of the section `search`, while planning."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

from mml_lib.config.analysis.search_options import SAMPLERS, UNCONDITIONAL, Search
from mml_lib.config.factories import TARGET
from mml_lib.config.reading.layers import check_dotted
from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import PIPELINE_KEYS, Pipeline
from mml_lib.search.rungs import Rung
from mml_lib.search.space import Space
from mml_lib.search.trials import Objective
from mml_lib.studies.checks.named_parts.target_arguments import check_target
from mml_lib.tasks.task_identity import TaskIdentity

FIXED = {
    "preprocessing": "images are packed before trials are proposed; vary it by sweep",
    "seed": "trials share one seed, so that they differ in nothing else; set repeats for repetitions",
    "tune": "a search tunes by itself; leave it out",
    "trainer.devices": "all trials use the same devices",
    "trainer.strategy": "all trials use the same devices",
    "trainer.accelerator": "all trials use the same devices",
}
"""Keys that a search does not vary, with the reason."""

LIMITS = ("max_epochs", "min_epochs", "max_steps", "min_steps", "max_time")
"""Options of the trainer that decide how long it trains."""

LOSSES = ("loss", "class_weights")
"""Sections that decide the values of the loss."""

PACKAGES = {"cmaes": ("optuna", "cmaes")}
"""Additional packages of samplers. Other samplers need only Optuna."""


def check_packages(options: Search) -> None:
    """Refuse a sampler whose packages are missing.

    Raises:
        MMLError: a package or the class of the sampler is missing.
    """
    for package in PACKAGES.get(options.sampler, ("optuna",)):
        if find_spec(package) is None:
            raise MMLError(f"search: the package {package} is missing; install mml[search]")
    if options.sampler not in SAMPLERS:
        check_target("search.sampler", {TARGET: options.sampler})


def check_keys(options: Search, config: Mapping[str, Any]) -> None:
    """Refuse keys that a search cannot vary, or that a sweep or variants vary too.

    Raises:
        MMLError: the first mistake.
    """
    sweep, variants = config.get("sweep") or {}, config.get("variants") or {}
    varied = {str(key): f"sweep.{key}" for key in sweep}
    varied |= {str(key): f"variants.{name}.{key}" for name, keys in variants.items() for key in keys or ()}
    for key in options.space:
        check_dotted("search.space", key)
        section = key.split(".")[0]
        if section not in PIPELINE_KEYS:
            similar = get_close_matches(section, PIPELINE_KEYS, n=1)
            hint = f", did you mean '{similar[0]}'?" if similar else ";"
            raise MMLError(
                f"search.space: '{key}' is not part of a run{hint} a search takes "
                f"{', '.join(name for name in PIPELINE_KEYS if name not in FIXED)} and keys below these"
            )
        for fixed, why in FIXED.items():
            if f"{key}.".startswith(f"{fixed}."):
                raise MMLError(f"search.space: '{key}' cannot be searched: {why}")
        for other, place in varied.items():
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                raise MMLError(f"search.space.{key}: {place} varies it too; leave it out of one of them")


def check_objectives(options: Search, objectives: Sequence[Objective], base: Pipeline) -> None:
    """Refuse values that do not compare: losses of trials with different losses, or of trials that are tuned.

    Raises:
        MMLError: the first reason.
    """
    if base.content.get("tune"):
        raise MMLError("search: it cannot be combined with tune, because trials are not tuned; leave one of them out")
    if any(objective.name == "loss" for objective in objectives):
        for key in options.space:
            if key.split(".")[0] in LOSSES:
                raise MMLError(
                    f"search.objective: values of the loss do not compare where {key} differs; name a metric instead, "
                    f"or leave {key} out of the space"
                )


def check_sampler(options: Search, space: Space) -> None:
    """Refuse a space that a sampler cannot search.

    Raises:
        MMLError: the first reason.
    """
    if space.is_conditional and options.sampler in UNCONDITIONAL:
        (conditional, *_) = [parameter.key for parameter in space.parameters if parameter.when]
        raise MMLError(
            f"search.sampler: {options.sampler} needs every parameter in every trial, but {conditional} has a "
            "condition; set sampler: tpe or random"
        )
    ranges = [parameter.key for parameter in space.parameters if not parameter.choices]
    if options.sampler == "cmaes" and len(ranges) < 2:
        raise MMLError(
            f"search.sampler: cmaes needs at least two ranges, but the space has {len(ranges) or 'none'}; set sampler: "
            "tpe or gp"
        )
    if options.sampler == "grid" and options.trials > (points := len(space.points())):
        raise MMLError(f"search.trials is {options.trials}, but the grid has {points} points; lower it")


def try_sampler(options: Search, space: Space, objectives: Sequence[Objective]) -> None:
    """Check a sampler class by proposing a trial, because only Optuna knows its limits.

    Raises:
        MMLError: the class is not a sampler, needs other arguments, or does not support the space or objectives.
    """
    if options.sampler not in SAMPLERS:
        from mml_lib.search.proposing import propose  # imports Optuna, which is slow

        propose(space, options, objectives, [])


def check_start(options: Search, space: Space) -> None:
    """Refuse initial trials that are not in the space.

    Raises:
        MMLError: the first mistake.
    """
    for number, start in enumerate(options.start, start=1):
        try:
            space.check_start(start)
        except MMLError as error:
            raise MMLError(f"search.start: trial {number}: {error}") from error


def check_folds(options: Search, task: TaskIdentity) -> None:
    """Refuse folds that a task does not have.

    Raises:
        MMLError: the first mistake.
    """
    for fold in options.folds:
        if not 0 <= fold < task.num_folds:
            last = task.num_folds - 1
            raise MMLError(f"search.folds: task {task.name} has no fold {fold}; it has 0 to {last}")


def check_limits(options: Search, base: Pipeline) -> None:
    """Refuse limits of a training in combination with halving, which decides the number of epochs.

    Raises:
        MMLError: the first mistake.
    """
    if options.early_stopping is None:
        return
    name = options.early_stopping_key
    for limit in LIMITS:
        if "trainer" in options.space or f"trainer.{limit}" in options.space:
            raise MMLError(f"search.space.trainer.{limit}: {name} decides how long trials are trained; leave it out")
        if limit != "max_epochs" and base.content["trainer"].get(limit) is not None:
            raise MMLError(f"search.{name}: it cannot be combined with trainer.{limit}; leave one of them out")


def check_rungs(options: Search, rungs: Sequence[Rung], base: Pipeline) -> None:
    """Refuse rungs without validation, or with too few trials that are trained in full.

    Raises:
        MMLError: the first reason.
    """
    if options.early_stopping is None:
        return
    name = options.early_stopping_key
    every = base.content["trainer"].get("check_val_every_n_epoch") or 1
    if unmeasured := [rung.epochs for rung in rungs if rung.epochs % every]:
        raise MMLError(
            f"search.{name}: trials are compared after {unmeasured[0]} epochs, but trainer.check_val_every_n_epoch is "
            f"{every}; set min_epochs to a multiple of it"
        )
    full = sum(rung.slots for rung in rungs if rung.is_last)
    if options.top > full:
        raise MMLError(
            f"search.top is {options.top}, but {name} trains {full} of {options.trials} trials in full; lower it, or "
            "raise search.trials"
        )
