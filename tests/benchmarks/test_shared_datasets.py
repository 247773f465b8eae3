"""Thirteen tasks on one data set of radiographs: seconds and bytes, next to thirteen data sets.

pytest -m benchmark tests/benchmarks/test_shared_datasets.py
RADIOGRAPHS=500 RADIOGRAPH_SIZE=256 pytest -m benchmark tests/benchmarks/test_shared_datasets.py
"""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.files.unpacking import UNPACKED
from tests.support.benchmark_figures import Figures
from tests.support.workplaces import TINY, Workplace

COUNT = int(os.environ.get("RADIOGRAPHS", "5000"))
SIZE = int(os.environ.get("RADIOGRAPH_SIZE", "512"))
FINDINGS = 13
CORES = len(os.sched_getaffinity(0))

DATA = {"creator": "csv", "path": "train.csv", "columns": {"image": "Path", "group": "patient"}}
NAMES = [f"finding_{number}" for number in range(FINDINGS)]


def write_radiographs(folder: Path) -> None:
    """Write 16-bit images of 12 bits, and a table of their patients and findings."""
    generator = np.random.default_rng(0)
    rows = [",".join(["Path", "patient", *NAMES])]
    (folder / "images").mkdir()
    shades = np.linspace(400, 3200, SIZE)[:, None] * np.ones(SIZE)
    for number in range(COUNT):
        pixels = shades + generator.normal(0, 120, (SIZE, SIZE))
        pixels[number % SIZE] = number  # no two images are alike
        Image.fromarray(pixels.clip(0, 4095).astype(np.uint16)).save(folder / f"images/{number}.png", compress_level=1)
        findings = generator.integers(0, 2, FINDINGS)
        rows.append(",".join([f"images/{number}.png", f"p{number // 2}", *map(str, findings)]))
    (folder / "train.csv").write_text("\n".join(rows) + "\n")


def separate() -> dict[str, Any]:
    tasks = {name: DATA | {"columns": DATA["columns"] | {"label": name}} for name in NAMES}
    return TINY | {"tasks": tasks, "preprocessing": {"size": 224}}


def shared() -> dict[str, Any]:
    tasks = {name: {"dataset": "chest", "columns": {"label": name}} for name in NAMES}
    return TINY | {"datasets": {"chest": DATA}, "tasks": tasks, "preprocessing": {"size": 224}}


def measure(place: Workplace, study: dict[str, Any], name: str) -> tuple[float, int]:
    """Pack the images of a study; return seconds, and bytes below the data root."""
    place.write(study | {"project": name, "paths": {"data": name}})
    started = time.perf_counter()
    place.run("pp")
    seconds = time.perf_counter() - started
    files = [path for path in (place.folder / name).rglob("*") if path.is_file() and UNPACKED not in path.parts]
    return seconds, sum(path.stat().st_size for path in files)


@pytest.mark.benchmark
def test_one_data_set_of_thirteen_tasks_takes_the_time_and_space_of_one(tmp_path: Path, figures: Figures):
    write_radiographs(tmp_path)
    place = Workplace(tmp_path, cores=CORES, forked=False)
    one, many = measure(place, shared(), "shared"), measure(place, separate(), "separate")
    place.write(shared() | {"project": "shared", "paths": {"data": "shared"}})
    assert place.planned("pp") == {}
    name, of = f"{COUNT:,} radiographs in one data set of 13 tasks", "13 data sets"
    figures.record(f"{name}: seconds", one[0] / many[0], of=of, by="clock", at_most=1)
    figures.record(f"{name}: bytes", one[1] / many[1], of=of, at_most=0.1)
