"""The models that lie in a project, planned or not, and the runs behind them: what the rules of mode `info` ask."""

import contextlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mml_lib.errors import MMLError
from mml_lib.pipelines.differences import differences
from mml_lib.studies.model_files import network_files, state_of
from mml_lib.studies.runs import Run

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

FOREIGN = "of no study here"
"""The label of a run that the study does not plan."""

OWN = "of this study"
"""The label of a run that the study plans and has no name for."""

COMPARED = 5
"""Runs of the study that a terminal is shown the differences from: those that differ the least."""


class ProjectModels:
    """Models and runs of a study's project.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm

    # --- models -------------------------------------------------------------------------------------------------

    def folders(self, wildcards: Any) -> list[str]:
        """The folders of model storages: the time of each is that when a model came or went.

        Models themselves are no inputs: Snakemake would ask how to make those again that no study plans any more.
        """
        return sorted({str(Path(self.fm.path("models", **told)).parent) for told in self.fm.existing("models")})

    def state(self, wildcards: Any) -> str:
        """A digest of all that is on the disk of the project's networks."""
        return state_of(network_files(self.fm))

    def labels(self, wildcards: Any) -> dict[str, dict[str, str]]:
        """Display names of the study's runs, by task and run."""
        labels: dict[str, dict[str, str]] = {}
        for (task, run), planned in self.planned().items():
            labels.setdefault(task, {})[run] = planned.label or OWN
        return labels

    # --- runs ---------------------------------------------------------------------------------------------------

    def planned(self) -> dict[tuple[str, str], Run]:
        """The runs that the study's own mode has, by task and run; of tasks that it cannot train there are none."""
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
            MMLError: there is none, or its pipeline cannot be read.
        """
        known = {pipeline["run"]: pipeline["task"] for pipeline in self.fm.existing("pipeline")}
        known |= {planned: task for task, planned in self.planned()}
        if run not in known:
            near = get_close_matches(run, known, n=3, cutoff=0.4) or list(known)[-3:]
            raise MMLError(
                f"run: there is no run '{run}' in the study or in {self.fm.pattern('pipeline')}; "
                + (f"the nearest known: {', '.join(near)}" if near else "none is known")
            )
        self._content(known[run], run)
        return known[run], run

    def _content(self, task: str, run: str) -> Mapping[str, Any]:
        try:
            return (self.planned().get((task, run)) or self.study.runs.read(task, run)).pipeline.content
        except (KeyError, TypeError, AttributeError) as error:
            path = self.fm.path("pipeline", task=task, run=run)
            raise MMLError(f"run: {path} is damaged ({error!r}), so there is nothing to explain; remove it") from error

    def explanation(self, wildcards: Any) -> dict[str, Any]:
        """Pipeline of a run, and its differences from each run of the study on the same task, most similar first."""
        task, run = self.find(wildcards.run)
        content = self._content(task, run)
        compared = [
            (other.id, other.label, differences(content, other.pipeline.content))
            for (of_task, _), other in self.planned().items()
            if of_task == task and other.id != run
        ]
        return {
            "run": run,
            "task": task,
            "label": self.labels(wildcards).get(task, {}).get(run, FOREIGN),
            "pipeline": dict(content),
            "differences": [
                {"from": other, "label": label, "keys": {key: {run: a, other: b} for key, (a, b) in found.items()}}
                for other, label, found in sorted(compared, key=lambda each: len(each[2]))
            ],
        }

    def announcement(self, modes: Sequence[str]) -> list[str]:
        """Lines about the key `run`, printed while planning."""
        asked = self.study.cfg.run
        if asked is None:
            return []
        if not any("explain_run" in self.study.scheduler(mode).commands for mode in modes):
            return [
                f"  run: mode {', '.join(modes)} has no use for it; snakemake info --config run={asked} explains a run"
            ]
        task, run = self.find(asked)
        return [f"  run {run} of {task} is explained in {self.fm.path('run_explanation', run=run)}"]


def explained(told: Mapping[str, Any]) -> str:
    """Return an explanation, as `ProjectModels.explanation` gives it, for a terminal."""
    run, parts = told["run"], [f"run {told['run']} of {told['task']}: {told['label']}"]
    parts.append(yaml.safe_dump(told["pipeline"], sort_keys=False).rstrip())
    for each in told["differences"][:COMPARED]:
        name = f"{each['from']} ({each['label']})" if each["label"] else each["from"]
        width = max(map(len, each["keys"]), default=0)
        lines = [
            f"  {key:{width}}  {both[run]!r} instead of {both[each['from']]!r}" for key, both in each["keys"].items()
        ]
        parts.append("\n".join([f"it differs from the study's run {name} in", *lines]))
    if not told["differences"]:
        parts.append(f"the study has no other run of {told['task']} to tell it from")
    if more := len(told["differences"]) - COMPARED:
        parts += [f"… and from {more} more runs of the study, in the file"] if more > 0 else []
    return "\n\n".join(parts)
