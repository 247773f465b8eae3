"""Mode `audit`: near duplicates, wrong labels, outliers, bad images and shortcuts of the tasks of a study."""

import csv
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mml_lib.errors import MMLError
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.task_types import TASK_TYPES

if TYPE_CHECKING:
    from mml_lib.steps.step import Step

TABLES = ("near_duplicates", "outliers", "image_faults", "shortcuts")
"""Assignment keys of the tables of any task, from which that of its suspects is made."""

LABEL_TABLES = ("label_errors", "confusable_classes")
"""Those of a task whose labels are audited, too."""


class AuditScheduler(AbstractBaseScheduler):
    """Audits each task of a study, and compares the images of its data sets."""

    provides: ClassVar[str] = "audit"

    def create_routine(self) -> None:
        self._check()
        for task in self.task_names:
            self.add("find_duplicates", task=task)
            self.add("find_outliers", task=task)
            self.add("check_shortcuts", task=task)
            if self.has_labels(task):
                self.add("find_label_errors", task=task)
            if self.cfg.audit.map:
                self.add("draw_map", task=task)
            self.add("draw_audit", task=task)
        if len(self.datasets) > 1:
            self.add("compare_datasets")

    @property
    def datasets(self) -> dict[str, str]:
        """The first task on each data set, by data set."""
        tasks: dict[str, str] = {}
        for task in self.task_names:
            tasks.setdefault(self.study.task(task).dataset, task)
        return tasks

    def has_labels(self, task: str) -> bool:
        """Return True if wrong labels of a task can be found: an image has a class or labels."""
        return TASK_TYPES[self.study.task(task).task_type].has_probabilities

    def tables(self, task: str) -> list[str]:
        """Return the assignment keys of the tables from which the suspects of a task are listed."""
        return [*TABLES, *(LABEL_TABLES if self.has_labels(task) else ())]

    def _check(self) -> None:
        """Refuse a map without its package, too few samples, and to write over a table that makes a task.

        Raises:
            MMLError: the first problem.
        """
        if self.cfg.audit.map == "tsne" and find_spec("openTSNE") is None:
            raise MMLError(
                'audit.map: the package openTSNE, which tsne needs, is missing; run pip install "mml[analysis]", or '
                "set audit.map: pca"
            )
        for task in self.task_names:
            if samples := self.study.tasks.num_samples(task):
                from mml_lib.audit.neighbours import check_number  # imports numpy, which plans do without

                check_number(samples["all"], task, self.cfg.audit.neighbours)
        tables = {
            Path(self.fm.path(key, task=task)).absolute()
            for task in self.task_names
            for key in (*self.tables(task), "suspects")
        }
        for task in self.task_names:
            base = self.study.task(task).base_name
            for file in self.study.tasks.excluded(base).files:
                if file in tables:
                    raise MMLError(
                        f"tasks.{base}.exclude: mode {self.mode} would write over {file}; copy it to another file, and "
                        "name that"
                    )

    @property
    def announcement(self) -> list[str]:
        without = [task for task in self.task_names if not self.has_labels(task)]
        return [f"{task}: its images have no classes, so that no wrong labels are looked for" for task in without]

    @property
    def finishing_files(self) -> dict[str, list[str]]:
        return {"suspects": [self.fm.path("suspects", task=task) for task in self.task_names]}

    def before_finishing_hook(self, step: "Step") -> None:
        """Return the number of suspects of each task by reason."""
        step.return_value = {}
        for path, task in zip(step.input.suspects, self.task_names, strict=True):
            with open(path, newline="", encoding="utf-8") as stream:
                reasons = [reason for row in csv.DictReader(stream) for reason in row["reasons"].split("; ")]
            step.return_value[task] = dict(sorted(Counter(reasons).items()))
