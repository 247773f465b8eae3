"""Candidates of suggestions, while planning: distances to the pivot, and networks on other tasks."""

import functools
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mml_lib.config.analysis.suggest_options import Suggestions
from mml_lib.distances import MEASURES
from mml_lib.errors import MMLError, nearest
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.pipeline import PIPELINE_KEYS, Pipeline
from mml_lib.pipelines.suggested import FOLLOWED
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.runs import task_content
from mml_lib.studies.suggestions.near_sources import StoredNetwork, base_of, distances_to, find_sources
from mml_lib.studies.suggestions.suggested_pipelines import check_differing, suggest
from mml_lib.task_types import LEARNABLE, TASK_TYPES

if TYPE_CHECKING:
    from mml_lib.schedulers.similarity import SimilarityScheduler
    from mml_lib.studies.study import Study

SIMILARITY = "similarity"
"""Mode that computes distances."""

UNCOUNTED = {"n", "train_sources"}
"""Options that do not change a suggestion."""


class SuggestionCandidates:
    """Distances and networks that the suggestions of a study are made from.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm

    @cached_property
    def options(self) -> Suggestions:
        """The section `suggest`.

        Raises:
            MMLError: the study has none, or names an unknown section.
        """
        options = self.study.cfg.suggest
        if options is None:
            raise MMLError("suggest: the section is missing; name the measure of distances, suggest: {distance: mmd}")
        sections = [key for key in PIPELINE_KEYS if key != "seed"]
        for key in options.keys or ():
            if key not in sections:
                raise MMLError(f"suggest.keys: there is no section '{key}'{nearest(key, sections)}")
        return options

    @cached_property
    def pivot(self) -> str:
        """Task that pipelines are suggested for.

        Raises:
            MMLError: the study has no pivot, or one without labels.
        """
        pivot = self.study.pivot
        if pivot is None:
            raise MMLError("suggest: the study has no pivot to suggest pipelines for; set pivot.name")
        if not TASK_TYPES[self.study.task(pivot).task_type].is_learnable:
            raise MMLError(f"suggest: {pivot} has no labels to learn from; set pivot.name to another task")
        return pivot

    # --- distances ----------------------------------------------------------------------------------------------

    @cached_property
    def distances(self) -> str:
        """Table of distances, of the last project of `reuse.distances` that has it, or of this project.

        The same plan computes the table of this project if the section `similarity` names the measure.

        Raises:
            MMLError: there is no table.
        """
        measure = self.options.distance
        if self.study.cfg.reuse.distances:
            if reused := self.fm.reusables.inputs("distances", measure=measure):
                return reused[-1]
            where = ", ".join(self.study.cfg.reuse.distances)
            measures = [Path(path).stem for path in self.fm.reusables.inputs("distances")]
            raise MMLError(f"suggest.distance: {where} has no distances '{measure}'{nearest(measure, measures)}")
        if self.is_computed:
            return self.fm.path("distances", measure=measure)
        path = self.fm.path("distances", measure=measure, project=self.fm.project)  # so that no rule makes it again
        if Path(path).exists():
            return path
        if measure in MEASURES:
            raise MMLError(
                f"suggest.distance: there is no {Path(path).resolve()}; add {measure} to similarity.distance, so that "
                "this plan computes it, or name a project with these distances in reuse.distances"
            )
        stored = [tokens["measure"] for tokens in self.fm.existing("distances")]
        raise MMLError(f"suggest.distance: there is no measure '{measure}'{nearest(measure, [*MEASURES, *stored])}")

    @cached_property
    def is_computed(self) -> bool:
        """True if the section `similarity` computes the distances in the same plan."""
        measure = self.options.distance
        if self.study.cfg.reuse.distances or measure not in MEASURES:
            return False
        return measure in self._similarity.measures

    @property
    def _similarity(self) -> "SimilarityScheduler":
        return cast("SimilarityScheduler", self.study.schedulers.providing(SIMILARITY))

    @property
    def _parts(self) -> list[str]:
        """The measure of distances, and the measures that it combines."""
        return [self.options.distance, *self._similarity.parts_of(self.options.distance)]

    @cached_property
    def sources(self) -> list[str]:
        """Other tasks with a distance to the pivot, the nearest first; by name if this plan computes the distances."""
        if not self.is_computed:
            return list(distances_to(self.pivot, self.distances))
        pivot_base = base_of(self.pivot)
        return [task for task in sorted(self.study.tasks) if base_of(task) != pivot_base]

    @property
    def _distances_digest(self) -> str:
        """Digest of the distances, or of everything that they are computed from."""
        if not self.is_computed:
            return digest(distances_to(self.pivot, self.distances))
        tasks = [*self.sources, self.pivot]
        content: dict[str, Any] = {"tasks": [self.study.task(task).id for task in tasks]}
        for name in self._parts:
            measure = MEASURES[name]
            options = self._similarity.measures[name].content
            content[name] = {"version": measure.version, "code": measure.code, "options": options}
            if "features" in measure.needs:
                content["extractor"] = self.study.extractors.own.name
            if "keywords" in measure.needs:
                content["keywords"] = [self.study.tasks.options_of(base_of(task)).keywords for task in tasks]
            if "fisher" in measure.needs:
                content["heads"] = [self._similarity.head_of(task).run for task in tasks]
            if measure.of_source_networks:
                networks = [self._similarity.network_of(task) for task in self.sources]
                extractors = [self.study.extractors.of_network(net.task, net.run, net.fold) for net in networks]
                content["extractors"] = [extractor.name for extractor in extractors]
        return digest(content)

    # --- networks -----------------------------------------------------------------------------------------------

    @cached_property
    def planned(self) -> list[dict[str, Any]]:
        """Networks on other tasks that are part of this plan: those that distances need, or all runs.

        Raises:
            MMLError: the study names networks of other projects too.
        """
        train = self.options.train_sources
        if self.study.cfg.reuse.models:
            if train:
                raise MMLError("suggest.train_sources: it cannot be combined with reuse.models; leave one of them out")
            return []
        kinds = {
            source: TASK_TYPES[self.study.task(source).task_type] for source in self.sources if self._is_own(source)
        }
        learnable = [source for source, kind in kinds.items() if kind.is_learnable]
        if train:
            networks = [
                TrainedNetwork(source, run.id, 0) for source in learnable for run in self._similarity.runs_of(source)
            ]
        elif self.is_computed and any(MEASURES[part].of_source_networks for part in self._parts):
            networks = [self._similarity.network_of(source) for source in learnable]
        else:
            networks = []
        return [{"project": None, **network.tokens} for network in networks]

    def _is_own(self, task: str) -> bool:
        return task in self.study.tasks

    @cached_property
    def networks(self) -> list[dict[str, Any]]:
        """Networks on other tasks, sorted: `project` (None: this project), `task`, `run` and `fold`.

        Heads for Fisher information do not count, because their backbone was not trained on the task.

        Raises:
            MMLError: there are no networks, or no tasks.
        """
        if not self.sources:
            raise MMLError(
                f"suggest: the study has no tasks to learn from, other than {self.pivot} and those derived from it; "
                "name some in tasks"
            )
        references = self.study.cfg.reuse.models
        projects: list[tuple[str | None, str | None]] = [(None, None)]
        if references:
            projects = [self.fm.reusables.project_of("models", reference) for reference in references]
        networks = [*self.planned, *(net for net in self._stored(projects) if net not in self.planned)]
        if not networks:
            where = ", ".join(project or self.study.cfg.project for project, _ in projects)
            raise MMLError(
                f"suggest: {where} has no networks of any task with a distance to {self.pivot} "
                f"({', '.join(self.sources)}); set suggest.train_sources: true, or name a project with some in "
                "reuse.models"
            )
        return sorted(networks, key=lambda net: (net["task"], net["run"], net["fold"], net["project"] or ""))

    def _stored(self, projects: Sequence[tuple[str | None, str | None]]) -> list[dict[str, Any]]:
        """Return the stored networks of projects.

        Args:
            projects: projects (None: this project), each with a run id, or None for all runs.
        """
        heads = {self._similarity.head_of(task).run for task in self._embedded}
        networks: list[dict[str, Any]] = []
        for project, run in projects:
            for stored in self.fm.existing("models", project=project, **({"run": run} if run else {})):
                tokens = {"task": stored["task"], "run": stored["run"]}
                if stored["task"] in self.sources and self._exists("pipeline", project, **tokens):
                    networks.append({"project": project, **tokens, "fold": int(stored["fold"])})
        contents = [self.study.runs.of_model(net).pipeline.content for net in networks]
        return [
            net
            for net, content in zip(networks, contents, strict=True)
            if net["run"] not in heads and not content.get("frozen")
        ]

    @property
    def _embedded(self) -> list[str]:
        """Tasks whose Fisher information this plan computes."""
        if not self.is_computed or not any("fisher" in MEASURES[part].needs for part in self._parts):
            return []
        return [*self.sources, self.pivot]

    @property
    def pretrained(self) -> list[dict[str, Any]]:
        """Networks that a training of the study can start from: they have weights, and its backbone."""
        return [network for network in self.networks if self._can_start(network)]

    def required_pretrained(self) -> list[dict[str, Any]]:
        """Return the networks in `pretrained`.

        Raises:
            MMLError: there are none.
        """
        if not self.pretrained:
            arch = self.study.cfg.arch.spec()
            raise MMLError(
                f"mode.pretrain_task: no source has a network with weights of the backbone "
                f"{arch.get('name', arch['_target_'])}; set arch to that of a source, or pretrain_task to a task"
            )
        return self.pretrained

    def _can_start(self, network: dict[str, Any]) -> bool:
        arch = self.study.runs.of_model(network).pipeline.content["arch"]
        study_arch = self.study.cfg.arch.spec()
        has_weights = network in self.planned or self._exists("parameters", **network)
        return has_weights and all(study_arch.get(key) == arch.get(key) for key in ("_target_", "name"))

    def _exists(self, key: str, project: str | None, **tokens: Any) -> bool:
        return self.fm.construct_saving_path(None, key, project=project, **tokens).exists()

    # --- for steps ----------------------------------------------------------------------------------------------

    @property
    def own(self) -> dict[str, Any]:
        """Content of the study's own pipeline for the pivot, without sweep and variants."""
        cfg = self.study.cfg
        task = task_content(self.study.task(self.pivot), cfg.preprocessing)
        return dict(Pipeline.of(cfg, task).content)

    @property
    def metrics(self) -> dict[str, str]:
        """Metric of each task type that compares runs."""
        return {kind: self.study.main_metric(kind) for kind in LEARNABLE}

    def definition(self, number: int, trained: Sequence[str] = ()) -> dict[str, Any]:
        """Return everything that a suggestion depends on, for the identity of a training that follows it.

        Args:
            number: number of the suggestion.
            trained: tasks other than the pivot that the study trains too.

        Raises:
            MMLError: no suggestion can be made, or its networks change while the study runs.
        """
        if changing := [net["task"] for net in self.networks if net["project"] is None and net["task"] in trained]:
            raise MMLError(
                f"mode.suggestion: this study trains {changing[0]} too, so its networks change while it runs; name a "
                "project with finished networks in reuse.models"
            )
        self._check_distinct(number)
        options = self.options.model_dump(mode="json", exclude=UNCOUNTED)
        networks = [{key: network[key] for key in ("task", "run", "fold")} for network in self.networks]
        sections = [key for key in FOLLOWED if key in (self.options.keys or FOLLOWED)]
        return {
            "number": number,
            **options,
            "followed": sections,
            "distances": self._distances_digest,
            "networks": digest(networks),
        }

    def check(self) -> None:
        """Check that the suggestions of the study can be made.

        Raises:
            MMLError: they cannot; the error states the first problem.
        """
        _ = self.options, self.networks
        if self.is_computed:
            _ = self._similarity.steps
        self._check_distinct(self.options.n)

    @functools.cache  # noqa: B019  (lives as long as its study)
    def _check_distinct(self, number: int) -> None:
        """Refuse more suggestions than distinct pipelines, by the existing distances and networks.

        Raises:
            MMLError: there are too few pipelines, or no source within the quantile has networks.
        """
        options, networks = self.options, []
        if self.is_computed or not all(self._exists("models", **network) for network in self.networks):
            pipelines = [self.study.runs.of_model(network).pipeline for network in self.networks]
            check_differing(number, pipelines, self.own, options)
            return
        for network in self.networks:
            storage = ModelStorage.read(self.fm.path("models", **network))
            networks.append(StoredNetwork(network["project"], storage, self.study.runs.of_model(network).pipeline))
        distances = distances_to(self.pivot, self.distances)
        sources = find_sources(distances, networks, self.metrics, options.quantile, options.runs)
        suggest(number, sources, self.own, options)
