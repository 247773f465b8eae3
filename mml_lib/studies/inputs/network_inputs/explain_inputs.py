"""Inputs and params of rules/explain.smk."""

from typing import TYPE_CHECKING, Any

from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards


class ExplainInputs(RuleInputs):
    """Networks of a task whose predictions are explained."""

    def _networks(self, wildcards: "Wildcards") -> list[TrainedNetwork]:
        return self._scheduler(wildcards).networks(wildcards.task)

    def _paths(self, wildcards: "Wildcards", key: str, **tokens: str) -> list[str]:
        return [self.fm.path(key, **network.tokens, **tokens) for network in self._networks(wildcards)]

    def parameters(self, wildcards: "Wildcards") -> list[str]:
        """The weights of each network."""
        return self._paths(wildcards, "parameters")

    def models(self, wildcards: "Wildcards") -> list[str]:
        """The storage of each network."""
        return self._paths(wildcards, "models")

    def pipelines(self, wildcards: "Wildcards") -> list[str]:
        """The pipeline of each network."""
        networks = self._networks(wildcards)
        return [self.fm.path("pipeline", task=network.task, run=network.run) for network in networks]

    def predictions(self, wildcards: "Wildcards") -> list[str]:
        """The predictions of each network: of the test split if networks are tested on it, or else of val."""
        splits = self._scheduler(wildcards).splits(wildcards.task)
        return self._paths(wildcards, "predictions", eval="test" if "test" in splits else "val")

    def packed_images(self, wildcards: "Wildcards") -> list[str]:
        """The packed images of the task for each network."""
        tasks = [self.study.run(network.task, network.run).pipeline.task for network in self._networks(wildcards)]
        return [self.fm.path("packed", dataset=task["dataset"], pack=task["pack"]) for task in tasks]

    def networks(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """Task, run and fold of each network."""
        networks = self._networks(wildcards)
        return [{"task": network.task, "run": network.run, "fold": network.fold} for network in networks]

    def metric(self, wildcards: "Wildcards") -> str:
        """The metric by which the best run is chosen."""
        return self.study.main_metric(self.study.task(wildcards.task).task_type)

    def options(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The section `explain`."""
        explain = self.study.cfg.explain
        return explain.model_dump() if explain else {}

    def figure_labels(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a figure."""
        return {"content": wildcards.group.replace("_", " "), "subject": "best run", "mode": wildcards.mode}
