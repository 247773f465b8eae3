"""Inputs and params of rules/operating.smk."""

from typing import TYPE_CHECKING, Any, cast

from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards

    from mml_lib.schedulers.post import PostScheduler


class OperatingInputs(RuleInputs):
    """Predictions by which thresholds are chosen, and those on which they are reported."""

    def _networks(self, wildcards: "Wildcards") -> list[TrainedNetwork]:
        return self._scheduler(wildcards).networks(wildcards.task)

    def _predictions(self, wildcards: "Wildcards", split: str) -> list[str]:
        scheduler, networks = self._scheduler(wildcards), self._networks(wildcards)
        if scheduler.gives_answers:
            answers = cast("PostScheduler", scheduler).answers
            return [answers.final_predictions_path(network, split) for network in networks]
        return [self.fm.path("predictions", **network.tokens, eval=split) for network in networks]

    def validation(self, wildcards: "Wildcards") -> list[str]:
        """The validation predictions of each network, calibrated if the mode calibrates them."""
        return self._predictions(wildcards, "val")

    def test(self, wildcards: "Wildcards") -> list[str]:
        """The test predictions of each network; none where folds are pooled."""
        is_tested = "test" in self._scheduler(wildcards).splits(wildcards.task)
        return self._predictions(wildcards, "test") if is_tested else []

    def models(self, wildcards: "Wildcards") -> list[str]:
        """The storage of each network."""
        return [self.fm.path("models", **network.tokens) for network in self._networks(wildcards)]

    def networks(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """Run and fold of each network, with the label and the procedure of its run."""
        scheduler = self._scheduler(wildcards)
        labels = [scheduler.run_label(network) for network in self._networks(wildcards)]
        return [
            {"run": network.run, "fold": network.fold, "label": label.label, "procedure": label.procedure}
            for network, label in zip(self._networks(wildcards), labels, strict=True)
        ]

    def metric(self, wildcards: "Wildcards") -> str:
        """The metric by which the best run is chosen."""
        return self.study.main_metric(self.study.task(wildcards.task).task_type)

    def wanted(self, wildcards: "Wildcards") -> list[tuple[str, float]]:
        """Criterion and value of each threshold."""
        section = self.study.cfg.operating_points
        return section.wanted if section else []

    def figure_labels(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a figure."""
        return {"content": wildcards.figure.replace("_", " "), "subject": wildcards.task, "mode": wildcards.mode}
