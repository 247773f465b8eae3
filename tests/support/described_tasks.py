"""Described tasks without images."""

from pathlib import Path

import numpy as np
from PIL import Image

from mml_lib.task_types import IGNORE
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.targets import Targets

CLASSES = ["naevus", "Melanoma in situ of the back and the neck", "a_long_name_without_any_space", "Größe $x_i$ (β)"]


SIZES = [(30, 40), (36, 36), (60, 8), (1, 200)]


def task_of(
    folder: Path, task_type: str, count: int = 30, classes: list[str] = CLASSES, value: float | None = None
) -> tuple[TaskDescription, Dataset]:
    """Return a task with grey images: every fifth unlabelled, every fourth of the others for the test."""
    rng = np.random.default_rng(0)
    segmentation = task_type == "semantic_segmentation"
    samples, values, sizes = [], [], [SIZES[number % len(SIZES)] for number in range(count)]
    for number, size in enumerate(sizes):
        Image.fromarray(np.full((*size, 3), 128, np.uint8)).save(folder / f"{number}.png")
        unlabelled = task_type == "no_task" or number % 5 == 4
        label = {
            "classification": classes[number % len(classes)] if classes else None,
            "multilabel_classification": {name: rng.random() for name in classes[: number % 3]},
            "regression": rng.normal() if value is None else value,
        }.get(task_type)
        mask = np.zeros(size, np.uint8)
        mask[size[0] // 2 :], mask[:, : size[1] // 4] = number % 3, IGNORE
        Image.fromarray(mask).save(folder / f"{number}-mask.png")
        counts = {value: int((mask == value).sum()) for value in np.unique(mask).tolist()}
        values.append(None if unlabelled else counts)
        split = "unlabelled" if unlabelled else ("test" if number % 4 == 3 else "train")
        masked = f"{number}-mask.png" if segmentation and not unlabelled else None
        samples.append(Sample(str(number), f"{number}.png", None if unlabelled else label, split, mask=masked))
    named = {"regression": [], "no_task": [], "semantic_segmentation": CLASSES[:3]}.get(task_type, classes)
    dataset = Dataset("d", Delivery(samples, named, task_type), sizes, folder, values if segmentation else None)
    folds = [number % 2 if sample.split == "train" else -1 for number, sample in enumerate(samples)]
    assignment = Assignment([sample.split for sample in samples], folds, 2)
    identity = {"name": task_type, "id": "0a1b2c3d", "dataset": "d"}
    return TaskDescription.of(identity, dataset, Targets.of(dataset, None, task_type), assignment), dataset
