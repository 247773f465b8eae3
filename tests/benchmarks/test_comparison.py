"""Comparison: resamples of all metrics of a classification, and a leaderboard of ten runs with all its pairs."""

import time

import numpy as np
import pytest

from mml_lib.config.metrics import NAMED
from mml_lib.postprocessing.comparison import compare, resample_runs
from mml_lib.postprocessing.leaderboard import leaderboard, standings
from mml_lib.postprocessing.predictions import Predictions

NUMBER, CLASSES, RUNS = 10_000, 10, 10
METRICS = NAMED["classification"]
TARGETS = np.random.default_rng(0).integers(0, CLASSES, NUMBER)


def predictions(seed: int) -> Predictions:
    noise = np.random.default_rng(seed).normal(size=(NUMBER, CLASSES))
    logits = (2 + seed / 50) * np.eye(CLASSES)[TARGETS] + noise
    return Predictions(logits.astype("f"), TARGETS, np.arange(NUMBER).astype(str))


@pytest.mark.benchmark
def test_eight_metrics_of_a_classification_take_less_than_5_seconds(capsys):
    given = {"run": {0: predictions(0)}}
    started = time.perf_counter()
    resample_runs(given, METRICS, 1000)
    seconds = time.perf_counter() - started
    with capsys.disabled():
        print(f"\nbootstrap of {', '.join(METRICS)}, 1,000 × {NUMBER:,}: {seconds:.2f} s")
    assert len(METRICS) >= 8
    assert seconds < 5


@pytest.mark.benchmark
def test_ten_runs_are_compared_within_a_minute(capsys):
    runs = {f"run{number}": {0: predictions(number)} for number in range(RUNS)}
    started = time.perf_counter()
    board = leaderboard(standings(resample_runs(runs, METRICS, 1000)), "accuracy")
    best = time.perf_counter() - started
    started = time.perf_counter()
    resamples = resample_runs(runs, METRICS, pairs=True)
    table = compare(resamples)
    pairs = time.perf_counter() - started
    with capsys.disabled():
        print(
            f"\n{RUNS} runs, {len(METRICS)} metrics, {NUMBER:,} samples: leaderboard of 1,000 resamples {best:.1f} s, "
            f"all {len(table) // len(METRICS)} pairs of {resamples.draws['run0'].shape[1]:,} resamples {pairs:.1f} s"
        )
    assert board["run"].iloc[0] == "run9"
    assert best < 50
    assert pairs < 60
