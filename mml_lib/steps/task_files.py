"""Files of the tasks of a step, from the inputs of its rule."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.models.model_storage import ModelStorage
from mml_lib.tasks.struct import TaskStruct

if TYPE_CHECKING:
    from mml_lib.steps.training_step import TrainingStep


def task_structs(step: "TrainingStep") -> dict[str, TaskStruct]:
    """Return the struct of each task whose description is an input of a step, by name."""

    def models(task: str) -> list[ModelStorage]:
        return [ModelStorage.read(step.fm.path("models", **model)) for model in step.fm.existing("models", task=task)]

    def reused(task: str) -> Mapping[str, Sequence[Path]]:
        return step.fm.reusables.of_task(task)

    return {
        task: TaskStruct(task, paths, partial(models, task), partial(reused, task))
        for task, paths in task_files(step).items()
    }


def task_files(step: "TrainingStep") -> dict[str, dict[str, Path]]:
    """Return the paths `description`, `packed` and `dataset` of each task whose description is an input of a step.

    Trainings have the inputs `tasks` and `images` of all their tasks; tasks with the same images share them. Other
    steps have `task`, `eval_task`, and the `images` of the latter. The param `datasets` has the manifests.
    """
    tasks = step.input.get("tasks")
    paths = {name: {"description": Path(path)} for name, path in _descriptions(step, tasks).items() if name and path}
    packs = [(task["dataset"], task["pack"]) for task in step.pipeline.tasks] if tasks else [None]
    owners = list(paths) if tasks else [step.eval_task]
    for key, files in (("packed", step.input.get("images")), ("dataset", step.params.get("datasets"))):
        if files:
            file_of_pack = dict(zip(dict.fromkeys(packs), _as_list(files), strict=True))
            for name, pack in zip(owners, packs, strict=True):
                if name in paths:  # a rule may have images without their task
                    paths[name][key] = Path(file_of_pack[pack])
    return paths


def _descriptions(step: "TrainingStep", tasks: Any) -> Mapping[str | None, Any]:
    """Return the path of the description of each task."""
    if tasks:
        return dict(zip([task["name"] for task in step.pipeline.tasks], _as_list(tasks), strict=True))
    return {step.task: step.input.get("task")} | (
        {} if step.eval_task == step.task else {step.eval_task: step.input.get("eval_task")}
    )


def _as_list(paths: Any) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)
