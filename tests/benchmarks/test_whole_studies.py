"""Whole studies as commands, next to bare loops as commands: the demo study, and packing 2,000 JPEGs."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.support.benchmark_figures import Figures
from tests.support.places import REPOSITORY
from tests.support.timing import median_ratio, run_measured

pytestmark = pytest.mark.benchmark

Seconds = tuple[float, float]
"""Of all processors, and by the clock."""

COUNT, FEW, SIDE, ROUNDS = 2000, 20, 512, 2
LOOPS = ("pillow", "cv2")


def study(folder: Path, target: str, *files: str, **changes: Any) -> Seconds:
    """Run a target of a study in a new folder; return seconds of processors and by the clock."""
    folder.mkdir()
    (folder / "study.yaml").write_text(yaml.safe_dump({"project": "measured"} | changes))
    command = [sys.executable, "-m", "snakemake", target, "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "2"]
    roots = {"MML_DATA_PATH": str(folder / "data"), "MML_RESULTS_PATH": str(folder / "results")}
    return run_measured([*command, "--configfile", *files, "study.yaml"], folder, roots)


def bare(work: str, folder: Path, **environment: str) -> Seconds:
    """Run a bare loop; return seconds of processors and by the clock."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.bare_loops", work, str(folder)]
    return run_measured(command, folder, {"PYTHONPATH": str(REPOSITORY)} | environment)


def compare(
    figures: Figures, name: str, of: str, ours: list[Seconds], other: list[Seconds], by: str, limit: float | None
) -> None:
    """Record the ratio of processor time, or of time by the clock."""
    place = ("processor", "clock").index(by)
    ratio = median_ratio([pair[place] for pair in ours], [pair[place] for pair in other])
    figures.record(f"{name}, {by}", ratio, of=of, by=by, at_most=limit)


def test_demo_study_next_to_a_bare_loop_with_its_epochs(tmp_path: Path, figures: Figures):
    """Threads that wait for each other compute nothing, so that processor time is compared with that of one thread."""
    demo = str(REPOSITORY / "config/config.yaml")
    parts = {"whole": {}, "networks": {"mode": {"preset": "train", "subroutines": ["train", "predict", "test"]}}}
    threads = {"a bare PyTorch loop": {}, "a bare PyTorch loop of one thread": {"OMP_NUM_THREADS": "1"}}
    seconds: dict[str, list[Seconds]] = {name: [] for name in (*parts, *threads)}
    for number in range(ROUNDS):
        for name, changes in parts.items():
            seconds[name].append(study(tmp_path / f"{name}{number}", "all", demo, **changes))
        for name, environment in threads.items():
            seconds[name].append(bare("digits", tmp_path / "bare", **environment))
    clock, processor = threads
    for name, limit in (("networks", 1.8), ("whole", 2.4)):
        compare(figures, f"demo study, {name}", processor, seconds[name], seconds[processor], "processor", limit)
        compare(figures, f"demo study, {name}", clock, seconds[name], seconds[clock], "clock", limit)
    accuracies = [float(value) for value in (tmp_path / "bare/accuracy.txt").read_text().split()]
    assert np.mean(accuracies) > 0.9


def test_packing_2000_jpegs_next_to_bare_loops(tmp_path: Path, figures: Figures):
    """Images of two classes; the first few of them alone show how much of the time is start-up."""
    rng, parts = np.random.default_rng(0), {"all": COUNT, "few": FEW}
    for number in range(COUNT):
        noise = (rng.normal(0, 3 * step**0.5, (SIDE // step, SIDE // step, 3)) for step in (4, 16, 64, 256))
        pixels = sum((shades.repeat(SIDE // len(shades), 0).repeat(SIDE // len(shades), 1) for shades in noise), 128)
        for part in (part for part, count in parts.items() if number < count):
            path = tmp_path / part / f"images/{'ab'[number % 2]}/{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    seconds: dict[tuple[str, str], list[Seconds]] = {(who, part): [] for who in ("ours", *LOOPS) for part in parts}
    for number in range(ROUNDS):
        for part in parts:
            tasks = {"photos": {"creator": "image_folder", "path": str(tmp_path / part / "images")}}
            seconds["ours", part].append(study(tmp_path / f"{part}{number}", "pp", tasks=tasks))
            for loop in LOOPS:
                seconds[loop, part].append(bare(loop, tmp_path / part))
    further = {
        who: [
            (whole[0] - few[0], whole[1] - few[1])
            for whole, few in zip(*(seconds[who, part] for part in parts), strict=True)
        ]
        for who in ("ours", *LOOPS)
    }
    for loop in LOOPS:
        name, of = f"packing 2,000 JPEG of 512×512, {loop}", f"a bare loop by {loop}"
        compare(figures, name, of, seconds["ours", "all"], seconds[loop, "all"], "clock", None)
        compare(figures, name, of, seconds["ours", "all"], seconds[loop, "all"], "processor", 2.5)
        compare(figures, f"{name}, without start-up", of, further["ours"], further[loop], "processor", 1.9)
