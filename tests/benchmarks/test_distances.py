"""Distances of 20 tasks with 10,000 × 512 features each: seconds of each measure."""

import resource
import time
from itertools import combinations, permutations

import numpy as np
import pytest

from mml_lib.distances import MEASURES, TaskData

TASKS, SAMPLES, WIDTH, CLASSES, TIMED = 20, 10_000, 512, 10, 3
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
def test_seconds_of_all_distances(name: str, options: dict, capsys: pytest.CaptureFixture[str]):
    measure = MEASURES[name]
    read = measure.read_options(options)
    tasks = [task(seed) for seed in range(TIMED)]
    measure.between(*(measure.summary(data, read) for data in tasks[:2]), read)  # imports
    started = time.perf_counter()
    summaries = [measure.summary(data, read) for data in tasks]
    summarised = (time.perf_counter() - started) / TIMED
    started = time.perf_counter()
    pairs = list(combinations(summaries, 2))
    for source, target in pairs:
        measure.between(source, target, read)
    compared = (time.perf_counter() - started) / len(pairs)
    ordered = combinations if measure.symmetric else permutations
    number = len(list(ordered(range(TASKS), 2)))
    seconds = TASKS * summarised + number * compared
    with capsys.disabled():
        print(
            f"\n{name} {options or ''}: {summarised:.3f} s a task and {compared:.3f} s a pair; {seconds:.0f} s for "
            f"{TASKS} tasks, {number} pairs; each pair alone {number * (2 * summarised + compared):.0f} s; peak "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB"
        )
    assert seconds < 900
