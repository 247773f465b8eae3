"""A study of tasks alone, on data of unusual shape. Only epochs, size and threads are less than the defaults.

Long, as two ResNets are trained; what the defaults are is tested in `tests/unit/config/test_defaults.py`.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.workplaces import TINY, Workplace

QUICK = {
    "mode": {"cv": False, "subroutines": ["train", "predict", "test"]},  # pictures take their time
    "trainer": {"max_epochs": 1, "accelerator": "cpu"},
    "preprocessing": {"size": 32},
    "resources": TINY["resources"],
}


def write_image(path: Path, size: tuple[int, int], seed: int, mode: str = "RGB") -> None:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 200, (*size, 3), dtype=np.uint8)).convert(mode).save(path)


@pytest.mark.long
def test_few_images_of_one_channel_and_labels_of_one_rare_class_are_trained(workplace: Workplace):
    for number in range(20):
        write_image(workplace.folder / f"few/{'ab'[number % 2]}/{number}.png", (16, 16), number, "L")
    rows = [["image", "labels"]]
    for number in range(30):
        write_image(workplace.folder / f"pictures/{number}.jpg", (45, 60), number)
        rows.append([f"pictures/{number}.jpg", "common|rare" if number < 6 else "common" if number % 2 else ""])
    with open(workplace.folder / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    tasks = {
        "few": {"creator": "image_folder", "path": "few"},
        "labels": {"creator": "csv", "path": "labels.csv"},
    }
    workplace.write({"project": "defaults", "tasks": tasks} | QUICK)
    workplace.run()
    for task in tasks:
        (model,) = workplace.files(f"results/defaults/MODELS/{task}/*.json")
        assert np.isfinite(json.loads(model.read_text())["performance"])
