"""Inputs and params of rules/suggest.smk."""

from typing import TYPE_CHECKING, Any

from mml_lib.studies.inputs.rule_inputs import RuleInputs
from mml_lib.studies.suggestions.candidates import UNCOUNTED

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards


class SuggestInputs(RuleInputs):
    """Distances and trained networks for suggestions."""

    def distances(self, wildcards: "Wildcards") -> str:
        """The table of distances between tasks."""
        return self.study.suggestions.distances

    def models(self, wildcards: "Wildcards") -> list[str]:
        """The storages of networks on other tasks."""
        return [self.fm.path("models", **network) for network in self.study.suggestions.networks]

    def pipelines(self, wildcards: "Wildcards") -> list[str]:
        """The pipeline of each of these networks."""
        return [
            self.fm.path("pipeline", **{key: network[key] for key in ("project", "task", "run")})
            for network in self.study.suggestions.networks
        ]

    def projects(self, wildcards: "Wildcards") -> list[str | None]:
        """The project of each of these networks; None: this one."""
        return [network["project"] for network in self.study.suggestions.networks]

    def options(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The section `suggest`, without the keys that do not change a suggestion: their number, and projects."""
        return self.study.suggestions.options.model_dump(mode="json", exclude=UNCOUNTED)

    def own(self, wildcards: "Wildcards") -> dict[str, Any]:
        """Content of the study's own pipeline for the task."""
        return self.study.suggestions.own

    def metrics(self, wildcards: "Wildcards") -> dict[str, str]:
        """The metric of each task type by which runs are compared."""
        return self.study.suggestions.metrics

    def pretrainable(self, wildcards: "Wildcards") -> list[str]:
        """The tasks with networks that a training of the study can start from."""
        return list(dict.fromkeys(network["task"] for network in self.study.suggestions.pretrained))

    def suggestions(self, wildcards: "Wildcards") -> list[str]:
        """The suggestions for a task."""
        numbers = range(1, self.study.suggestions.options.n + 1)
        return [self.fm.path("suggestion", task=wildcards.task, number=number) for number in numbers]

    def page(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a page in the report."""
        return {"content": wildcards.page.replace("_", " "), "mode": "suggest"}
