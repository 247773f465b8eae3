"""Files of the tasks of a step, among the inputs that its rule declares."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.models.model_storage import ModelStorage
from mml_lib.tasks.struct import TaskStruct

if TYPE_CHECKING:
    from mml_lib.steps.training_step import TrainingStep


def task_structs(step: "TrainingStep") -> dict[str, TaskStruct]:
    """Return the struct of each task whose description the rule of a step declares."""

    def models(task: str) -> list[ModelStorage]:
        return [ModelStorage.read(step.fm.path("models", **model)) for model in step.fm.existing("models", task=task)]

    def reused(task: str) -> Mapping[str, Sequence[Path]]:
        return step.fm.reusables.of_task(task)

    return {
        task: TaskStruct(task, paths, partial(models, task), partial(reused, task))
        for task, paths in task_files(step).items()
    }


def task_files(step: "TrainingStep") -> dict[str, dict[str, Path]]:
    """Return the paths `description`, `packed` and `dataset` of each task that the rule of a step declares.

    A training declares the inputs `tasks` and `images` of all its tasks; tasks with the same images share them. Other
    steps declare `task`, `eval_task`, and `images` of the latter. The manifests are the param `datasets`.
    """
    learned = step.input.get("tasks")
    paths = {name: {"description": Path(path)} for name, path in _descriptions(step, learned).items() if name and path}
    packs = [(task["dataset"], task["pack"]) for task in step.pipeline.tasks] if learned else [None]
    owners = list(paths) if learned else [step.eval_task]
    for key, declared in (("packed", step.input.get("images")), ("dataset", step.params.get("datasets"))):
        if declared:
            files = dict(zip(dict.fromkeys(packs), _listed(declared), strict=True))
            for name, pack in zip(owners, packs, strict=True):
                if name in paths:  # a rule may declare images without their task
                    paths[name][key] = Path(files[pack])
    return paths


def _descriptions(step: "TrainingStep", learned: Any) -> Mapping[str | None, Any]:
    """Return the declared description of each task."""
    if learned:
        return dict(zip([task["name"] for task in step.pipeline.tasks], _listed(learned), strict=True))
    return {step.task: step.input.get("task")} | (
        {} if step.eval_task == step.task else {step.eval_task: step.input.get("eval_task")}
    )


def _listed(paths: Any) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)
