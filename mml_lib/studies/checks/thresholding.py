"""Checks of a study that asks for operating points."""

from typing import TYPE_CHECKING

from mml_lib.errors import MMLError
from mml_lib.task_types import TASK_TYPES

if TYPE_CHECKING:
    from mml_lib.schedulers.train import TrainScheduler


def tasks_with_thresholds(scheduler: "TrainScheduler") -> list[str]:
    """Return the tasks of a mode that have operating points: those of classes and of labels.

    Raises:
        MMLError: no task has probabilities, networks are of nested tasks, or thresholds would be reported on the
            samples that choose them.
    """
    study = scheduler.study
    if study.cfg.operating_points is None:
        return []
    tasks = [task for task in scheduler.task_names if TASK_TYPES[study.task(task).task_type].has_probabilities]
    if not tasks:
        raise MMLError("operating_points: they are of classes and labels, and no task has these; leave the key out")
    if scheduler.options.nested:
        raise MMLError("operating_points: networks of mode.nested have no common threshold; set nested: false")
    for task in tasks:
        if "test" not in scheduler.splits(task) and not scheduler.pools_folds(task):
            raise MMLError(
                f"operating_points: {task} has no test split and no folds to pool, so thresholds would be reported on "
                f"the samples that choose them; set tasks.{study.task(task).base_name}.test_fraction"
            )
    return tasks
