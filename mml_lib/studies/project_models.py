"""Runs of a project, planned by the study or stored by others, and their explanations."""

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import yaml

from mml_lib.errors import MMLError
from mml_lib.pipelines.differences import differences
from mml_lib.studies.runs import Run

if TYPE_CHECKING:
    from mml_lib.studies.searches.planned_search import PlannedSearch
    from mml_lib.studies.study import Study

FOREIGN = "of no study here"
"""The label of a run that the study does not plan."""

OWN = "of this study"
"""The label of a run that the study plans and has no name for."""

COMPARED = 5
"""Number of runs of the study, the nearest ones, whose differences a terminal shows."""


class ProjectModels:
    """Runs of a study's project.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm

    def labels(self) -> dict[str, dict[str, str]]:
        """Return the labels of the study's runs, by task and run."""
        labels: dict[str, dict[str, str]] = {}
        for (task, run), planned in self.planned().items():
            labels.setdefault(task, {})[run] = planned.label or OWN
        for search in self.study.searches.planned.values():
            of_task = labels.setdefault(search.task, {})
            for run, trial in self._trials(search):
                of_task.setdefault(run, f"trial {trial} of search {search.label or search.id}")
        return labels

    def _trials(self, search: "PlannedSearch") -> Iterator[tuple[str, str]]:
        """Yield run and number of each collected trial of a search."""
        with contextlib.suppress(FileNotFoundError), open(self.fm.path("trials", task=search.task), newline="") as file:
            for row in csv.DictReader(file):
                if row["search"] == search.id:
                    yield row["run"], row["trial"]

    def planned(self) -> dict[tuple[str, str], Run]:
        """Return the runs of the study's own mode, by task and run, for all tasks that it can train."""
        planned: dict[tuple[str, str], Run] = {}
        with contextlib.suppress(MMLError):
            scheduler = self.study.scheduler(self.study.cfg.mode.id)
            for task in dict.fromkeys([*scheduler.trained_tasks, *self.study.tasks]):
                with contextlib.suppress(MMLError):
                    planned |= {(task, run.id): run for run in scheduler.runs_of(task)}
        return planned

    def find(self, run: str) -> tuple[str, str]:
        """Return task and id of a run of the study, or one with a pipeline on the disk.

        Raises:
            MMLError: the run does not exist, or its pipeline cannot be read.
        """
        tasks = {pipeline["run"]: pipeline["task"] for pipeline in self.fm.existing("pipeline")}
        tasks |= {planned: task for task, planned in self.planned()}
        if run not in tasks:
            near = get_close_matches(run, tasks, n=3, cutoff=0.4) or list(tasks)[-3:]
            raise MMLError(
                f"run: there is no run '{run}' in the study or in {self.fm.pattern('pipeline')}; "
                + (f"the nearest known: {', '.join(near)}" if near else "none is known")
            )
        self._content(tasks[run], run)
        return tasks[run], run

    def _content(self, task: str, run: str) -> Mapping[str, Any]:
        try:
            return (self.planned().get((task, run)) or self.study.runs.read(task, run)).pipeline.content
        except (KeyError, TypeError, AttributeError) as error:
            path = self.fm.path("pipeline", task=task, run=run)
            raise MMLError(f"run: {path} is damaged ({error!r}), so there is nothing to explain; remove it") from error

    def explanation(self, id_: str) -> dict[str, Any]:
        """Return the pipeline of a run and its differences from each run of the study on the same task, nearest first.

        Raises:
            MMLError: the run does not exist, or its pipeline cannot be read.
        """
        task, run = self.find(id_)
        content = self._content(task, run)
        compared = [
            (other.id, other.label, differences(content, other.pipeline.content))
            for (other_task, _), other in self.planned().items()
            if other_task == task and other.id != run
        ]
        return {
            "run": run,
            "task": task,
            "label": self.labels().get(task, {}).get(run, FOREIGN),
            "pipeline": dict(content),
            "differences": [
                {"from": other, "label": label, "keys": {key: {run: a, other: b} for key, (a, b) in changed.items()}}
                for other, label, changed in sorted(compared, key=lambda row: len(row[2]))
            ],
        }

    def announcement(self, modes: Sequence[str]) -> list[str]:
        """Return the lines of the overview about the key `run`."""
        run_id = self.study.cfg.run
        if run_id is None:
            return []
        if not any("describe_run" in self.study.scheduler(mode).commands for mode in modes):
            return [
                f"  run: mode {', '.join(modes)} has no use for it; snakemake info --config run={run_id} describes it"
            ]
        task, run = self.find(run_id)
        return [f"  run {run} of {task} is explained in {self.fm.path('run_explanation', run=run)}"]


def explanation_text(explanation: Mapping[str, Any]) -> str:
    """Return an explanation by `ProjectModels.explanation` as text for a terminal."""
    run, task = explanation["run"], explanation["task"]
    parts = [f"run {run} of {task}: {explanation['label']}"]
    parts.append(yaml.safe_dump(explanation["pipeline"], sort_keys=False).rstrip())
    for other in explanation["differences"][:COMPARED]:
        name = f"{other['from']} ({other['label']})" if other["label"] else other["from"]
        width = max(map(len, other["keys"]), default=0)
        lines = [
            f"  {key:{width}}  {values[run]!r} instead of {values[other['from']]!r}"
            for key, values in other["keys"].items()
        ]
        parts.append("\n".join([f"it differs from the study's run {name} in", *lines]))
    if not explanation["differences"]:
        parts.append(f"the study has no other run of {task} to compare it with")
    if more := len(explanation["differences"]) - COMPARED:
        parts += [f"… and from {more} more runs of the study, in the file"] if more > 0 else []
    return "\n\n".join(parts)
