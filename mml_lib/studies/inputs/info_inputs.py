"""Inputs and params of rules/info.smk."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.metric_options import lower_is_better
from mml_lib.models.model_files import network_files, state_of, stored_models
from mml_lib.studies.inputs.rule_inputs import RuleInputs
from mml_lib.studies.resources.consumption import consumption
from mml_lib.studies.resources.forecast import Forecast
from mml_lib.studies.resources.planned_steps import Step, planned_steps
from mml_lib.task_types import TASK_TYPES

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards


class InfoInputs(RuleInputs):
    """Tasks, models, runs and resources of a project."""

    # --- tasks --------------------------------------------------------------------------------------------------

    def description(self, wildcards: "Wildcards") -> str:
        """The description of a task of the study."""
        return self.study.tasks.description_path(wildcards.task)

    def dataset(self, wildcards: "Wildcards") -> str:
        """The manifest of the data set of the task that is predicted, or else of the task in the wildcards."""
        task = self.study.task(wildcards.get("eval_task", wildcards.task))
        return self.fm.path("dataset", dataset=task.dataset)

    def descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of all tasks of the study."""
        return [self.study.tasks.description_path(name) for name in self.study.tasks]

    def datasets(self, wildcards: "Wildcards") -> list[str]:
        """The manifests of the data sets of all tasks."""
        return [self.fm.path("dataset", dataset=task.dataset) for task in self.study.tasks.values()]

    def dimension_values(self, wildcards: "Wildcards") -> str:
        """The packed images or the features whose dimension is estimated."""
        audit = self.study.inputs.audit
        options = self.study.cfg.dimension
        return audit.features(wildcards) if options and options.of == "features" else audit.packed_images(wildcards)

    def dimension_options(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The section `dimension`."""
        return self.study.cfg.dimension.model_dump() if self.study.cfg.dimension else {}

    def dimensions(self, wildcards: "Wildcards") -> list[str]:
        """The intrinsic dimensions of all tasks, if the study asks for them."""
        return [self.fm.path("dimension", task=name) for name in self.study.tasks] if self.study.cfg.dimension else []

    def main_metrics(self, wildcards: "Wildcards") -> dict[str, str]:
        """The main metric of each task, with a minus where less is better."""
        metrics = {
            name: self.study.main_metric(task.task_type)
            for name, task in self.study.tasks.items()
            if TASK_TYPES[task.task_type].is_learnable
        }
        return {name: f"-{metric}" if lower_is_better(metric) else metric for name, metric in metrics.items()}

    # --- models -------------------------------------------------------------------------------------------------

    def model_folders(self, wildcards: "Wildcards") -> list[str]:
        """The folders of model storages. Their times change when a model is added or removed.

        Models are no inputs, because Snakemake would search rules for those of other studies.
        """
        return sorted({str(Path(self.fm.path("models", **model)).parent) for model in self.fm.existing("models")})

    def model_files_state(self, wildcards: "Wildcards") -> str:
        """A digest of all files of networks in the project."""
        return state_of(network_files(self.fm))

    def stored_models(self, wildcards: "Wildcards", output: "OutputFiles") -> list[dict[str, Any]]:
        """The models of the project and their existing files. No rule of the study creates those of other studies."""
        return stored_models(self.fm)

    def model_labels(self, wildcards: "Wildcards") -> dict[str, dict[str, str]]:
        """The labels of the study's runs, by task and run."""
        return self.study.project_models.labels()

    def explanation(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The pipeline of a run, and its differences from each run of the study on the same task, the nearest first."""
        return self.study.project_models.explanation(wildcards.run)

    # --- resources ----------------------------------------------------------------------------------------------

    def forecast(self, rules: Any) -> str:
        """Return remaining steps, time and space of the study in one line.

        Args:
            rules: Snakemake's `rules` object.
        """
        self.study.gpus.count_trainings([self._forecast_mode])
        forecast = Forecast(self.study)
        return forecast.line(forecast.missing(self._steps(rules)))

    def consumption(self, rules: Any) -> list[dict[str, Any]]:
        """Return used and requested resources of the study's steps, a row for each rule."""
        return consumption(step for step in self._steps(rules) if step.benchmark and step.benchmark.exists())

    def _steps(self, rules: Any) -> list[Step]:
        return planned_steps(self.study, self._forecast_mode, rules)

    @property
    def _forecast_mode(self) -> str:
        """The mode whose outputs the forecast counts: the study's own, or `train` for `info` and `clean`."""
        own = self.study.cfg.mode.id
        return "train" if self.study.scheduler(own).alone or own == "info" else own
