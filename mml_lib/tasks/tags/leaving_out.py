"""Exclusion of the samples that tables list. All other samples keep their split and fold."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.excluded_samples import ExcludedSamples
from mml_lib.tasks.tags.tag_registry import Shape, lacking_samples, lost_class


def read_planned(task: str, tables: Collection[str], planned: str | None) -> ExcludedSamples:
    """Read the tables of samples to exclude.

    Args:
        task: name of the task.
        tables: paths of the tables.
        planned: identity of the samples in the plan; None: no samples are excluded.

    Raises:
        MMLError: the tables changed after the plan.
    """
    excluded = ExcludedSamples.read(task, list(tables), Path())
    if excluded.digest != planned:
        raise MMLError(
            f"tasks.{task}.exclude: {summarized(tables)} changed after the plan; run the command again, which makes "
            "another task"
        )
    return excluded


def leave_out(task: TaskDescription, excluded: ExcludedSamples) -> TaskDescription:
    """Return a task without excluded samples.

    Raises:
        MMLError: the task lacks an excluded sample, or too few samples remain.
    """
    name, where = task.header["name"], f"tasks.{task.header['name']}.exclude"
    ids = set(excluded.ids)
    if unknown := sorted(ids - set(task.samples["id"])):
        raise MMLError(
            f"{where}: {summarized(file.name for file in excluded.files)} lists {len(unknown)} samples that {name} "
            f"does not have ({summarized(map(repr, unknown))}); name a table of this task"
        )
    keep = np.array([id_ not in ids for id_ in task.samples["id"]])
    reduced = task.changed(f"without {len(ids)} samples that are excluded", keep=keep)
    if label := lost_class(task.header, reduced.header):
        raise MMLError(f"{where}: no training sample of the class '{label}' is left; list fewer samples")
    planned = replace(Shape.of(task.header), num_folds=reduced.header["num_folds"])
    if lacking := lacking_samples(reduced, planned):
        raise MMLError(f"{where}: no {lacking} of {name} is left; list fewer samples")
    return reduced
