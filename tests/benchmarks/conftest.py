"""Subjects of measurements: the demo study, and packed tasks of any size that need no image files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mml_lib.files.containers import PACKED_FORMAT
from mml_lib.files.stored import json_text
from mml_lib.images.packing import IMAGES, MOMENTS
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.struct import TaskStruct
from mml_lib.tasks.targets import Targets


@pytest.fixture
def packed(tmp_path: Path) -> Callable[[int, int], TaskStruct]:
    """Return a function that packs random images of two classes, a fifth of them in fold 1."""

    def build(count: int, size: int) -> TaskStruct:
        rng = np.random.default_rng(0)
        paths = {"description": "random.json", "dataset": "dataset.json", "packed": "packed"}
        paths = {key: tmp_path / name for key, name in paths.items()}
        paths["packed"].mkdir()
        (paths["packed"] / PACKED_FORMAT).write_text(json_text("packed", {}))
        np.save(paths["packed"] / IMAGES, rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8))
        np.save(paths["packed"] / MOMENTS, np.full((count, 2, 3), 0.3))
        samples = [Sample(str(number), "none", "ab"[number % 2]) for number in range(count)]
        dataset = Dataset("DSET_random", Delivery(samples, ["a", "b"]), [(size, size)] * count, tmp_path)
        dataset.write(paths["dataset"])
        targets = Targets.of(dataset, None, "random")
        assignment = Assignment(["train"] * count, [int(number % 5 == 0) for number in range(count)], 2)
        TaskDescription.of({"name": "random"}, dataset, targets, assignment).write(paths["description"])
        return TaskStruct("random", paths)

    return build
