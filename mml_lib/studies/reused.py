"""Networks of other projects whose predictions of a task are reused, if they have not seen its held-out samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mml_lib.errors import MMLError
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.checks.guarding import seen_held_out

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

NAMES = {"val": "validation", "test": "test", "unlabelled": "unlabelled"}
"""Texts of splits."""


@dataclass(frozen=True, order=True)
class PredictingRun:
    """Run of another project whose networks predict a task: their own, or `eval_task`."""

    task: str
    id: str
    eval_task: str = ""


def reused_networks(
    study: "Study", task: str, folds: Sequence[int], splits: Sequence[str], needed: bool = True
) -> list[TrainedNetwork]:
    """Return networks of other projects with predictions of a task.

    Args:
        study: the study.
        task: task that they predict.
        folds: folds of the networks of this study.
        splits: splits that must be predicted; runs without predictions of the first split are left out. For an
            ensemble this is `val`, by which members are chosen.
        needed: True if each project must have some.

    Raises:
        MMLError: a project has no networks, only networks that may have seen held-out samples, or lacks predictions.
    """
    networks = []
    for reference in study.cfg.reuse.predictions:
        project, id_ = study.fm.reusables.project_of("predictions", reference)
        predicted = _predicted(study, project, task, id_, splits[0])
        problems = {run: _problem(study, project, run, task) for run in predicted}
        suitable = sorted(run for run, problem in problems.items() if not problem)
        if not suitable and (needed or predicted):
            why = next((f" ({problem})" for problem in problems.values()), "")
            raise MMLError(
                f"reuse.predictions: {project} has none for the {NAMES[splits[0]]} samples of {task}{why}; a study "
                "in mode post makes them"
            )
        for run in suitable:
            parts = [(split, fold) for split in splits for fold in folds]
            _check_complete(project, run, task, predicted[run], parts)
            networks += [TrainedNetwork(run.task, run.id, fold, run.eval_task or None, project) for fold in folds]
    return networks


def _predicted(
    study: "Study", project: str, task: str, id_: str | None, needed: str
) -> dict[PredictingRun, set[tuple[str, int]]]:
    """Return splits and folds that are predicted of a task, by run, for runs with predictions of a split."""
    wanted = {"run": id_} if id_ else {}
    own = study.fm.existing("predictions", project=project, task=task, **wanted)
    others = study.fm.existing("other_predictions", project=project, eval_task=task, **wanted)
    predicted: dict[PredictingRun, set[tuple[str, int]]] = {}
    for file in (*own, *others):
        run = PredictingRun(file["task"], file["run"], file.get("eval_task", ""))
        predicted.setdefault(run, set()).add((file["eval"], int(file["fold"])))
    return {run: parts for run, parts in predicted.items() if any(split == needed for split, _ in parts)}


def _problem(study: "Study", project: str, run: PredictingRun, task: str) -> str | None:
    """Return the reason why networks of a run are no answers to a task; None: they are."""
    stored = study.runs.read(run.task, run.id, project)
    if run.eval_task:
        return seen_held_out(study, task, stored, project)
    if stored.pipeline.task["id"] != study.task(task).id:
        return f"those of {task} are divided otherwise, and their networks may have seen test samples"
    return None


def _check_complete(
    project: str,
    run: PredictingRun,
    task: str,
    parts: set[tuple[str, int]],
    needed: Sequence[tuple[str, int]],
) -> None:
    missing = [part for part in needed if part not in parts]
    if not missing:
        return
    split, fold = missing[0]
    folds = {split: sorted(fold for other, fold in parts if other == split) for split, _ in sorted(parts)}
    stored = "; ".join(
        f"{split}: fold{'s' * (len(folds[split]) > 1)} {', '.join(map(str, folds[split]))}" for split in folds
    )
    raise MMLError(
        f"reuse.predictions: run {run.id} of {run.task} in {project} has no {split} predictions of "
        f"{task} by fold {fold} (it has {stored}); make them by mode post there, or name other runs, {project}#run"
    )
