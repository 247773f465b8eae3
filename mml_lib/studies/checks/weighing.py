"""Weights of samples in metrics: checks of a study that asks for them."""

from collections.abc import Iterable

from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import get_creator
from mml_lib.tasks.task_identity import TaskIdentity


def check_weighing_metrics(task: str, kind: str, cfg: StudyConfig) -> None:
    """Refuse metrics that cannot weigh the samples of a task.

    Raises:
        MMLError: a metric from outside of MML cannot weigh samples.
    """
    for metric in cfg.metrics_of(kind):
        if not isinstance(metric, str):
            raise MMLError(f"metrics: {metric.target} cannot weigh the samples of {task}; name metrics of MML instead")


def check_weights_exist(tasks: Iterable[TaskIdentity], cfg: StudyConfig) -> None:
    """Refuse metrics by weight if planning knows that no task has weights.

    Raises:
        MMLError: no task has weights.
    """
    if not cfg.weighted_metrics or any(task.is_weighted or not _is_known(task, cfg) for task in tasks):
        return
    raise MMLError(
        "weighted_metrics: no task has weights of samples; give a table a column of them (columns: {weight: …}), or "
        "leave the key out"
    )


def _is_known(task: TaskIdentity, cfg: StudyConfig) -> bool:
    """Return True if planning knows whether samples have weights: of present data, by a creator of MML."""
    options = cfg.tasks.get(task.base_name)
    creator = get_creator(f"tasks.{task.base_name}", task.source["creator"])
    return options is not None and options.is_seen and creator.function.__module__.startswith("mml_lib.")
