"""Candidates: distances and trained networks that suggestions for the pivot are made from, known while planning."""

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
"""The mode that computes distances."""

UNCOUNTED = {"n", "train_sources"}
"""Options that change no suggestion of a number."""


class SuggestionCandidates:
    """Inputs of the suggestions of a study.

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
        """The task that pipelines are suggested for.

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
        """The table of distances: of a project of `reuse.distances`, the last one that has it; or of this project.

        That of this project is computed in the same plan if the section `similarity` names the measure.

        Raises:
            MMLError: there is none.
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
        path = self.fm.path("distances", measure=measure, project=self.fm.project)  # so that no rule makes it anew
        if Path(path).exists():
            return path
        if measure in MEASURES:
            raise MMLError(
                f"suggest.distance: there is no {Path(path).resolve()}; add {measure} to similarity.distance, so that "
                "this plan computes it, or name a project that has these distances by reuse.distances"
            )
        stored = [tokens["measure"] for tokens in self.fm.existing("distances")]
        raise MMLError(f"suggest.distance: there is no measure '{measure}'{nearest(measure, [*MEASURES, *stored])}")

    @cached_property
    def is_computed(self) -> bool:
        """True if the distances are computed in the same plan, as the section `similarity` says."""
        measure = self.options.distance
        if self.study.cfg.reuse.distances or measure not in MEASURES:
            return False
        return measure in self._similarity.measures

    @property
    def _similarity(self) -> "SimilarityScheduler":
        return cast("SimilarityScheduler", self.study.schedulers.providing(SIMILARITY))

    @property
    def _parts(self) -> list[str]:
        """The measure, and those that it combines."""
        return [self.options.distance, *self._similarity.parts_of(self.options.distance)]

    @cached_property
    def sources(self) -> list[str]:
        """The other tasks with a distance to the pivot, the nearest first; by name where distances are computed yet."""
        if not self.is_computed:
            return list(distances_to(self.pivot, self.distances))
        own = base_of(self.pivot)
        return [task for task in sorted(self.study.tasks) if base_of(task) != own]

    @property
    def _distances_digest(self) -> str:
        """Digest of the distances, or of all that they are computed from."""
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
                of_networks = [self.study.extractors.of_network(net.task, net.run, net.fold) for net in networks]
                content["extractors"] = [extractor.name for extractor in of_networks]
        return digest(content)

    # --- networks -----------------------------------------------------------------------------------------------

    @cached_property
    def planned(self) -> list[dict[str, Any]]:
        """Networks on other tasks that this plan trains, or has trained: those that distances need, or all runs.

        Raises:
            MMLError: networks of other projects are to be taken too.
        """
        train = self.options.train_sources
        if self.study.cfg.reuse.models:
            if train:
                raise MMLError("suggest.train_sources: the networks are those of reuse.models; leave one of both out")
            return []
        kinds = {
            source: TASK_TYPES[self.study.task(source).task_type] for source in self.sources if self._is_own(source)
        }
        own = [source for source, kind in kinds.items() if kind.is_learnable]
        if train:
            networks = [TrainedNetwork(source, run.id, 0) for source in own for run in self._similarity.runs_of(source)]
        elif self.is_computed and any(MEASURES[part].of_source_networks for part in self._parts):
            networks = [self._similarity.network_of(source) for source in own]
        else:
            networks = []
        return [{"project": None, **network.tokens} for network in networks]

    def _is_own(self, task: str) -> bool:
        return task in self.study.tasks

    @cached_property
    def networks(self) -> list[dict[str, Any]]:
        """Networks on other tasks: `project` (None: this one), `task`, `run` and `fold`, in the order of their names.

        Heads that were trained for Fisher information are none: their backbone has learned nothing of the task.

        Raises:
            MMLError: there is none.
        """
        if not self.sources:
            raise MMLError(
                f"suggest: the study has no task to learn from, other than {self.pivot} and those derived from it; "
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
                f"({', '.join(self.sources)}); set suggest.train_sources: true, or name a project with some by "
                "reuse.models"
            )
        return sorted(networks, key=lambda net: (net["task"], net["run"], net["fold"], net["project"] or ""))

    def _stored(self, projects: Sequence[tuple[str | None, str | None]]) -> list[dict[str, Any]]:
        """Return networks on the disk.

        Args:
            projects: projects (None: this one), each with a run, or None for all of its runs.
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
        """Those of these networks that a training of the study can start from: with weights, of its backbone."""
        return [network for network in self.networks if self._can_start(network)]

    def to_start_from(self) -> list[dict[str, Any]]:
        """Return these networks.

        Raises:
            MMLError: there is none.
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
        own = self.study.cfg.arch.spec()
        has_weights = network in self.planned or self._exists("parameters", **network)
        return has_weights and all(own.get(key) == arch.get(key) for key in ("_target_", "name"))

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
        """The metric of each task type by which runs are compared."""
        return {kind: self.study.main_metric(kind) for kind in LEARNABLE}

    def definition(self, number: int, trained: Sequence[str] = ()) -> dict[str, Any]:
        """Return all that decides a suggestion, for the identity of a training by it.

        Args:
            number: number of the suggestion.
            trained: tasks beside the pivot that the study trains too.

        Raises:
            MMLError: no suggestion can be made, or its networks change while the study runs.
        """
        if own := [net["task"] for net in self.networks if net["project"] is None and net["task"] in trained]:
            raise MMLError(
                f"mode.suggestion: {own[0]} is trained by this study too, so that its networks change while it runs; "
                "name a project with finished networks by reuse.models"
            )
        self._check_distinct(number)
        counted = self.options.model_dump(mode="json", exclude=UNCOUNTED)
        networks = [{key: network[key] for key in ("task", "run", "fold")} for network in self.networks]
        sections = [key for key in FOLLOWED if key in (self.options.keys or FOLLOWED)]
        return {
            "number": number,
            **counted,
            "followed": sections,
            "distances": self._distances_digest,
            "networks": digest(networks),
        }

    def check(self) -> None:
        """Refuse what no suggestion can be made of.

        Raises:
            MMLError: the first problem.
        """
        _ = self.options, self.networks
        if self.is_computed:
            _ = self._similarity.steps
        self._check_distinct(self.options.n)

    @functools.cache  # noqa: B019  (lives as long as its study)
    def _check_distinct(self, number: int) -> None:
        """Refuse a number of suggestions above that of distinct pipelines, by known distances and networks.

        Raises:
            MMLError: there are not so many, or no source within the quantile has networks.
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
