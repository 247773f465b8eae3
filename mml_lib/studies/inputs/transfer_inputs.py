"""Inputs and params of rules/transfer.smk."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mml_lib.evaluation.comparisons.planned_tests import PlannedTest
from mml_lib.files.checksums import checksum_path
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import InputFiles, Wildcards

    from mml_lib.schedulers.train import TrainScheduler


class TransferInputs(RuleInputs):
    """Tested networks that start from sources, and those from scratch. Only the study's own mode has sources."""

    def networks(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The tested networks whose tasks have a metric."""
        return [test.as_params() for test in self._tests(wildcards)]

    def resampled_metrics(self, wildcards: "Wildcards") -> list[str]:
        """The resampled metrics of these networks."""
        tests = self._tests(wildcards)
        return [self.fm.path("resampled_metrics", **test.network.tokens, eval=test.split) for test in tests]

    def descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of the tasks that these networks were trained on."""
        tasks = dict.fromkeys(test.network.task for test in self._tests(wildcards))
        return [self.study.tasks.description_path(task) for task in tasks]

    def transfers(self, wildcards: "Wildcards") -> list[dict[str, str]]:
        """The procedures that start from sources, with those from scratch."""
        return [transfer.as_params() for transfer in self._main.questions.transfers.all]

    def tasks(self, wildcards: "Wildcards") -> dict[str, str]:
        """The tasks of the study by their names in tables."""
        return {test.task: self._main.target_of(test.network.task) for test in self._tests(wildcards)}

    # --- distances ----------------------------------------------------------------------------------------------

    def distances(self, wildcards: "Wildcards") -> list[str]:
        """The distances between tasks that another mode of the plan collects, and those of `reuse.distances`."""
        own = [self.fm.path("distances", measure=measure) for measure in self._planned]
        return own + self.fm.reusables.inputs("distances")

    def measures(self, wildcards: "Wildcards", input: "InputFiles") -> list[str]:
        """The measure of each of these files, with its project if it is another one."""
        own = {self.fm.path("distances", measure=measure) for measure in self._planned}
        paths = [Path(path) for path in input["distances"]]
        return [path.stem if str(path) in own else f"{path.parents[1].name}: {path.stem}" for path in paths]

    def stored_distances(self, wildcards: "Wildcards") -> dict[str, dict[str, str]]:
        """Path and checksum of the project's other distances, by measure.

        They are params: for inputs, Snakemake would compute them again with the options of this study.
        """
        measures = sorted({stored["measure"] for stored in self.fm.existing("distances")} - set(self._planned))
        paths = {measure: self.fm.path("distances", measure=measure) for measure in measures}
        sealed = {measure: checksum_path(path) for measure, path in paths.items()}
        return {
            measure: {"path": path, "sha256": sealed[measure].read_text() if sealed[measure].exists() else ""}
            for measure, path in paths.items()
        }

    @property
    def _planned(self) -> list[str]:
        """The measures whose distances another mode of the plan collects."""
        modes = [self.study.scheduler(mode) for mode in self.study.schedulers.planned]
        return sorted({step["measure"] for mode in modes for step in mode.steps_by_rule.get("collect_distances", ())})

    def figure_labels(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a figure or table in the report."""
        content = wildcards.get("table") or wildcards.figure
        return {"content": content.replace("_", " "), "subject": wildcards.metric.replace("_", " ")}

    @cached_property
    def _main(self) -> "TrainScheduler":
        return cast("TrainScheduler", self.study.scheduler(self.study.cfg.mode.id))

    def _tests(self, wildcards: "Wildcards") -> list[PlannedTest]:
        tests, study = self._main.questions.tests, self.study
        return [
            test
            for test in tests
            if wildcards.metric in study.cfg.named_metrics_of(study.task(test.network.task).task_type)
        ]
