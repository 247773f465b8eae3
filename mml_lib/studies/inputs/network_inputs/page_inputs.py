"""Inputs and params of the rule `write_report`: the files of all drawn tasks of a mode, one task after the other."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from snakemake.iocontainers import Wildcards

from mml_lib.studies.inputs.report_inputs import ReportInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import InputFiles

SAMPLES = 2400
"""Rows of the tables of samples in a report, those of all tasks together."""

LEAST_SAMPLES = 100
"""Rows of each of these tables at least."""


class PageInputs(ReportInputs):
    """Files of the page of a report."""

    def _tasks(self, wildcards: "Wildcards") -> list["Wildcards"]:
        """Return the wildcards of each drawn task."""
        steps = self._scheduler(wildcards).steps_by_rule.get("draw_results", ())
        return [Wildcards(fromdict={"task": step["task"], "mode": wildcards.mode}) for step in steps]

    def _of_tasks(self, wildcards: "Wildcards", files: Callable[["Wildcards"], Any]) -> list[str]:
        """Return files of each drawn task, one task after the other."""
        return [str(path) for task in self._tasks(wildcards) for path in files(task)]

    def page_descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The description of each drawn task."""
        return [self.study.inputs.info.description(task) for task in self._tasks(wildcards)]

    def page_datasets(self, wildcards: "Wildcards") -> list[str]:
        """The manifest of the data set of each drawn task."""
        return [self.study.inputs.info.dataset(task) for task in self._tasks(wildcards)]

    def page_figures(self, wildcards: "Wildcards") -> list[str]:
        """The folder of figures of each drawn task."""
        return [self.fm.path("figures", task=task.task, mode=task.mode) for task in self._tasks(wildcards)]

    def page_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The predictions of tested networks."""
        return self._of_tasks(wildcards, self.predictions)

    def page_calibrated(self, wildcards: "Wildcards") -> list[str]:
        """The calibrated predictions of these networks."""
        return self._of_tasks(wildcards, self.calibrated)

    def page_tables(self, wildcards: "Wildcards") -> list[str]:
        """The tables of comparisons."""
        return self._of_tasks(wildcards, self.tables)

    def page_overlaps(self, wildcards: "Wildcards") -> list[str]:
        """The comparison of images between tasks; none where there is one task."""
        guards = self._scheduler(wildcards).guards
        return [self.fm.path("overlaps", sha256=guards.sha256)] if guards.guards else []

    def page_explanations(self, wildcards: "Wildcards") -> list[str]:
        """The folders of figures of explanations, of the tasks that have them."""
        steps = self._scheduler(wildcards).steps_by_rule.get("explain", ())
        return [self.fm.path("explanation_figures", **step) for step in steps]

    def explained_tasks(self, wildcards: "Wildcards") -> list[str]:
        """The task of each of these folders."""
        return [step["task"] for step in self._scheduler(wildcards).steps_by_rule.get("explain", ())]

    def page_points(self, wildcards: "Wildcards") -> list[str]:
        """The tables of operating points, of the tasks that have them."""
        return [self.fm.path("operating_points", **step) for step in self._pointed(wildcards)]

    def page_curves(self, wildcards: "Wildcards") -> list[str]:
        """The folders of figures of operating points, of the same tasks."""
        return [self.fm.path("operating_figures", **step) for step in self._pointed(wildcards)]

    def pointed_tasks(self, wildcards: "Wildcards") -> list[str]:
        """The task of each of these."""
        return [step["task"] for step in self._pointed(wildcards)]

    def _pointed(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        return self._scheduler(wildcards).steps_by_rule.get("find_operating_points", [])

    def page_tasks(self, wildcards: "Wildcards", input: "InputFiles") -> list[dict[str, Any]]:
        """Options of each drawn task, and its networks by kind of file."""
        tasks = self._tasks(wildcards)
        return [
            {
                "split": "out_of_fold" if self.is_out_of_fold(task) else self._split(task),
                "metrics": self.metrics(task),
                "run_labels": self.run_labels(task),
                "tables": len(self.tables(task)),
                "samples": max(LEAST_SAMPLES, SAMPLES // len(tasks)),
                "networks": {
                    key: [self.fm.wildcards(key, path) for path in cast("Any", getattr(self, key))(task)]
                    for key in ("predictions", "calibrated")
                },
            }
            for task in tasks
        ]
