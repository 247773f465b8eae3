"""Shortcuts of a task: the pairs of sources and targets that are checked."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath

import numpy as np

from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.image_measures import ImageMeasures
from mml_lib.audit.shortcuts import Shortcut, Source, Target, check_shortcut
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.metadata import Column, sub_groups

MOST_LABELS = 20
"""Labels of a multi-label task that are checked, the most frequent first."""


def task_shortcuts(
    task: AuditedTask,
    dataset: Dataset,
    measures: ImageMeasures,
    values: np.ndarray,
    columns: Mapping[str, Column],
    threads: int = 1,
) -> list[Shortcut]:
    """Return how well features tell the split and metadata, and images' surroundings and metadata tell the label.

    Args:
        task: the task.
        dataset: its data set.
        measures: of its images.
        values: features, N×D.
        columns: its metadata by name.
        threads: number of threads.
    """
    features = Source("features", values, is_linear=True)
    metadata = {name: _aligned(task, sub_groups(column)) for name, column in columns.items()}
    pairs = [(features, Target(name, column)) for name, column in metadata.items()]
    if task.kind.is_learnable:
        split: list[str | None] = [None if name == "unlabelled" else name for name in task.split.tolist()]
        sources = [*_surroundings(task, dataset, measures), *(_coded(*item) for item in metadata.items())]
        pairs.insert(0, (features, Target("split", split)))
        pairs += [(source, target) for target in _label_targets(task) for source in sources]
    return [check_shortcut(source, target, task.ids, task.groups, threads) for source, target in pairs]


def _aligned(task: AuditedTask, column: Mapping[str, str | None]) -> list[str | None]:
    return [column.get(id_) for id_ in task.ids.tolist()]


def _surroundings(task: AuditedTask, dataset: Dataset, measures: ImageMeasures) -> list[Source]:
    rows = task.task.samples["row"]
    sizes = np.array([dataset.sizes[row] for row in rows], float)
    suffixes = [PurePath(dataset.delivery.samples[row].image.partition("#")[0]).suffix.lower() for row in rows]
    return [
        Source("image size", np.column_stack([sizes, sizes[:, :1] / sizes[:, 1:]])),
        _coded("file format", suffixes),
        Source("border", measures.border),
    ]


def _coded(name: str, values: list[str | None] | list[str]) -> Source:
    """Return a column of texts as a column for each value."""
    texts = np.array(["" if value is None else value for value in values])
    return Source(name, (texts[:, None] == np.unique(texts)[None, :]).astype(float))


def _label_targets(task: AuditedTask) -> Iterator[Target]:
    """Yield the label, each of several labels, or the quartile of a value."""
    targets = task.task.targets
    if task.kind.is_single_label:
        yield Target("label", task.strata)
    elif task.kind.is_multilabel:
        counts = (np.nan_to_num(targets.values) >= 0.5).sum(axis=0)
        for number in sorted(np.argsort(-counts, kind="stable")[:MOST_LABELS].tolist()):
            values = targets.values[:, number].tolist()
            texts = [None if value != value else ("yes" if value >= 0.5 else "no") for value in values]
            yield Target(f"label {task.classes[number]}", texts)
    elif task.kind.has_values:
        yield Target("quartile of the value", task.strata)
