"""Stand-ins for tasks that do not exist yet, for trying pipelines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mml_lib.errors import MMLError
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.description import read_header
from mml_lib.tasks.struct import TaskStruct

CLASSES = 3
"""Number of classes if it is unknown."""

PER_CLASS = 4
"""Samples of each class of a stand-in."""


def stand_in(
    definition: Mapping[str, Any],
    description: Path,
    classes: Sequence[str] | None = None,
    is_weighted: bool = False,
) -> TaskStruct:
    """Return a task with a few dummy samples of each class. Its header is the stored one, or invented if there is none.

    Args:
        definition: entry of the task in a pipeline.
        description: path of its description, which may not exist yet.
        classes: names of its classes, for a task without a description.
        is_weighted: True if its samples have weights, for a task without a description.
    """
    struct = TaskStruct(definition["name"], {"description": description})
    try:
        struct.header = read_header(description)
    except MMLError:  # it does not exist yet; the step that reads a damaged one reports it
        struct.header = _header(definition, classes or []) | ({"weights": {}} if is_weighted else {})
    number = PER_CLASS * max(1, struct.num_classes)
    struct.samples = {
        "id": np.array([f"sample {index}" for index in range(number)]),
        "row": np.arange(number),
        "split": np.full(number, "train"),
        "fold": np.arange(number) % PER_CLASS % max(1, struct.num_folds),
    }
    struct.targets = _targets(struct, number)
    struct.weights = np.linspace(0.5, 1.5, number, dtype=np.float32) if struct.is_weighted else None
    struct.pixels = None
    struct._mean_and_std = ([0.5] * 3, [0.25] * 3)
    return struct


def _header(definition: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    kind = definition["task_type"]
    classes = list(names) or [f"class {number}" for number in range(CLASSES)]
    if not TASK_TYPES[kind].has_classes:
        classes = []
    return {
        **definition,
        "classes": classes,
        "idx_to_class": {str(index): name for index, name in enumerate(classes)},
        "num_classes": len(classes),
        "num_folds": 2,
        "num_samples": {},
        "class_occ": dict.fromkeys(classes, PER_CLASS),
        "target": {"mean": 0.0, "std": 1.0, "min": -1.0, "max": 1.0},
    }


def _targets(struct: TaskStruct, number: int) -> np.ndarray:
    kind, indices = TASK_TYPES[struct.task_type], np.arange(number) // PER_CLASS
    if kind.has_values:
        return np.linspace(-1, 1, number, dtype=np.float32)
    if kind.is_single_label:
        return indices
    one_hot = np.eye(max(1, struct.num_classes), dtype=np.float32)[indices]
    return one_hot.astype(np.int64) if kind.has_masks else one_hot


def dummy_batch(struct: TaskStruct, count: int, size: tuple[int, int], channels: int) -> dict[str, torch.Tensor]:
    """Return a batch like the data module's: `image`, bytes N×C×H×W, `target` and, for weighted samples, `weight`."""
    generator = torch.Generator().manual_seed(0)
    images = (torch.rand(count, channels, *size, generator=generator) * 255).to(torch.uint8)
    positions = np.linspace(0, len(struct.targets) - 1, count).round().astype(int)
    weights = {} if struct.weights is None else {"weight": torch.from_numpy(struct.weights[positions])}
    if TASK_TYPES[struct.task_type].has_masks:
        masks = torch.randint(struct.num_classes, (count, *size), generator=generator)
        masks[:, 0, 0] = IGNORE
        return {"image": images, "target": masks, **weights}
    return {"image": images, "target": torch.from_numpy(struct.targets[positions]), **weights}
