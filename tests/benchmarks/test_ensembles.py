"""Ensembles: selection over 200 predictions of 10,000 samples; the vote of 50 members on 2,000 samples."""

import time
import tracemalloc

import numpy as np
import pytest

from mml_lib.evaluation.ensembles.ensemble_selection import select_ensemble
from mml_lib.evaluation.ensembles.ensemble_storage import Member
from mml_lib.evaluation.ensembles.options import EnsembleOptions
from mml_lib.predictions.predictions import Predictions
from tests.support.benchmark_figures import Figures

CLASSES = 10


def members(number: int, samples: int) -> list[Predictions]:
    """Return predictions of networks of different skill, which share what is hard about the samples."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, CLASSES, samples)
    ids = np.array([f"s{row}" for row in range(samples)])
    shared = 1.5 * rng.normal(size=(samples, CLASSES)) + 3 * np.eye(CLASSES)[targets]
    return [
        Predictions(((1 + 0.2 * rng.normal()) * shared + rng.normal(size=shared.shape)).astype("f"), targets, ids)
        for _ in range(number)
    ]


def names(number: int) -> list[Member]:
    return [Member("digits", f"{row:08x}", fold=0) for row in range(number)]


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("strategy", "metric"),
    [
        *((strategy, None) for strategy in ("budget", "greedy", "mean", "best")),
        *((strategy, "balanced_accuracy") for strategy in ("budget", "greedy")),
        ("budget", "auroc"),
    ],
)
def test_selection_of_200_members_takes_less_than_five_seconds(figures: Figures, strategy: str, metric: str | None):
    outputs, options = members(200, 10_000), EnsembleOptions(strategy=strategy, metric=metric, budget=1000)
    seconds = []
    for _ in range(3):
        started = time.process_time()
        ensemble = select_ensemble("digits", names(200), outputs, options)
        seconds.append(time.process_time() - started)
    tracemalloc.start()
    select_ensemble("digits", names(200), outputs, options)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    name = f"ensemble of 200, {strategy} by {ensemble.metric}"
    figures.record(f"{name}: assessed value", ensemble.assessed_value)
    figures.record(f"{name}: memory beside predictions", peak, "MiB")
    figures.record(f"{name}: selected", min(seconds), "s", by="processor", at_most=5)


@pytest.mark.benchmark
@pytest.mark.parametrize("size", [3, 5])
def test_vote_of_50_members_is_bounded_within_its_time(figures: Figures, size: int):
    outputs = members(50, 4000)
    options = EnsembleOptions(strategy="program", max_ensemble_size=size, time_limit=10)
    started = time.perf_counter()
    ensemble = select_ensemble("digits", names(50), outputs, options)
    seconds = time.perf_counter() - started
    alone = select_ensemble("digits", names(50), outputs, EnsembleOptions(strategy="best", metric="accuracy"))
    figures.record(f"ensemble, best {size} of 50", seconds, "s", by="clock", at_most=15)
    gain = ensemble.assessed_value - alone.assessed_value
    figures.record(f"ensemble, best {size} of 50: gain of accuracy", gain, of="the best member")
    assert ensemble.selection_value == pytest.approx(ensemble.proof["value"])
    assert ensemble.selection_value > alone.selection_value
    assert size == 5 or ensemble.proof["optimal"]
