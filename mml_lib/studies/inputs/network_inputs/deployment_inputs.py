"""Inputs and params of rules/deployment.smk."""

from typing import TYPE_CHECKING, Any, cast

from mml_lib.pipelines.own_code import code_of
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards

    from mml_lib.schedulers.deployment_modes.apply import ApplyScheduler
    from mml_lib.schedulers.deployment_modes.deployed_runs import DeployedRuns
    from mml_lib.schedulers.deployment_modes.export import ExportScheduler


class DeploymentInputs(RuleInputs):
    """Networks that modes `apply` and `export` use, and new images."""

    @property
    def _apply(self) -> "ApplyScheduler":
        return cast("ApplyScheduler", self.study.schedulers.providing("apply"))

    @property
    def _export(self) -> "ExportScheduler":
        return cast("ExportScheduler", self.study.schedulers.providing("export"))

    def _runs(self, wildcards: "Wildcards") -> "DeployedRuns":
        """Return the networks of the section `export` for its folder, otherwise those of `apply`."""
        return self._export.runs if "export" in wildcards.keys() else self._apply.runs  # noqa: SIM118  (no mapping)

    # --- networks ---------------------------------------------------------------------------------------------------

    def parameters(self, wildcards: "Wildcards") -> list[str]:
        """The weights of each network."""
        return self._runs(wildcards).paths("parameters")

    def models(self, wildcards: "Wildcards") -> list[str]:
        """The storage of each network."""
        return self._runs(wildcards).paths("models")

    def pipelines(self, wildcards: "Wildcards") -> list[str]:
        """The pipeline of each network."""
        return self._runs(wildcards).pipelines

    def calibrations(self, wildcards: "Wildcards") -> list[str]:
        """The calibration of each network, if the study calibrates them."""
        return self._runs(wildcards).calibrations

    def ensemble(self, wildcards: "Wildcards") -> list[str]:
        """The ensemble, if one is used."""
        return self._runs(wildcards).ensemble

    def ensemble_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The stored predictions of the test split by the ensemble, if one is used."""
        runs = self._runs(wildcards)
        if not runs.ensemble or self.split(wildcards) != "test":
            return []
        tokens = {"task": runs.task, "mode": runs.trained.mode}
        return [self.fm.path("ensemble_predictions", **tokens, eval=self.split(wildcards))]

    def description(self, wildcards: "Wildcards") -> str:
        """The description of their task."""
        return self.study.tasks.description_path(self._runs(wildcards).task)

    def dataset(self, wildcards: "Wildcards") -> str:
        """The manifest of the data set of their task."""
        return self.fm.path("dataset", dataset=self.study.task(self._runs(wildcards).task).dataset)

    def distance_images(self, wildcards: "Wildcards") -> list[str]:
        """The packed images of the task for each network, if distances to them are computed."""
        return [] if self.study.cfg.apply.distance == "none" else self._runs(wildcards).packed_images

    def packed_images(self, wildcards: "Wildcards") -> list[str]:
        """The packed images of the task for each network."""
        return self._runs(wildcards).packed_images

    def predictions(self, wildcards: "Wildcards") -> list[str]:
        """The stored predictions of each network, of its test split if there is one."""
        return self._of_split(wildcards, "predictions")

    def metrics(self, wildcards: "Wildcards") -> list[str]:
        """The metrics of these predictions."""
        return self._of_split(wildcards, "metrics")

    def _of_split(self, wildcards: "Wildcards", key: str) -> list[str]:
        split = self.split(wildcards)
        return [self.fm.path(key, **tokens, eval=split) for tokens in self._runs(wildcards).tokens]

    # --- params -----------------------------------------------------------------------------------------------------

    def networks(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """Task, run and fold of each network."""
        return self._runs(wildcards).tokens

    def prediction_params(self) -> dict[str, Any]:
        """Params whose change repeats predictions: `tta` and `code`, if there are any."""
        cfg = self.study.cfg
        params = {"tta": cfg.tta.model_dump(by_alias=True)} if cfg.tta.transforms else {}
        return params | ({"code": code} if (code := code_of(params)) else {})

    def metric(self, wildcards: "Wildcards") -> str:
        """The metric by which the best run is chosen."""
        return self.study.main_metric(self.study.task(self._runs(wildcards).task).task_type)

    def split(self, wildcards: "Wildcards") -> str:
        """The split whose stored predictions an export has to reproduce."""
        return "test" if self.study.task(self._runs(wildcards).task).has_test else "val"

    def card_options(self, wildcards: "Wildcards") -> dict[str, Any]:
        """Texts of the model card."""
        return self.study.cfg.export.model_dump(include={"license", "intended_use", "limits"})

    def options(self, wildcards: "Wildcards") -> dict[str, Any]:
        """Options of the section `apply` that change its table."""
        return self.study.cfg.apply.model_dump(include={"run", "distance", "warn_from"})

    def batch_size(self, wildcards: "Wildcards", output: "OutputFiles") -> int:
        """The batch size. Snakemake does not repeat steps if params of the output change."""
        return self.study.cfg.apply.batch_size

    def images(self, wildcards: "Wildcards") -> str:
        """The new images."""
        return str(self._apply.images)

    def state(self, wildcards: "Wildcards") -> str:
        """A digest of the files of the new images, whose change predicts them anew."""
        return self._apply.state

    def unpacked(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The folder that an archive of new images is unpacked to for the step."""
        return str(self.fm.temp_path / "applied" / wildcards.collection)

    def collections(self, masks: bool) -> str:
        """Return a pattern of the names of tables with mask files, or of those without them."""
        own = self.study.cfg.apply
        if own.images is None or self._apply.has_masks != masks:
            return "(?!)"  # matches nothing
        return self.fm.constraints["collection"]
