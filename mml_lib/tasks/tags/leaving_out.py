"""Leaving out: a task without the samples that tables list; all others keep their split and fold."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.excluded_samples import ExcludedSamples
from mml_lib.tasks.tags.tag_registry import Shape, emptied, lost_class


def read_planned(task: str, tables: Collection[str], planned: str | None) -> ExcludedSamples:
    """Read the tables that a task was planned with.

    Args:
        task: name of the task.
        tables: their paths.
        planned: identity of the samples in the plan; None: there are none.

    Raises:
        MMLError: they list other samples now.
    """
    excluded = ExcludedSamples.read(task, list(tables), Path())
    if excluded.digest != planned:
        raise MMLError(
            f"tasks.{task}.exclude: {summarized(tables)} changed after the plan; run the command again, which makes "
            "another task"
        )
    return excluded


def leave_out(task: TaskDescription, excluded: ExcludedSamples) -> TaskDescription:
    """Return a task without some samples.

    Raises:
        MMLError: it has no such sample, or too little is left of it.
    """
    name, where = task.header["name"], f"tasks.{task.header['name']}.exclude"
    listed = set(excluded.ids)
    if unknown := sorted(listed - set(task.samples["id"])):
        raise MMLError(
            f"{where}: {summarized(file.name for file in excluded.files)} lists {len(unknown)} samples that {name} "
            f"does not have ({summarized(map(repr, unknown))}); name a table of this very task"
        )
    keep = np.array([id_ not in listed for id_ in task.samples["id"]])
    left = task.changed(f"without {len(listed)} samples that are excluded", keep=keep)
    if label := lost_class(task.header, left.header):
        raise MMLError(f"{where}: no training sample of the class '{label}' is left; list fewer samples")
    planned = replace(Shape.of(task.header), num_folds=left.header["num_folds"])
    if rest := emptied(left, planned):
        raise MMLError(f"{where}: no {rest} of {name} is left; list fewer samples")
    return left
