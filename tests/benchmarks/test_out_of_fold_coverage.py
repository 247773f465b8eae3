"""Coverage of the intervals of pooled out-of-fold results, in simulation."""

import itertools

import numpy as np
import pytest

from mml_lib.evaluation.evaluation import network_estimates
from mml_lib.evaluation.out_of_fold import evaluate_out_of_fold
from mml_lib.predictions.predictions import Predictions
from tests.support.benchmark_figures import Figures


@pytest.mark.benchmark
def test_out_of_fold_intervals_hold_the_expected_accuracy(figures: Figures):
    """Accuracy 0.8 in expectation, networks that differ by 0, 0.02 or 0.05, 5 or 10 folds."""
    rng, held = np.random.default_rng(0), {}
    for number, folds, spread in itertools.product((50, 200, 1000), (5, 10), (0, 0.02, 0.05)):
        hits = 0
        for study in range(200):
            predictions = {}
            for fold in range(folds):
                accuracy = np.clip(0.8 + rng.normal(0, spread), 0, 1)
                targets = rng.integers(0, 2, number // folds)
                labels = np.where(rng.random(len(targets)) < accuracy, targets, 1 - targets)
                ids = np.array([f"{study}-{fold}-{row}" for row in range(len(targets))])
                predictions[fold] = Predictions(np.eye(2, dtype="f")[labels], targets, ids)
            interval = network_estimates(evaluate_out_of_fold(predictions, ["accuracy"], 200))["accuracy"]
            hits += interval.low <= 0.8 <= interval.high
        held[number, folds, spread] = hits / 200
    shares = list(held.values())
    figures.record("coverage of out-of-fold accuracy, mean of settings", float(np.mean(shares)), at_least=0.94)
    figures.record("coverage of out-of-fold accuracy, lowest", min(shares), at_least=0.91)
