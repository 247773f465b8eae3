"""A planned search: its trials, rungs and chosen runs, all known while planning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mml_lib.config.analysis.search_options import Search
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.pipeline import PIPELINE_KEYS, Pipeline
from mml_lib.search.rungs import Rung, count_epochs
from mml_lib.search.space import Space
from mml_lib.search.trials import Objective


@dataclass(frozen=True)
class PlannedSearch:
    """A search for one task.

    Args:
        task: the task that trials are trained on.
        base: the pipeline that trials vary.
        options: the section `search`.
        space: the search space.
        objectives: objectives for comparing trials. The first one decides the choice.
        rungs: the rungs; a single one without halving.
        definition: settings that decide the trials, besides the base.
        present: values of searched keys in the study.
        label: label of the variant that it belongs to.
        former: number of trials of earlier studies for the proposals.
        examples: pipelines for each searched key, with each of its choices or both bounds of its range.
    """

    task: str
    base: Pipeline
    options: Search
    space: Space
    objectives: tuple[Objective, ...]
    rungs: tuple[Rung, ...]
    definition: Mapping[str, Any]
    present: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    former: int = 0
    examples: Mapping[str, Sequence[Pipeline]] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """Identity of the search, 8 hex digits. The number of trials is no part of it: more of them continue it."""
        return digest([self.base.run, self.definition])

    @cached_property
    def chosen(self) -> dict[str, Pipeline]:
        """The planned pipelines of the best trials by a text on their origin, the best one first."""
        trials = self.options.trials
        entry = {**self.definition, "trials": trials, "followed": list(PIPELINE_KEYS)}
        return {
            f"{'best' if rank == 1 else f'number {rank}'} of {trials} trials": Pipeline(
                {**self.base.content, "search": {**entry, "rank": rank}}
            )
            for rank in range(1, self.options.top + 1)
        }

    def rank_of(self, run: str) -> int:
        """Return the rank of the trial whose pipeline a planned run has."""
        return [pipeline.run for pipeline in self.chosen.values()].index(run) + 1

    def first_rung(self, trial: int) -> Rung:
        """Return the first rung of a trial."""
        return self._first_rungs[trial]

    @cached_property
    def _first_rungs(self) -> dict[int, Rung]:
        return {number: rung for rung in self.rungs if rung.below is None for number in rung.numbers}

    @property
    def epochs(self) -> int:
        """Largest total number of epochs of the trials, over all folds."""
        return count_epochs(self.rungs) * len(self.options.folds)

    @property
    def in_flight(self) -> int:
        """Number of parallel trainings."""
        options = self.options
        trials = options.trials if options.is_independent else min(options.parallel, options.trials)
        return trials * len(options.folds)

    @property
    def trainings(self) -> int:
        """Number of started trainings."""
        return self.options.trials * len(self.options.folds)

    @property
    def announcement(self) -> str:
        """Line about the search for the overview."""
        options = self.options
        of_which = f", {options.parallel} in flight" if options.parallel > 1 and not options.is_independent else ""
        folds = f"fold{'s' * (len(options.folds) > 1)} {', '.join(map(str, options.folds))}"
        name = f" ({self.label})" if self.label else ""
        others = f", with {self.former} trials of earlier studies" if self.former else ""
        return (
            f"search {self.id} of {self.task}{name}: {options.trials} trials by {options.sampler}{of_which} on "
            f"{folds}{others}, at most {self.trainings} trainings of {self.epochs} epochs together"
        )
