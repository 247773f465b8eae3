"""Samples of data sets without files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Splitting, assign
from mml_lib.tasks.targets import Targets


def samples(count: int, classes: Sequence[str] = "ab", **columns: Sequence[Any]) -> list[Sample]:
    rows = [{key: values[n] for key, values in columns.items()} for n in range(count)]
    return [Sample(str(n), f"{n}.png", classes[n % len(classes)], **row) for n, row in enumerate(rows)]


def delivered(rows: list[Sample], classes: Sequence[str] | None = None, kind: str = "classification") -> Dataset:
    """Return a data set of some samples; the pixels of a segmentation are their labels."""
    labels = {sample.label for sample in rows if sample.label is not None} if classes is None else classes
    values = None
    if kind == "semantic_segmentation":
        values = [sample.label for sample in rows]
        rows = [replace(sample, label=None, mask=sample.label and "mask.png") for sample in rows]
    return Dataset("DSET_x", Delivery(rows, sorted(labels), kind), [(8, 9)] * len(rows), Path(), values)


def generated(kind: str, count: int = 90, per_group: int = 0, unlabelled: int = 0, **columns: Sequence[Any]) -> Dataset:
    """Return a data set of any task type: of three classes, `unlabelled` samples last."""
    rng = np.random.default_rng(7)
    sets = [["a"], ["b"], ["a", "c"]]
    label = {
        "classification": lambda n: "abc"[n % 3],
        "multilabel_classification": lambda n: dict.fromkeys(sets[n % 3], 1.0),
        "regression": lambda n: round(rng.normal(), 3),
        "semantic_segmentation": lambda n: {0: 50, n % 2 + 1: 20, 255: 2},
        "no_task": lambda n: None,
    }[kind]
    groups = [f"p{n // per_group}" if per_group else None for n in range(count)]
    rows = samples(count, [label(n) for n in range(count)], group=groups, **columns)
    rows += [Sample(str(n), f"{n}.png", None, "unlabelled") for n in range(count, count + unlabelled)]
    return delivered(rows, "" if kind in ("regression", "no_task") else "abc", kind)


def described(data: Dataset, folds: int = 3, test: float = 0.2, **identity: Any) -> TaskDescription:
    targets = Targets.of(data, identity.get("idx_to_class"), "t")
    identity = {"name": "t", "id": "0" * 8, "seed": 0, "fold_time_limit": 60.0} | identity
    assignment = assign(data.delivery.samples, targets, "t", Splitting(folds, test))
    return TaskDescription.of(identity, data, targets, assignment)
