"""Inputs and params of rules/audit.smk."""

from typing import TYPE_CHECKING, Any, cast

from mml_lib.images.packs.pack_names import pack_id
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards

    from mml_lib.schedulers.audit import AuditScheduler

MODE = "audit"


class AuditInputs(RuleInputs):
    """Features, measures and predictions that audits read."""

    def _audit(self) -> "AuditScheduler":
        return cast("AuditScheduler", self.study.schedulers.providing(MODE))

    # --- a task -------------------------------------------------------------------------------------------------

    def packed_images(self, wildcards: "Wildcards") -> str:
        """The packed images of a task, by the preprocessing of the study."""
        task = self.study.task(wildcards.task)
        return self.fm.path("packed", dataset=task.dataset, pack=pack_id(self.study.cfg.preprocessing))

    def features(self, wildcards: "Wildcards") -> str:
        """The features of a task."""
        return self.study.inputs.features.path(wildcards.task)

    def metadata(self, wildcards: "Wildcards") -> list[str]:
        """The columns of a task's metadata, if it names some."""
        return self.study.tasks.metadata_paths(wildcards.task)

    def predictions(self, wildcards: "Wildcards") -> list[str]:
        """The out-of-fold predictions of a task, and those of its test split."""
        if self.study.cfg.audit.predictions == "probe":
            return [self.fm.path("probe_predictions", task=wildcards.task)]
        identity = self.study.task(wildcards.task)
        splits = ["val", "test"] if identity.has_test else ["val"]
        networks = [
            TrainedNetwork(wildcards.task, run.id, fold)
            for run in self._audit().runs_of(wildcards.task)
            for fold in range(identity.num_folds)
        ]
        return [self.fm.path("predictions", **network.tokens, eval=split) for network in networks for split in splits]

    def map_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The predictions by which a map shows errors; none of a task whose labels are not audited."""
        return self.predictions(wildcards) if self._audit().has_labels(wildcards.task) else []

    def tables(self, wildcards: "Wildcards") -> dict[str, str]:
        """The tables of a task, by assignment key."""
        return {key: self.fm.path(key, task=wildcards.task) for key in self._audit().tables(wildcards.task)}

    def options(self, *names: str) -> dict[str, Any]:
        """Return options of the section `audit`."""
        return self.study.cfg.audit.model_dump(include=set(names))

    # --- several data sets --------------------------------------------------------------------------------------

    def descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The description of one task on each data set."""
        return [self.study.tasks.description_path(task) for task in self._audit().datasets.values()]

    def all_measures(self, wildcards: "Wildcards") -> list[str]:
        """The measures of their images."""
        return [self.fm.path("image_measures", task=task) for task in self._audit().datasets.values()]

    def all_features(self, wildcards: "Wildcards") -> list[str]:
        """The features of these tasks."""
        return [self.study.inputs.features.path(task) for task in self._audit().datasets.values()]

    # --- report -------------------------------------------------------------------------------------------------

    def page(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a page or picture."""
        return {"content": wildcards.page.replace("_", " "), "mode": MODE}
