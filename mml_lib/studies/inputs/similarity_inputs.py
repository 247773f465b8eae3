"""Inputs and params of rules/similarity.smk."""

from typing import TYPE_CHECKING, Any, cast

from mml_lib.distances import MEASURES
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards

    from mml_lib.schedulers.similarity import SimilarityScheduler
    from mml_lib.studies.extractors import Extractor

MODE = "similarity"


class SimilarityInputs(RuleInputs):
    """Features, networks and distances of pairs of tasks."""

    @property
    def _similarity(self) -> "SimilarityScheduler":
        return cast("SimilarityScheduler", self.study.schedulers.providing(MODE))

    # --- pairs --------------------------------------------------------------------------------------------------

    def pairs(self, wildcards: "Wildcards") -> list[tuple[str, str]]:
        """Source and target of each distance."""
        return self._similarity.pairs(MEASURES[wildcards.measure])

    def paired_tasks(self, wildcards: "Wildcards") -> list[str]:
        """The tasks of these pairs."""
        return sorted({task for pair in self.pairs(wildcards) for task in pair})

    def pair_files(self, wildcards: "Wildcards", output: "OutputFiles") -> list[str]:
        """The file of each distance. Snakemake does not repeat steps for new params of the output."""
        measure = wildcards.measure
        return [self.fm.path("pair_distance", measure=measure, source=a, task=b) for a, b in self.pairs(wildcards)]

    def descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of the tasks."""
        return [self.study.tasks.description_path(task) for task in self.paired_tasks(wildcards)]

    def features(self, wildcards: "Wildcards") -> list[str]:
        """The features that a measure reads: of each task, or of the target of each pair by the source's network."""
        measure, inputs = MEASURES[wildcards.measure], self.study.inputs.features
        if measure.of_source_networks:
            return [inputs.path(target, self._extractor(source)) for source, target in self.pairs(wildcards)]
        if "features" in measure.needs:
            return [inputs.path(task) for task in self.paired_tasks(wildcards)]
        return []

    def _extractor(self, source: str) -> "Extractor":
        network = self._similarity.network_of(source)
        return self.study.extractors.of_network(network.task, network.run, network.fold)

    def parameters(self, wildcards: "Wildcards") -> list[str]:
        """The weights of the network of each source, for measures of its probabilities."""
        if "transferred_probabilities" not in MEASURES[wildcards.measure].needs:
            return []
        sources = dict.fromkeys(source for source, _ in self.pairs(wildcards))
        return [self.fm.path("parameters", **self._similarity.network_of(source).tokens) for source in sources]

    def fisher(self, wildcards: "Wildcards") -> list[str]:
        """The Fisher information of each task, for measures that compare it."""
        if "fisher" not in MEASURES[wildcards.measure].needs:
            return []
        heads = [self._similarity.head_of(task) for task in self.paired_tasks(wildcards)]
        return [self.fm.path("fisher", **head.tokens) for head in heads]

    def options(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The options of a measure."""
        options: dict[str, Any] = self._similarity.options_of(wildcards.measure).content
        return options

    def code(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The version of a measure, and digests of the user's own code."""
        measure = MEASURES[wildcards.measure]
        return {"version": measure.version, "modules": measure.code}

    # --- a table ------------------------------------------------------------------------------------------------

    def pair_table(self, wildcards: "Wildcards") -> list[str]:
        """The distances of all pairs; none for a measure that combines others."""
        measure = MEASURES[wildcards.measure]
        return [] if measure.combines else [self.fm.path("pair_distances", measure=measure.name)]

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
