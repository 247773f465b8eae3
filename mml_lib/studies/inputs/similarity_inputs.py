"""Inputs and params of rules/similarity.smk."""

from typing import TYPE_CHECKING, Any, cast

from mml_lib.distances import MEASURES
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards

    from mml_lib.schedulers.similarity import SimilarityScheduler

MODE = "similarity"


class SimilarityInputs(RuleInputs):
    """Features, networks and distances of pairs of tasks."""

    @property
    def _similarity(self) -> "SimilarityScheduler":
        scheduler = self.study.scheduler(self.study.cfg.mode.id)
        return cast("SimilarityScheduler", scheduler if hasattr(scheduler, "compared") else self.study.scheduler(MODE))

    # --- a pair -------------------------------------------------------------------------------------------------

    def descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of source and target."""
        return [self.study.tasks.description_path(task) for task in (wildcards.source, wildcards.task)]

    def features(self, wildcards: "Wildcards") -> list[str]:
        """The features that a measure reads: of source and target, or of the target by the source's network."""
        measure, inputs = MEASURES[wildcards.measure], self.study.inputs.features
        if measure.of_source_networks:
            network = self._similarity.network_of(wildcards.source)
            extractor = self.study.extractors.of_network(network.task, network.run, network.fold)
            return [inputs.path(wildcards.task, extractor)]
        if "features" in measure.needs:
            return [inputs.path(task) for task in (wildcards.source, wildcards.task)]
        return []

    def parameters(self, wildcards: "Wildcards") -> list[str]:
        """The weights of the source's network, for measures of its probabilities."""
        if "transferred_probabilities" not in MEASURES[wildcards.measure].needs:
            return []
        return [self.fm.path("parameters", **self._similarity.network_of(wildcards.source).tokens)]

    def fisher(self, wildcards: "Wildcards") -> list[str]:
        """The Fisher information of source and target, for measures that compare it."""
        if "fisher" not in MEASURES[wildcards.measure].needs:
            return []
        heads = [self._similarity.head_of(task) for task in (wildcards.source, wildcards.task)]
        return [self.fm.path("fisher", **head.tokens) for head in heads]

    def options(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The options of a measure."""
        options: dict[str, Any] = self._similarity.options_of(wildcards.measure).model_dump(mode="json")
        return options

    def code(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The version of a measure, and digests of the user's own code."""
        measure = MEASURES[wildcards.measure]
        return {"version": measure.version, "modules": measure.code}

    # --- a table ------------------------------------------------------------------------------------------------

    def pairs(self, wildcards: "Wildcards") -> list[str]:
        """The distances of all pairs; none for a measure that combines others."""
        measure = MEASURES[wildcards.measure]
        pairs = () if measure.combines else self._similarity.pairs(measure)
        return [self.fm.path("pair_distance", measure=measure.name, source=a, task=b) for a, b in pairs]

    def combined(self, wildcards: "Wildcards") -> list[str]:
        """The tables that a measure combines; none for others."""
        return [self.fm.path("distances", measure=part) for part in self.parts(wildcards)]

    def parts(self, wildcards: "Wildcards") -> list[str]:
        """The measures that a measure combines."""
        return self._similarity.parts_of(wildcards.measure)

    def compared(self, wildcards: "Wildcards") -> list[str]:
        """The compared tasks."""
        return self._similarity.compared

    def figure(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a figure in the report."""
        return {"content": wildcards.figure.replace("_", " "), "distance": wildcards.measure}
