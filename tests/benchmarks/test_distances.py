"""Distances of 20 tasks with 10,000 × 512 features each: seconds of each measure."""

import resource
import time
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mml_lib.distances import MEASURES, TaskData

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


class Clock:
    """Seconds of work, and of all processors for it."""

    def __init__(self) -> None:
        self.started = time.perf_counter(), time.process_time()

    def read(self, number: int) -> np.ndarray:
        """Return both for one of a number of pieces of work."""
        now = time.perf_counter(), time.process_time()
        return (np.array(now) - self.started) / number


@pytest.mark.benchmark
@pytest.mark.parametrize(("name", "options"), MEASURED, ids=str)
def test_seconds_of_all_distances(name: str, options: dict, capsys: pytest.CaptureFixture[str]):
    measure = MEASURES[name]
    read = measure.read_options(options)
    small = [replace(task(seed), features=task(seed).features[:600, :4], labels=None) for seed in range(2)]
    if not measure.of_source_networks:  # imports
        measure.compare(*small, read)
    tasks = [task(seed) for seed in range(TIMED)]
    with threadpool_limits(1, "blas"):  # as the step computes pairs, several at a time
        clock = Clock()
        summaries = [measure.summary(data, read) for data in tasks]
        summarised = clock.read(TIMED)
        clock, pairs = Clock(), list(combinations(summaries, 2))
        for source, target in pairs:
            measure.between(source, target, read)
        compared = clock.read(len(pairs))
    ordered = combinations if measure.symmetric else permutations
    number = len(list(ordered(range(TASKS), 2)))
    seconds, cpu_seconds = TASKS * summarised + number * compared
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    with capsys.disabled():
        print(
            f"\n{name} {options or ''}: {summarised[0]:.2f} s a task and {compared[0]:.2f} s a pair; {TASKS} tasks, "
            f"{number} pairs: {seconds:.0f} s by one thread ({cpu_seconds:.0f} s of processors); peak {peak:.1f} GB"
        )
    assert cpu_seconds < 3600
