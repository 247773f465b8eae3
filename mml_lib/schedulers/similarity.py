"""Mode `similarity`: distances between the tasks of a study, or from all of them to the pivot."""

import functools
from collections.abc import Mapping
from functools import cached_property
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any, ClassVar

from mml_lib.distances import MEASURES, Measure
from mml_lib.distances.pair_distances import nearest_sources, read_distances
from mml_lib.errors import MMLError, nearest
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.schedulers.feature_plans.fisher_heads import head_of
from mml_lib.studies.checks.feature_widths import named_width, stored_width
from mml_lib.task_types import TASK_TYPES

if TYPE_CHECKING:
    from mml_lib.steps.step import Step


class SimilarityScheduler(AbstractBaseScheduler):
    """Computes each distance once: distances to the pivot or, without one, between all tasks."""

    provides: ClassVar[str] = "similarity"

    def create_routine(self) -> None:
        if len(self.compared) < 2:
            raise MMLError("mode similarity: the study has one task only; name those to compare it with in tasks")
        self.add_tasks()
        for name in self.measures:
            measure = MEASURES[name]
            if not measure.combines:
                self._check(measure)
                self._add_networks(measure)
                self.add("compute_distances", measure=name)
            self.add("collect_distances", measure=name)

    @property
    def compared(self) -> list[str]:
        """All tasks of the study, by name."""
        return sorted(self.study.tasks)

    @cached_property
    def measures(self) -> dict[str, Any]:
        """Options of the measures by name. Measures that another one combines come first.

        Raises:
            MMLError: the measure does not exist, or does not accept its options.
        """
        section = self.cfg.similarity
        for name in section.options:
            self._options(name, "similarity.options")
        measures: dict[str, Any] = {}
        for name in section.distance:
            options = self._options(name, "similarity.distance")
            for part in self.parts_of(name):
                measures[part] = self._options(part, f"similarity.options.{name}.weights")
                if MEASURES[part].combines:
                    raise MMLError(f"similarity.options.{name}.weights: {part} combines others itself; name these")
            measures[name] = options
        return measures

    def options_of(self, measure: str) -> Any:
        """Return the options of a measure, even if the study does not list it."""
        return self._options(measure, "distances")

    def parts_of(self, measure: str) -> list[str]:
        """Return the measures that a measure combines."""
        return list(self.options_of(measure).weights) if MEASURES[measure].combines else []

    def _options(self, name: str, where: str) -> Any:
        if name not in MEASURES:
            raise MMLError(f"{where}: there is no measure '{name}'{nearest(name, MEASURES)}")
        values: Mapping[str, Any] = self.cfg.similarity.options.get(name, {})
        return MEASURES[name].read_options(values, f"similarity.options.{name}")

    def pairs(self, measure: Measure) -> list[tuple[str, str]]:
        """Return source and target of each distance. Symmetric measures have each pair once, in the order of names."""
        if self.pivot is None:
            return list((combinations if measure.symmetric else permutations)(self.compared, 2))
        others = [(task, self.pivot) for task in self.compared if task != self.pivot]
        return [(min(pair), max(pair)) for pair in others] if measure.symmetric else others

    def _check(self, measure: Measure) -> None:
        """Refuse tasks that a measure cannot compare, and tokens.

        Raises:
            MMLError: the first problem.
        """
        needs_features = "features" in measure.needs or measure.of_source_networks
        if needs_features and self.cfg.features.pooling == "tokens":
            raise MMLError(f"features.pooling: {measure.name} compares one vector per image; set it to pooled")
        for source, target in self.pairs(measure) if measure.of_source_networks else ():
            kind = TASK_TYPES[self.study.task(target).task_type]
            labelled = "labels" in measure.needs or "classes" in measure.needs
            if labelled and (not kind.is_learnable or kind.has_masks):
                raise self._unfit(measure, target, "has no labels of images")
            if "classes" in measure.needs and not kind.is_single_label:
                raise self._unfit(measure, target, "has no class of each image")
            if samples := self.study.tasks.num_samples(target).get("train"):
                options = self.options_of(measure.name)
                options.check_target(target, samples, self.study.task(target).num_folds, self._width_of(source))
            kind = TASK_TYPES[self.study.task(source).task_type]
            if not kind.is_learnable:
                raise self._unfit(measure, source, "has no labels to train a network by")
            if "transferred_probabilities" in measure.needs and (not kind.is_single_label or kind.has_masks):
                raise self._unfit(measure, source, "is not a classification, so that its network predicts no classes")

    def _unfit(self, measure: Measure, task: str, problem: str) -> MMLError:
        return MMLError(
            f"similarity.distance: {task} {problem}, which {measure.name} needs; leave the task out, or choose another "
            "distance"
        )

    # --- networks -----------------------------------------------------------------------------------------------

    def _add_networks(self, measure: Measure) -> None:
        """Plan the networks and heads that a measure reads."""
        tasks = dict.fromkeys(task for pair in self.pairs(measure) for task in pair)
        if "fisher" in measure.needs:
            for task in tasks:
                self.add("train_fold", **self.head_of(task).tokens)
                self.add("compute_fisher", **self.head_of(task).tokens)
        if measure.of_source_networks:
            for source in dict.fromkeys(source for source, _ in self.pairs(measure)):
                self.add("train_fold", **self.network_of(source).tokens)

    @functools.cache  # noqa: B019  (a scheduler lives as long as its process)
    def head_of(self, task: str) -> TrainedNetwork:
        """Return the network of a task's head on the backbone of the section `features`."""
        return head_of(self, task, self.study.extractors.own)

    def network_of(self, source: str) -> TrainedNetwork:
        """Return the network of a source: the first run of the study, on the first fold."""
        return TrainedNetwork(source, self.runs_of(source)[0].id, 0)

    @functools.cache  # noqa: B019
    def _width_of(self, source: str) -> int | None:
        """Return the number of features of a source's network from its weights or its name; None if it is unknown."""
        if not TASK_TYPES[self.study.task(source).task_type].is_learnable:
            return None
        network = self.network_of(source)
        width = stored_width(self.fm.path("parameters", **network.tokens))
        return width or named_width(self.runs_of(source)[0].pipeline.content["arch"])

    # --- result -------------------------------------------------------------------------------------------------

    @property
    def finishing_files(self) -> dict[str, list[str]]:
        return {"distances": [self.fm.path("distances", measure=measure) for measure in self.measures]}

    def before_finishing_hook(self, step: "Step") -> None:
        """Return by measure and target the distances from all sources, the nearest first."""
        step.return_value = {}
        for path, measure in zip(step.input.distances, self.measures, strict=True):
            table = read_distances(path)
            step.return_value[measure] = {target: nearest_sources(table, target) for target in table.columns}
