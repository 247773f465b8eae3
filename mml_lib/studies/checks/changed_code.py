"""Changed code: the user's modules whose changes make a planned run differ from stored runs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mml_lib.errors import MMLError
from mml_lib.pipelines.differences import differences
from mml_lib.pipelines.own_code import changed_modules

if TYPE_CHECKING:
    from mml_lib.files.manager import MMLFileManager
    from mml_lib.studies.runs import Run, Runs

LOOKED_AT = 100
"""Pipelines on the disk that are compared, the latest."""

FOLLOWING = ("task.source.code.", "task.id", "task.dataset", "task.pack", "task.bases")
"""Keys of a pipeline that may differ because of code."""


def changed_code(fm: "MMLFileManager", runs: "Runs", task: str, planned: Sequence["Run"]) -> Iterator[str]:
    """Yield a line for each planned run that differs from a stored one only by the user's code.

    Args:
        fm: file manager.
        runs: the runs on the disk.
        task: the task.
        planned: its runs.
    """
    new = [run for run in planned if _code(run) and not _is_stored(fm, task, run)]
    if not new:
        return
    stored = list(_stored(fm, runs, task))
    for run in new:
        for earlier in stored:
            if modules := _changed(run, earlier):
                yield f"run {run.id} is new: {', '.join(modules)} changed since run {earlier.id}"
                break


def _code(run: "Run") -> dict[str, str]:
    return {**run.pipeline.task.get("source", {}).get("code", {}), **run.pipeline.code}


def _is_stored(fm: "MMLFileManager", task: str, run: "Run") -> bool:
    return fm.construct_saving_path(None, "pipeline", task=task, run=run.id).exists()


def _stored(fm: "MMLFileManager", runs: "Runs", task: str) -> Iterator["Run"]:
    """Yield the latest stored runs of a task, newest first. Unreadable files are left out."""
    for file in reversed(fm.existing("pipeline", task=task)[-LOOKED_AT:]):
        try:
            yield runs.read(task, file["run"])
        except MMLError:  # the step that reads it reports the error
            continue


def _changed(run: "Run", earlier: "Run") -> list[str]:
    """Return the modules that changed, none where something else differs too."""
    keys = differences(run.pipeline.content, earlier.pipeline.content)
    if not all(key.startswith(("code.", *FOLLOWING)) for key in keys):
        return []
    return changed_modules(_code(earlier), _code(run))
