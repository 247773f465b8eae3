"""Subjects of measurements: the demo study, and packed tasks of any size that need no image files."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from mml_lib.files.containers import PACKED_FORMAT
from mml_lib.files.stored import json_text
from mml_lib.images.packing import IMAGES, MOMENTS
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.pixel_format import PixelFormat
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.struct import TaskStruct
from mml_lib.tasks.targets import Targets


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., TaskStruct]:
    """Return a function that packs random images of two classes, a fifth of them in fold 1."""

    def build(count: int, size: int, pixels: PixelFormat = PixelFormat()) -> TaskStruct:  # noqa: B008  (frozen)
        rng = np.random.default_rng(0)
        paths = {"description": "random.json", "dataset": "dataset.json", "packed": "packed"}
        paths = {key: tmp_path / name for key, name in paths.items()}
        paths["packed"].mkdir()
        (paths["packed"] / PACKED_FORMAT).write_text(json_text("packed", {"pixels": asdict(pixels)}))
        np.save(paths["packed"] / IMAGES, _random(rng, (count, size, size, len(pixels.channels)), pixels))
        np.save(paths["packed"] / MOMENTS, np.full((count, 2, len(pixels.channels)), 0.3))
        samples = [Sample(str(number), "none", "ab"[number % 2]) for number in range(count)]
        dataset = Dataset("DSET_random", Delivery(samples, ["a", "b"]), [(size, size)] * count, tmp_path)
        dataset.write(paths["dataset"])
        targets = Targets.of(dataset, None, "random")
        assignment = Assignment(["train"] * count, [int(number % 5 == 0) for number in range(count)], 2)
        TaskDescription.of({"name": "random"}, dataset, targets, assignment).write(paths["description"])
        return TaskStruct("random", paths)

    return build


def _random(rng: np.random.Generator, shape: tuple[int, ...], pixels: PixelFormat) -> np.ndarray:
    if pixels.depth.startswith("float"):
        return rng.random(shape, np.float32).astype(pixels.depth)
    return rng.integers(0, int(pixels.full_scale) + 1, shape, dtype=pixels.depth)
