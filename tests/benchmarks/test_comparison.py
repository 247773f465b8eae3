"""Comparison: resamples of all metrics of a classification, and a leaderboard of twelve runs; in processor time."""

import time

import numpy as np
import pytest

from mml_lib.config.metric_options import NAMED
from mml_lib.evaluation.comparisons.leaderboard import leaderboard, standings
from mml_lib.evaluation.run_comparison import compare, resample_runs
from mml_lib.predictions.predictions import Predictions
from tests.support.benchmark_figures import Figures

NUMBER, CLASSES = 10_000, 10
METRICS = NAMED["classification"]
TARGETS = np.random.default_rng(0).integers(0, CLASSES, NUMBER)


def predictions(seed: int) -> Predictions:
    noise = np.random.default_rng(seed).normal(size=(NUMBER, CLASSES))
    logits = (2 + seed / 50) * np.eye(CLASSES)[TARGETS] + noise
    return Predictions(logits.astype("f"), TARGETS, np.arange(NUMBER).astype(str))


@pytest.mark.benchmark
def test_eight_metrics_of_a_classification_take_less_than_5_seconds(figures: Figures):
    networks = {"run": {0: predictions(0)}}
    started = time.process_time()
    resample_runs(networks, METRICS, 1000)
    seconds = time.process_time() - started
    assert len(METRICS) >= 8
    name = f"comparison: resamples of {len(METRICS)} metrics of one network"
    figures.record(name, seconds, "s", by="processor", at_most=5)


@pytest.mark.benchmark
def test_twelve_runs_of_five_folds_are_compared_within_half_a_minute(figures: Figures):
    runs = {f"run{number:02}": {fold: predictions(10 * number + fold) for fold in range(5)} for number in range(12)}
    procedures = {f"procedure{number}": [f"run{3 * number + seed:02}" for seed in range(3)] for number in range(4)}
    started = time.process_time()
    resamples = resample_runs(runs, METRICS, 1000, procedures=procedures)
    drawn = time.process_time() - started
    started = time.process_time()
    board = leaderboard(standings(resamples), "accuracy")
    pairs = len(compare(resamples))
    compared = time.process_time() - started
    assert board["procedure"].iloc[0] == "procedure3"
    figures.record("comparison of 12 runs × 5 folds: resamples", drawn, "s", by="processor")
    figures.record(f"comparison of 12 runs × 5 folds: {pairs} differences", compared, "s", by="processor")
    figures.record("comparison of 12 runs × 5 folds", drawn + compared, "s", by="processor", at_most=30)
