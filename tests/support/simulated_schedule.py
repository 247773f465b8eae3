"""A schedule without a Snakemake: steps with durations on a few slots, chosen as Snakemake's scheduler chooses."""

import heapq
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from snakemake.scheduling.greedy import Scheduler, SchedulerSettings

DURATIONS = {"train_fold": 10.0, "predict_fold": 2.0, "test_fold": 1.0}
"""Units of time that a step of a network takes, by rule."""

DRAWING = 3.0
"""Units of time that the pictures of a task take."""


@dataclass(eq=False)
class SimulatedStep:
    """A step of a network or a task, with what `StepOrder` and Snakemake's greedy scheduler ask of a job."""

    name: str
    run: str
    fold: int
    jobid: int
    needs: tuple["SimulatedStep", ...] = ()
    priority: int = 0
    input: tuple[Any, ...] = ()
    start: float = 0.0
    task: str = "t"
    rule: Any = field(init=False)
    wildcards_dict: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.rule = SimpleNamespace(name=self.name)
        of_network = {"run": self.run, "fold": self.fold} if self.run else {"mode": "train"}
        self.wildcards_dict = {"task": self.task, **of_network}
        self.scheduler_resources = {"_cores": 1}

    def is_group(self) -> bool:
        return False

    @property
    def end(self) -> float:
        return self.start + DURATIONS.get(self.name, DRAWING)


def networks(runs: int, folds: int) -> list[SimulatedStep]:
    """Return the steps of trained, predicted and tested networks."""
    steps: list[SimulatedStep] = []
    for run in range(runs):
        for fold in range(folds):
            for place, rule in enumerate(DURATIONS):
                needs = (steps[-1],) if place else ()
                steps.append(SimulatedStep(rule, f"{run:08x}", fold, len(steps), needs))
    return steps


def drawn_tasks(tasks: Collection[str], folds: int) -> list[SimulatedStep]:
    """Return the steps of a run of each task, and those that draw the pictures of a task from its predictions."""
    steps: list[SimulatedStep] = []
    for task in tasks:
        own = networks(1, folds)
        for step in own:
            step.jobid += len(steps)
            step.task = step.wildcards_dict["task"] = task
        predictions = tuple(step for step in own if step.name == "predict_fold")
        steps += [*own, SimulatedStep("draw_results", "", 0, len(steps) + len(own), predictions, task=task)]
    return steps


def greedy() -> Scheduler:
    """Return Snakemake's greedy scheduler, by priorities alone."""
    return Scheduler(None, SchedulerSettings(omit_prioritize_by_temp_and_input=True), None)


Choose = Callable[[Collection[SimulatedStep], Mapping[str, int]], list[SimulatedStep]]


def simulate(steps: list[SimulatedStep], slots: int, choose: Choose) -> None:
    """Give each step its start.

    Args:
        steps: the steps.
        slots: steps that run at once.
        choose: gives steps that may start next, in order, out of ready ones and by free resources.
    """
    select, now, running = greedy().select_jobs, 0.0, []
    ready = {step for step in steps if not step.needs}
    missing = {step: set(step.needs) for step in steps}
    while ready or running:
        free = {"_cores": slots - len(running)}
        chosen = select(choose(ready, free), [], free, {}) if free["_cores"] and ready else []
        for step in chosen:
            step.start = now
            ready.remove(step)
            heapq.heappush(running, (step.end, step.jobid, step))
        now, _, ended = heapq.heappop(running)
        for step in (step for step in steps if ended in missing[step]):
            missing[step].remove(ended)
            ready |= set() if missing[step] else {step}


def timeline(steps: list[SimulatedStep]) -> list[str]:
    """Return a line for each run: its first start, and when its last training and its last test have ended."""
    lines = []
    for run in sorted({step.run for step in steps}):
        own = [step for step in steps if step.run == run]
        trained = max(step.end for step in own if step.name == "train_fold")
        line = f"run {int(run, 16) + 1:2d}: starts {min(step.start for step in own):5.0f}, trained {trained:5.0f}"
        lines.append(f"{line}, tested {max(step.end for step in own):5.0f}")
    return lines
