"""Overview: the lines about tasks and runs that a study prints before it starts."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mml_lib.studies.checks.changed_code import changed_code
from mml_lib.studies.dataset_hints import dataset_hints, dataset_lines

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

MAX_RUNS = 20
"""Number of runs of a task that are listed."""


def overview(study: "Study", modes: Sequence[str]) -> str:
    """Return the tasks and runs of a study in these modes, in a few lines."""
    schedulers = [study.scheduler(mode) for mode in modes]
    lines = [f"study {study.cfg.project}, mode {', '.join(modes)}"]
    lines += dataset_lines(study)
    plans = {task: scheduler for scheduler in schedulers for task in scheduler.trained_tasks}
    for name, scheduler in plans.items():
        lines += _task_lines(study, name, scheduler)
    lines += [line for scheduler in schedulers for line in scheduler.announcement]
    lines += dataset_hints(study)
    if unknown := dict.fromkeys(name for scheduler in schedulers for name in scheduler.guards.unknown):
        lines.append(
            f"warning: the data sets of {', '.join(unknown)} are not here, so their images are not compared with "
            "those that networks which have learned them are tested on"
        )
    return "\n".join([*lines, *study.project_models.announcement(modes)])


def _task_lines(study: "Study", name: str, scheduler: Any) -> Iterator[str]:
    """Yield the lines about a task and its runs."""
    task, runs = study.task(name), scheduler.runs_of(name)
    yield f"  task {name} ({task.id}): {task.task_type.replace('_', ' ')}, {task.num_folds} folds"
    for run in runs[:MAX_RUNS]:
        words = "; ".join(filter(None, (run.label, run.pipeline.story)))
        yield f"    run {run.id}  {words}".rstrip()
    yield from (f"    {line}" for line in changed_code(study.fm, study.runs, name, runs))
    if len(runs) > MAX_RUNS:
        yield f"    … and {len(runs) - MAX_RUNS} more runs"
