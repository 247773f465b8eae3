"""Learned divisions: the splits and folds that a network was trained with, and those that its tasks have now.

A task that is described again keeps its id, but its division may differ: the id contains neither groups that are found
while reading images, nor versions of MML and its solvers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.config.task_options import SEPARATOR
from mml_lib.errors import MMLError
from mml_lib.tasks.struct import TaskStruct

DIVISIONS = "divisions"
"""Key of the digests in headers of networks and in checkpoints. Older files lack it."""


def divisions_of(structs: Sequence[TaskStruct]) -> dict[str, str]:
    """Return the digest of the division of each task, by its name."""
    return {struct.name: struct.division for struct in structs}


def check_divisions(path: str | Path, header: Mapping[str, Any], structs: Sequence[TaskStruct]) -> None:
    """Check that a network was trained with the splits and folds that its tasks have now.

    Args:
        path: path of the stored network.
        header: header of the stored network.
        structs: tasks that the network may have learned.

    Raises:
        MMLError: the division of a task has changed, or may have changed, since the training.
    """
    learned = header.get(DIVISIONS)
    for struct in structs:
        if learned is None and struct.name in header.get("classes", {}) and "group_division" in struct.header:
            raise MMLError(
                f"{path} was trained before the task {struct.name} was described again, with groups that are divided "
                f"at random since; it may have learned images that it would be tested on: {_remedy(struct)}"
            )
        if learned is not None and learned.get(struct.name, struct.division) != struct.division:
            raise MMLError(
                f"{path} was trained with other splits or folds than {struct.paths['description']} has now; "
                f"{_remedy(struct)}"
            )


def other_division(checkpoint: Mapping[str, Any], divisions: Mapping[str, str]) -> str | None:
    """Return the problem of a checkpoint that has learned other splits or folds; None without a problem.

    Args:
        checkpoint: part `mml` of a checkpoint.
        divisions: current digest of the division of each task.
    """
    learned = checkpoint.get(DIVISIONS, {})
    changed = [task for task, division in divisions.items() if learned.get(task, division) != division]
    return f"has learned other splits or folds of {changed[0]}" if changed else None


def _remedy(struct: TaskStruct) -> str:
    base = struct.name.split(SEPARATOR)[0]
    return (
        f"set another tasks.{base}.seed, which makes a new division and new networks, or restore the former "
        "description from a backup"
    )
