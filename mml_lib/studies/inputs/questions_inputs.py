"""Inputs and params of rules/questions.smk."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mml_lib.evaluation.comparisons.planned_tests import PlannedTest
from mml_lib.studies.inputs.rule_inputs import RuleInputs
from mml_lib.tasks.curves import Curve

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards

    from mml_lib.studies.questions import Questions


class QuestionsInputs(RuleInputs):
    """Tested networks of a mode: for the ablation table, learning curves, and the comparison across tasks."""

    def networks(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The tested networks of a mode."""
        return [test.as_params() for test in self._tests(wildcards)]

    def resampled_metrics(self, wildcards: "Wildcards") -> list[str]:
        """The resampled metrics of the tested networks of a mode."""
        return self._resampled(self._tests(wildcards))

    def descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of the tasks that these networks were trained on."""
        tasks = dict.fromkeys(test.network.task for test in self._tests(wildcards))
        return [self.study.tasks.description_path(task) for task in tasks]

    def baselines(self, wildcards: "Wildcards") -> dict[str, dict[str, str]]:
        """The procedure that each procedure is compared with, by baseline."""
        return self._questions(wildcards).baselines()

    def siblings(self, wildcards: "Wildcards") -> dict[str, str]:
        """The tasks that do not count as independent evidence, each with the task of its data set that counts."""
        return self._questions(wildcards).siblings()

    def figure_labels(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a figure or table across tasks in the report."""
        return _report_labels(wildcards, "critical differences")

    # --- curves -------------------------------------------------------------------------------------------------

    def curve_networks(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The tested networks of a curve, each with the `value` and the `subset` of its point."""
        return [test.as_params() for test in self._curve_tests(wildcards)]

    def curve_resampled_metrics(self, wildcards: "Wildcards") -> list[str]:
        """The resampled metrics of the networks of a curve."""
        return self._resampled(self._curve_tests(wildcards))

    def curve_descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of the tasks of a curve."""
        return [self.study.tasks.description_path(point.task) for point in self._curve(wildcards).points]

    def curve_axis(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The `label` of the axis of a curve, and True as `counted` if it is a number of samples."""
        axis = self._curve(wildcards).axis
        return {"label": axis.label, "counted": axis.counted}

    def curve_figure_labels(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a figure or table of a curve in the report."""
        return _report_labels(wildcards, "curve")

    def _questions(self, wildcards: "Wildcards") -> "Questions":
        return self._scheduler(wildcards).questions

    def _curve(self, wildcards: "Wildcards") -> Curve:
        return next(curve for curve in self._questions(wildcards).curves() if curve.name == wildcards.curve)

    def _tests(self, wildcards: "Wildcards") -> list[PlannedTest]:
        return self._questions(wildcards).tests

    def _curve_tests(self, wildcards: "Wildcards") -> list[PlannedTest]:
        points = {point.task: point for point in self._curve(wildcards).points}
        tests = [test for test in self._tests(wildcards) if test.network.task in points]
        return [replace(test, point=points[test.network.task]) for test in tests]

    def _resampled(self, tests: list[PlannedTest]) -> list[str]:
        return [self.fm.path("resampled_metrics", **test.network.tokens, eval=test.split) for test in tests]


def _report_labels(wildcards: "Wildcards", figure: str) -> dict[str, str]:
    if table := wildcards.get("table"):
        return {"content": table.replace("_", " "), "subject": "all metrics", "mode": wildcards.mode}
    return {"content": figure, "subject": wildcards.metric.replace("_", " "), "mode": wildcards.mode}
