"""What is measured: the demo study, and packed tasks of any size, without going through image files."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mml_lib.images.packing import IMAGES, MOMENTS
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.struct import TaskStruct
from mml_lib.tasks.targets import Targets
from tests.workflow.conftest import REPOSITORY


def demo(folder: Path, cores: int, *arguments: str, **changes: Any) -> float:
    """Run the demo study, and return the seconds that it took."""
    (folder / "study.yaml").write_text(yaml.safe_dump({"project": "measured"} | changes))
    files = [str(REPOSITORY / "config/config.yaml"), "study.yaml"]
    command = [sys.executable, "-m", "snakemake", *arguments, "--snakefile", str(REPOSITORY / "Snakefile")]
    roots = {"MML_DATA_PATH": str(folder / "data"), "MML_RESULTS_PATH": str(folder / "results")}
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--cores", str(cores), "--configfile", *files],
        cwd=folder,
        env=os.environ | roots,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - started


@pytest.fixture
def packed(tmp_path: Path) -> Callable[[int, int], TaskStruct]:
    """Return a function that packs random images of two classes, a fifth of them in fold 1."""

    def build(count: int, size: int) -> TaskStruct:
        rng = np.random.default_rng(0)
        paths = {"description": "random.json", "dataset": "dataset.json", "packed": "packed"}
        paths = {key: tmp_path / name for key, name in paths.items()}
        paths["packed"].mkdir()
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
