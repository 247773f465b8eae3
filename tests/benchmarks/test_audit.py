"""Audit of 50,000 images with 512 features: under two minutes on two cores, and 4 GB, beside the extraction."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from mml_lib.audit.audit_tables import duplicate_table, label_tables, outlier_table
from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.image_measures import ImageMeasures
from mml_lib.audit.linear_probe import predict_task
from mml_lib.audit.near_duplicates import find_near_duplicates
from mml_lib.audit.neighbours import nearest_neighbours, scaled
from mml_lib.audit.sample_map import map_table
from mml_lib.audit.task_shortcuts import task_shortcuts
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.targets import Targets
from tests.support.benchmark_figures import Figures

COUNT, FEATURES, CLASSES, THREADS = 50_000, 512, 10, 2


@pytest.fixture
def audited() -> SimpleNamespace:
    """A task of classes that overlap, a tenth of its labels wrong, with thumbnails of smooth noise."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, CLASSES, COUNT)
    wrong = rng.random(COUNT) < 0.1
    labels = np.where(wrong, (truth + rng.integers(1, CLASSES, COUNT)) % CLASSES, truth)
    centres = rng.normal(size=(CLASSES, FEATURES)).astype(np.float32) * 0.2
    values = centres[truth] + rng.normal(size=(COUNT, FEATURES)).astype(np.float32)
    coarse = rng.integers(0, 256, (COUNT, 8, 8), dtype=np.uint8)
    ids = np.array([f"{number:05d}" for number in range(COUNT)])
    names = [str(number) for number in range(CLASSES)]
    samples = [Sample(id_, "image.png", names[label]) for id_, label in zip(ids, labels, strict=True)]
    dataset = Dataset("d", Delivery(samples, names), [(224, 224)] * COUNT, None)
    fold = np.where(np.arange(COUNT) % 5 == 4, -1, np.arange(COUNT) % 4)
    split = np.where(fold < 0, "test", "train")
    assignment = Assignment(split.tolist(), fold.tolist(), 4)
    task = TaskDescription.of({"name": "t", "id": "0a1b2c3d"}, dataset, Targets.of(dataset, None, "t"), assignment)
    flat = {name: rng.random(COUNT) for name in ("bright_end", "contrast", "saturated", "sharpness")}
    thumbnails = coarse.repeat(4, axis=1).repeat(4, axis=2)
    measures = ImageMeasures(ids=ids, thumbnails=thumbnails, border=rng.random((COUNT, 8)), **flat)
    site = dict(zip(ids.tolist(), rng.choice(["north", "south"], COUNT).tolist(), strict=True))
    return SimpleNamespace(
        task=AuditedTask(task), dataset=dataset, values=values, measures=measures, wrong=wrong, columns={"site": site}
    )


@pytest.mark.benchmark
def test_audit_of_50_000_images(audited: SimpleNamespace, figures: Figures):
    task, values, measures = audited.task, audited.values, audited.measures
    seconds: dict[str, float] = {}
    part = _timed(seconds)
    with part("neighbours"):
        neighbours = nearest_neighbours(scaled(values), 10, THREADS)
    with part("duplicates"):
        duplicate_table(task, find_near_duplicates(measures.thumbnails, neighbours, threads=THREADS))
    with part("outliers"):
        outlier_table(task, neighbours)
    with part("probe"):
        predictions = predict_task(task.task, values, THREADS)
    with part("labels"):
        labels, _, _ = label_tables(task, task.probabilities([predictions]))
    with part("shortcuts"):
        task_shortcuts(task, audited.dataset, measures, values, audited.columns, THREADS)
    with part("map of 10,000"):
        map_table(task, values, [predictions], "tsne", 10_000, THREADS)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    for name, computed in seconds.items():
        figures.record(f"audit of 50,000 images: {name}", computed, "s", by="processor")
    figures.record("audit of 50,000 images: precision of labels", audited.wrong[labels["id"].astype(int)].mean())
    figures.record("audit of 50,000 images: all", sum(seconds.values()), "s", by="processor", at_most=120 * THREADS)
    figures.record("audit of 50,000 images: memory", memory, "GB", at_most=4)


def _timed(seconds: dict[str, float]) -> Callable[[str], object]:
    @contextmanager
    def part(name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        seconds[name] = time.process_time() - started

    return part
