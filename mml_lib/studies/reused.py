"""Predictions of other projects: which there are of a task, whose networks have not seen what it holds out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

KEYS = ("predictions", "other_predictions")
"""Predictions of networks for their own task and for others."""

NAMES = {"val": "validation", "test": "test", "unlabelled": "unlabelled"}
"""Splits in words."""


class ReusedPredictions:
    """Reused predictions of other projects.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm

    def networks(
        self, task: str, folds: Sequence[int], splits: Sequence[str], needed: bool = True
    ) -> list[dict[str, Any]]:
        """Return `project`, `task`, `run` and `fold` of networks whose predictions of a task are there, and the
        `eval_task` of those that learned another.

        Args:
            task: what they predict.
            folds: those of the study's own networks.
            splits: what has to be predicted; runs without predictions of the first split are passed over. For an
                ensemble this is `val`, by which members are chosen.
            needed: whether each project has to have some.

        Raises:
            MMLError: a project has none, only networks that may have seen held-out samples, or not all predictions.
        """
        found = []
        for project, run in (
            self.fm.reusables.project_of("predictions", each) for each in self.study.cfg.reuse.predictions
        ):
            there = self._there(project, task, run, splits[0])
            alike = {told: parts for told, parts in there.items() if not self._problem(project, told, task)}
            if not alike and (needed or there):
                why = next((f" ({self._problem(project, told, task)})" for told in there), "")
                raise MMLError(
                    f"reuse.predictions: {project} has none for the {NAMES[splits[0]]} samples of {task}{why}; a study "
                    "in mode post makes them"
                )
            for told, parts in sorted(alike.items()):
                self._check_complete(project, told, task, parts, [(split, fold) for split in splits for fold in folds])
                found += [{"project": project, **dict(told), "fold": fold} for fold in folds]
        return found

    def _there(
        self, project: str, task: str, run: str | None, needed: str
    ) -> dict[tuple[tuple[str, str], ...], set[tuple[str, int]]]:
        """Return the splits and folds that are predicted of a task, by what tells runs with predictions of a split."""
        of_run = {"run": run} if run else {}
        listed = [(self.fm.existing(KEYS[0], project=project, task=task, **of_run), ("task", "run"))]
        others = self.fm.existing(KEYS[1], project=project, eval_task=task, **of_run)
        listed.append((others, ("task", "run", "eval_task")))
        there: dict[tuple[tuple[str, str], ...], set[tuple[str, int]]] = {}
        for files, keys in listed:
            for file in files:
                told = tuple((key, file[key]) for key in keys)
                there.setdefault(told, set()).add((file["eval"], int(file["fold"])))
        return {told: parts for told, parts in there.items() if any(split == needed for split, _ in parts)}

    def _problem(self, project: str, told: tuple[tuple[str, str], ...], task: str) -> str | None:
        """Return why networks of a run are no answers to a task."""
        named = dict(told)
        run = self.study.runs.read(named["task"], named["run"], project)
        if "eval_task" in named:
            return self.study.answers.leak(task, run, project)
        if run.pipeline.task["id"] != self.study.task(task).id:
            return f"those of {task} are divided otherwise, and their networks may have seen test samples"
        return None

    def _check_complete(
        self,
        project: str,
        told: tuple[tuple[str, str], ...],
        task: str,
        parts: set[tuple[str, int]],
        needed: Sequence[tuple[str, int]],
    ) -> None:
        lacking = [each for each in needed if each not in parts]
        if not lacking:
            return
        named, (split, fold) = dict(told), lacking[0]
        of = {split: sorted(fold for other, fold in parts if other == split) for split, _ in sorted(parts)}
        there = "; ".join(f"{split}: fold{'s' * (len(of[split]) > 1)} {', '.join(map(str, of[split]))}" for split in of)
        raise MMLError(
            f"reuse.predictions: run {named['run']} of {named['task']} in {project} has no {split} predictions of "
            f"{task} by fold {fold} (it has {there}); make them by mode post there, or name other runs, {project}#run"
        )
