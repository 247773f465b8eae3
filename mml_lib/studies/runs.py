"""Runs: pipelines on tasks, and their labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mml_lib.config.task_options import Preprocessing
from mml_lib.errors import MMLError
from mml_lib.files.checksums import verify
from mml_lib.files.manager import MMLFileManager
from mml_lib.images.packs.pack_names import pack_id
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.tasks.task_identity import TaskIdentity


@dataclass(frozen=True)
class Run:
    """One pipeline on one task, with its labels in the study."""

    pipeline: Pipeline
    labels: list[str] = field(default_factory=list)
    procedure_labels: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.pipeline.run

    @property
    def label(self) -> str:
        return " = ".join(label for label in self.labels if label)

    @property
    def display_name(self) -> str:
        """Id of the run, with its label if it has one."""
        return f"run {self.id} ({self.label})" if self.label else f"run {self.id}"


class Runs:
    """Runs of a study: those that schedulers plan, and those on the disk whose pipelines have been read.

    Args:
        fm: the file manager.
    """

    def __init__(self, fm: MMLFileManager):
        self.fm = fm
        self.planned: dict[tuple[str, str], Run] = {}
        self.old: dict[tuple[str | None, str, str], Run] = {}

    def plan(self, task: str, runs: Sequence[Run]) -> None:
        """Add planned runs of a task. Runs that were planned before keep their labels."""
        for run in runs:
            if run.label or (task, run.id) not in self.planned:
                self.planned[task, run.id] = run

    def read(self, task: str, run: str, project: str | None = None) -> Run:
        """Return a run whose pipeline file is on the disk, in this project or in another.

        Raises:
            MMLError: the run does not exist.
        """
        key = (project, task, run)
        if key not in self.old:
            path = self.fm.construct_saving_path(None, "pipeline", project, task_name=task, run=run)
            if not path.exists():
                raise MMLError(f"run {run} of task {task} is not part of the study, and there is no {path}")
            verify(path)
            self.old[key] = Run(Pipeline.read(path))
        return self.old[key]

    def of_model(self, model: Mapping[str, Any]) -> Run:
        """Return the run of a model, by its `project` (None: this one), `task` and `run`."""
        planned = self.planned.get((model["task"], model["run"])) if model["project"] is None else None
        return planned or self.read(model["task"], model["run"], model["project"])

    @property
    def old_tasks(self) -> list[Mapping[str, Any]]:
        """Tasks in the pipelines on the disk, those of this project last."""
        ordered = sorted(self.old.items(), key=lambda item: item[0][0] is None)
        return [task for _, run in ordered for task in run.pipeline.tasks]


def task_content(task: TaskIdentity, preprocessing: Preprocessing) -> dict[str, Any]:
    """Return the section of a pipeline for a task."""
    return task.definition() | {"pack": pack_id(preprocessing)}
