"""Multi-task learning: co-tasks of a task, and the weights of their losses."""

import random
from typing import TYPE_CHECKING, Any

from mml_lib.config.schema import StudyConfig
from mml_lib.config.task_options import SEPARATOR, is_nested
from mml_lib.errors import MMLError, nearest
from mml_lib.studies.checks.study_checks import check_co_task
from mml_lib.studies.runs import task_content
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.task_identity import TaskIdentity, held_out_key

if TYPE_CHECKING:
    from mml_lib.studies.study import Study


def multitask(
    study: "Study",
    target: str | None,
    cfg: StudyConfig,
    co_tasks: list[str] | int | None,
    task_weights: list[float] | None,
    trained: str,
) -> dict[str, Any]:
    """Return the entries of a pipeline about co-tasks of a task: `co_tasks` and `task_weights`.

    Args:
        study: the study.
        target: the main task; None: the study has none.
        cfg: one of its variants.
        co_tasks: their names, how many to draw with the seed, or None for all.
        task_weights: of the target and of each co-task in the sum of losses; None: 1 each.
        trained: the task that is trained for the target: itself, or nested.

    Raises:
        MMLError: a co-task does not exist or cannot be learned, or the number of weights is wrong.
    """
    if target is None:
        raise MMLError("mode.multitask: no task is the main one; set pivot.name, whose co-tasks the others are")
    chosen = _named(study, target, co_tasks) if isinstance(co_tasks, list) else _drawn(study, target, cfg, co_tasks)
    for task in chosen:
        check_co_task(task, cfg)
    weights = task_weights or [1.0] * (1 + len(chosen))
    names = [target, *(task.name for task in chosen)]
    if len(weights) != len(names):
        raise MMLError(
            f"mode.task_weights: {len(weights)} weights for {len(names)} tasks; name one for each of {', '.join(names)}"
        )
    return {
        "co_tasks": [task_content(_nested_alike(study, target, task, trained), cfg.preprocessing) for task in chosen],
        "task_weights": [float(weight) for weight in weights],
    }


def _nested_alike(study: "Study", target: str, task: TaskIdentity, trained: str) -> TaskIdentity:
    """Return a co-task, nested like the target if both share the division of their data set."""
    tag = trained.removeprefix(target)
    if not trained.startswith(target) or not is_nested(tag.removeprefix(SEPARATOR)):
        return task
    main, other = (study.tasks.derived(f"{name}{tag}") for name in (target, task.name))
    keys = [held_out_key(identity.definition(), False, ["nested"]) for identity in (main, other)]
    return other if keys[0] == keys[1] else task


def _named(study: "Study", target: str, names: list[str]) -> list[TaskIdentity]:
    if not names:
        raise MMLError("mode.co_tasks: no task is named; name some, or set mode.multitask: false")
    for name in names:
        if name not in study.tasks:
            raise MMLError(f"mode.co_tasks: there is no task '{name}' in the study{nearest(name, study.tasks)}")
        if name == target:
            raise MMLError(f"mode.co_tasks: {name} is the pivot itself; leave it out")
        if names.count(name) > 1:
            raise MMLError(f"mode.co_tasks: {name} is named twice; name it once, with a weight in mode.task_weights")
        if not TASK_TYPES[study.tasks[name].task_type].is_learnable:
            raise MMLError(f"mode.co_tasks: {name} has no labels to learn from; leave it out")
    return [study.tasks[name] for name in names]


def _drawn(study: "Study", target: str, cfg: StudyConfig, number: int | None) -> list[TaskIdentity]:
    """Return other tasks of the study: all that have labels, or some drawn with the seed."""
    others = [task for name, task in sorted(study.tasks.items()) if name != target]
    others = [task for task in others if TASK_TYPES[task.task_type].is_learnable]
    if not others:
        raise MMLError("mode.multitask: the study has no other task with labels; add one to tasks")
    if number is not None and not 0 < number <= len(others):
        raise MMLError(f"mode.co_tasks: {number} cannot be drawn; the study has {len(others)} other tasks with labels")
    return others if number is None else random.Random(cfg.seed).sample(others, number)
