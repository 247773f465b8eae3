"""Order in which ready steps start.

Trainings start before short steps. Cores that a training needs are reserved for it until running short steps end. Short
steps of a run whose trainings have all started go before both, so that its results appear early.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snakemake.jobs import AbstractJob, Job

LONG = ("tune_fold", "train_fold", "train_trial")
"""Rules that take most of the time of a study. Names of rules in an outer pipeline end with these."""

PREPARING = ("write_pipeline", "select_model")
"""Rules of short steps that trainings wait for."""

PREPARED_RUNS = 8
"""Number of runs that are prepared before the run that is trained."""

NO_RUN = ("", "")


@dataclass(frozen=True, slots=True)
class Place:
    """Rank of a step, which is constant during a study.

    Args:
        rules: names of its rules, several for a group of steps.
        is_long: True if it trains.
        kind: 1 if it trains, or if trainings of its run wait for it.
        run: task and id of its run; empty without one.
        urgency: negative priority.
        order: sort key among steps of one kind: rank of its run, fold, and Snakemake's job id.
    """

    rules: str
    is_long: bool
    kind: int
    run: tuple[str, str]
    urgency: float
    order: tuple[int, int, int]


class StepOrder:
    """Order of ready steps.

    Args:
        planned_runs: returns the runs of the plan in their order, as task and id.
        one_by_one: returns True for steps that must not run at the same time; None: all may.
    """

    def __init__(
        self,
        planned_runs: Callable[[], Collection[tuple[str, str]]],
        one_by_one: Callable[["AbstractJob"], bool] | None = None,
    ):
        self._planned_runs = planned_runs
        self._one_by_one = one_by_one
        self._ranks: dict[tuple[str, str], int] = {}
        self._places: dict[Any, Place] = {}

    def first(
        self, ready: Collection["AbstractJob"], free: Mapping[str, Any], running: Collection["AbstractJob"] = ()
    ) -> list["AbstractJob"]:
        """Return the ready steps that should start now, in their order.

        Only as many steps of each rule are compared as may run at once: comparing all takes longer than a short step.

        Args:
            ready: steps, or groups of steps, whose inputs exist.
            free: free resources by Snakemake's names.
            running: running steps.
        """
        limit = min(free.get(name, len(ready)) for name in ("_cores", "_nodes", "_job_count"))
        if limit <= 0:
            return []
        placed = self._places.get
        places = [(job, placed(job) or self._place(job)) for job in ready]
        untrained = {place.run for _, place in places if place.is_long} - {NO_RUN}
        by_rule: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for job, place in places:  # hot loop: thousands of ready steps, each time that a step starts
            kind = place.kind or (2 if place.run in untrained else 0)
            by_rule[place.rules].append((place.urgency, kind, place.order, job))  # orders differ: jobs are not compared
        ordered = [job for *_, job in sorted(chain(*(nsmallest(limit, entries) for entries in by_rule.values())))]
        fitting = self._fitting(ordered, dict(free), running)
        return fitting if self._one_by_one is None else self._one_at_a_time(fitting, running)

    def _one_at_a_time(
        self, jobs: Collection["AbstractJob"], running: Collection["AbstractJob"]
    ) -> list["AbstractJob"]:
        """Return the steps, with at most one of those that must not run at the same time."""
        assert self._one_by_one is not None
        alone = list(filter(self._one_by_one, jobs))
        later = alone if any(map(self._one_by_one, running)) else alone[1:]
        return [job for job in jobs if job not in later]

    def _fitting(
        self, ordered: list["AbstractJob"], free: dict[str, Any], running: Collection["AbstractJob"]
    ) -> list["AbstractJob"]:
        """Return the steps that fit into free resources.

        Resources for which a training waits are reserved. A training waits only for running short steps.
        """
        free_after_short_steps = dict(free)
        for job in running:
            if not self._place(job).is_long:
                _take(job, free_after_short_steps, -1)
        fitting, reserved = [], set[str]()
        for job in ordered:
            is_long = self._place(job).is_long
            if any(number and name in reserved for name, number in _needs(job, free)):
                continue
            if not _lacking(job, free):
                fitting.append(job)
                _take(job, free)
                if is_long:
                    _take(job, free_after_short_steps)
            elif is_long and not _lacking(job, free_after_short_steps):
                reserved |= _lacking(job, free)
        return fitting

    def _place(self, job: "AbstractJob") -> Place:
        place = self._places.get(job)
        if place is None:
            place = self._places[job] = self._new_place(job)
        return place

    def _new_place(self, job: "AbstractJob") -> Place:
        self._ranks = self._ranks or {run: rank for rank, run in enumerate(self._planned_runs())}
        steps: list[Job] = list(job.jobs) if job.is_group() else [job]
        names = sorted(step.rule.name for step in steps)
        run, fold = min(map(_run_and_fold, steps))
        rank = self._ranks.get(run, -1)
        is_long, prepares = (any(name.endswith(rules) for name in names) for rules in (LONG, PREPARING))
        order = (rank - PREPARED_RUNS * prepares, fold, min(step.jobid for step in steps))
        return Place(" ".join(names), is_long, int(is_long or prepares), run, -job.priority, order)


def _run_and_fold(step: "Job") -> tuple[tuple[str, str], int]:
    wildcards = step.wildcards_dict or {}
    run = (wildcards["task"], wildcards["run"]) if {"task", "run"} <= wildcards.keys() else NO_RUN
    return run, int(wildcards.get("fold", 0))


def _lacking(job: "AbstractJob", free: Mapping[str, Any]) -> set[str]:
    return {name for name, number in _needs(job, free) if number > free[name]}


def _take(job: "AbstractJob", free: dict[str, Any], sign: int = 1) -> None:
    for name, number in _needs(job, free):
        free[name] -= sign * number


def _needs(job: "AbstractJob", free: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(name, number) for name, number in job.scheduler_resources.items() if name in free]
