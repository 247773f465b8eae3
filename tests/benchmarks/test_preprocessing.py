"""Preprocessing: images per second next to a loop that only decodes and resizes, and its memory."""

import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.task_options import Preprocessing
from mml_lib.images.packing import pack
from mml_lib.images.transforms import resolve
from mml_lib.tasks.dataset import Dataset, Delivery, Sample

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


def rate(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return COUNT / (time.perf_counter() - started)


@pytest.mark.benchmark
def test_packing_reaches_at_least_0_8_of_a_loop_that_only_decodes_and_resizes(photos: Dataset, tmp_path: Path, capsys):
    transforms = resolve(Preprocessing(size=SIZE))
    files = [photos.image_path(row) for row in range(COUNT)]
    rates: dict[str, list[float]] = {"pack": [], "threads": [], "processes": []}
    with ThreadPoolExecutor(CORES) as threads, ProcessPoolExecutor(CORES, get_context("forkserver")) as processes:
        for pool in (threads, processes):  # started, and the files in the page cache
            bare(pool, files[:200])
        for repetition in range(5):
            folder = str(tmp_path / str(repetition))
            rates["pack"].append(rate(lambda to=folder: pack(photos, range(COUNT), transforms, to, CORES)))
            rates["threads"].append(rate(lambda: bare(threads, files)))
            rates["processes"].append(rate(lambda: bare(processes, files)))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    faster = max(("threads", "processes"), key=medians.get)
    ratios = [ours / theirs for ours, theirs in zip(rates["pack"], rates[faster], strict=True)]
    with capsys.disabled():
        print(
            f"\npacking {COUNT} JPEGs of {WIDTH}×{HEIGHT} to {SIZE}×{SIZE} on {CORES} cores: {medians['pack']:.0f} "
            f"images/s, a bare loop {medians['threads']:.0f} in threads, {medians['processes']:.0f} in processes; "
            f"ratio to {faster} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    assert statistics.median(ratios) >= 0.8


def peak_megabytes(manifest: Path, count: int, folder: Path) -> float:
    """Return by how much the memory of a process grows while it packs, shared pages included."""
    arguments = [str(manifest), str(count), str(folder), str(CORES)]
    done = subprocess.run([sys.executable, "-c", PEAK, *arguments], check=True, capture_output=True, text=True)
    return float(done.stdout)


@pytest.mark.benchmark
def test_memory_of_packing_does_not_grow_with_the_number_of_images(photos: Dataset, tmp_path: Path, capsys):
    manifest = photos.folder / "dataset.json"
    peaks = {count: peak_megabytes(manifest, count, tmp_path / str(count)) for count in (COUNT // 8, COUNT // 2, COUNT)}
    arrays = COUNT * SIZE * SIZE * 3 / 2**20
    with capsys.disabled():
        memory = ", ".join(f"{peak:.0f} MB for {count}" for count, peak in peaks.items())
        print(f"\nmemory of packing, above what it began with: {memory} images; the array of all is {arrays:.0f} MB")
    assert peaks[COUNT] <= peaks[COUNT // 8] + 0.05 * arrays
