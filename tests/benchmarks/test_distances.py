"""Distances of 20 tasks with 10,000 × 512 features each: seconds of each measure."""

import time
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mml_lib.distances import MEASURES, TaskData
from tests.support.benchmark_figures import Figures

TASKS, SAMPLES, WIDTH, CLASSES, TIMED = 20, 10_000, 512, 10, 2
MEASURED = [
    ("semantic", {}),
    ("kld", {}),
    ("emd", {}),
    ("emd", {"method": "binned"}),
    ("emd", {"method": "sinkhorn"}),
    ("fid", {}),
    ("fid", {"correct_bias": True}),
    ("mmd", {"kernel": "cauchy"}),
    ("mmd", {"kernel": "gaussian"}),
    ("mmd", {"kernel": "energy"}),
    ("mmd", {"samples": 2000}),
    ("fed", {}),
    ("logme", {}),
    ("leep", {}),
    ("hscore", {}),
    ("hscore", {"shrinkage": True}),
    ("knn", {}),
]


def task(seed: int) -> TaskData:
    """Return a task with features as a rectified layer gives them, a few informative ones."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, SAMPLES)
    centres = rng.normal(0, 1, (CLASSES, WIDTH)).astype("f")
    features = np.maximum(rng.standard_normal((SAMPLES, WIDTH), dtype="f") + centres[labels], 0)
    probabilities = rng.dirichlet(np.ones(CLASSES), SAMPLES)
    return TaskData(
        f"task{seed}", ["a", str(seed)], features, "", probabilities, labels, None, rng.exponential(1, 5_000)
    )


@pytest.mark.benchmark
@pytest.mark.parametrize(("name", "options"), MEASURED, ids=str)
def test_seconds_of_all_distances(name: str, options: dict, figures: Figures):
    measure = MEASURES[name]
    read = measure.read_options(options)
    small = [replace(task(seed), features=task(seed).features[:600, :4], labels=None) for seed in range(2)]
    if not measure.of_source_networks:  # imports
        measure.compare(*small, read)
    tasks = [task(seed) for seed in range(TIMED)]
    with threadpool_limits(1, "blas"):  # as the step computes pairs, several at a time
        started = time.process_time()
        summaries = [measure.summary(data, read) for data in tasks]
        summarised = (time.process_time() - started) / TIMED
        pairs = list(combinations(summaries, 2))
        started = time.process_time()
        for source, target in pairs:
            measure.between(source, target, read)
        compared = (time.process_time() - started) / len(pairs)
    ordered = combinations if measure.symmetric else permutations
    number = len(list(ordered(range(TASKS), 2)))
    words = " ".join([name, *map(str, options.values())])
    seconds = TASKS * summarised + number * compared
    figures.record(f"distances by {words}: 20 tasks", seconds, "s", by="processor", at_most=3600)
