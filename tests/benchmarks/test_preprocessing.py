"""Preprocessing: images per second next to a loop that only decodes and resizes, and its memory."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.task_options import Preprocessing
from mml_lib.images.packing import pack
from mml_lib.images.transforms import resolve
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from tests.support.benchmark_figures import Figures
from tests.support.timing import median_ratio, take_turns

COUNT, HEIGHT, WIDTH, SIZE = 2000, 768, 1024, 224
CORES = len(os.sched_getaffinity(0))

PEAK = """
import re, sys
from pathlib import Path
from threading import Event, Thread
from mml_lib.images.packing import pack
from mml_lib.tasks.dataset import Dataset

def megabytes(kind: str) -> float:
    return int(re.search(rf"{kind}:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def watch() -> None:
    while not done.wait(0.01):
        peak.append(megabytes("VmRSS"))

dataset = Dataset.read(sys.argv[1])
before, peak, done = megabytes("VmRSS"), [0.0], Event()
watcher = Thread(target=watch)
watcher.start()
pack(dataset, range(int(sys.argv[2])), [{"name": "resize", "size": [224, 224]}], sys.argv[3], threads=int(sys.argv[4]))
done.set()
watcher.join()
print(max(peak) - before)
"""


def photo(rng: np.random.Generator) -> bytes:
    """Return a JPEG with coarse and fine structure, of about 150 KB as photos of this size are."""
    image = np.full((HEIGHT, WIDTH, 3), 128.0)
    for step in (4, 16, 64, 256):
        shades = rng.normal(0, step**0.5 * 3, (HEIGHT // step, WIDTH // step, 3))
        image += shades.repeat(step, axis=0).repeat(step, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A data set of JPEGs; a hundred different ones, each in many files."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    contents = [photo(rng) for _ in range(100)]
    for number in range(COUNT):
        (folder / f"{number}.jpg").write_bytes(contents[number % 100])
    samples = [Sample(str(number), f"{number}.jpg", "ab"[number % 2]) for number in range(COUNT)]
    dataset = Dataset("DSET_photos", Delivery(samples, ["a", "b"]), [(HEIGHT, WIDTH)] * COUNT, folder)
    dataset.write(folder / "dataset.json")
    return dataset


def shrink(files: Sequence[Path]) -> int:
    """Decode, with the strongest draft scaling that the size allows, and resize: nothing else."""
    for file in files:
        with Image.open(file) as image:
            image.draft("RGB", (SIZE, SIZE))
            np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    return len(files)


def bare(pool: Executor, files: list[Path]) -> None:
    assert sum(pool.map(shrink, [files[start : start + 16] for start in range(0, len(files), 16)])) == len(files)


@pytest.mark.benchmark
def test_packing_reaches_at_least_0_8_of_a_loop_that_only_decodes_and_resizes(
    photos: Dataset, tmp_path: Path, figures: Figures
):
    transforms = resolve(Preprocessing(size=SIZE))
    files = [photos.image_path(row) for row in range(COUNT)]
    with ThreadPoolExecutor(CORES) as threads, ProcessPoolExecutor(CORES, get_context("forkserver")) as processes:
        work = {
            "pack": lambda: pack(photos, range(COUNT), transforms, mkdtemp(dir=tmp_path), CORES),
            "threads": lambda: bare(threads, files),
            "processes": lambda: bare(processes, files),
        }
        seconds = take_turns(work, 5, time.perf_counter)
    for pool in ("threads", "processes"):
        ratio = median_ratio(seconds["pack"], seconds[pool])
        name = f"packing 2,000 JPEG of 1024×768, to {pool}"
        figures.record(name, ratio, of=f"a bare loop in {pool}", by="clock", at_most=1.25)


def peak_megabytes(manifest: Path, count: int, folder: Path) -> float:
    """Return by how much the memory of a process grows while it packs, shared pages included."""
    arguments = [str(manifest), str(count), str(folder), str(CORES)]
    done = subprocess.run([sys.executable, "-c", PEAK, *arguments], check=True, capture_output=True, text=True)
    return float(done.stdout)


@pytest.mark.benchmark
def test_memory_of_packing_does_not_grow_with_the_number_of_images(photos: Dataset, tmp_path: Path, figures: Figures):
    manifest = photos.folder / "dataset.json"
    peaks = {count: peak_megabytes(manifest, count, tmp_path / str(count)) for count in (COUNT // 8, COUNT // 2, COUNT)}
    arrays = COUNT * SIZE * SIZE * 3 / 2**20
    for count, peak in peaks.items():
        limit = peaks[COUNT // 8] + 0.05 * arrays if count == COUNT else None
        figures.record(f"memory of packing {count:,} images", peak, "MB", of=f"{arrays:.0f} of all", at_most=limit)
