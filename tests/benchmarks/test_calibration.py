"""Calibration: 100,000 × 10 logits, by each method, next to the truth that miscalibrated predictions were made from."""

import time
from dataclasses import replace

import numpy as np
import pytest

from mml_lib.evaluation.calibration.calibration_methods import calibrate_predictions, log_softmax
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.predictions.predictions import Predictions
from tests.support.benchmark_figures import Figures

NUMBER, CLASSES = 100_000, 10


def miscalibrated(kind: str) -> tuple[Predictions, Predictions]:
    """Return overconfident predictions, and what they should be, by which targets are drawn."""
    rng = np.random.default_rng(0)
    scale, bias = rng.uniform(0.3, 0.8, CLASSES), rng.normal(0, 0.7, CLASSES)
    logits = 3 * rng.normal(size=(NUMBER, CLASSES))
    if kind == "classification":
        truth = log_softmax(log_softmax(logits) * scale + bias)
        targets = (np.exp(truth).cumsum(axis=1)[:, :-1] < rng.random((NUMBER, 1))).sum(axis=1)
    else:
        truth = logits * scale + bias
        targets = (rng.random(truth.shape) < 1 / (1 + np.exp(-truth))).astype("f")
    truth_predictions = Predictions(truth.astype("f"), targets, np.arange(NUMBER), kind)
    return replace(truth_predictions, logits=logits.astype("f")), truth_predictions


@pytest.mark.benchmark
@pytest.mark.parametrize("kind", ["classification", "multilabel_classification"])
def test_100000_by_10_logits_are_calibrated_in_less_than_2_seconds(kind: str, figures: Figures):
    val, exact = miscalibrated(kind)
    uncalibrated, truth = (evaluate(part, ["log_loss"])["log_loss"] for part in (val, exact))
    for method in ("temperature", "affine", "auto"):
        started = time.perf_counter()
        calibrated = calibrate_predictions(val, {"test": val}, method)[1]["test"]
        seconds = time.perf_counter() - started
        loss = evaluate(calibrated, ["log_loss"])["log_loss"]
        name = f"calibration of 100,000 × 10 logits, {kind}, {method}"
        figures.record(f"{name}: log loss", loss / truth, of="the true probabilities")
        figures.record(name, seconds, "s", by="clock", at_most=2)
        assert loss < uncalibrated
        if method != "temperature":
            assert loss == pytest.approx(truth, rel=0.02)
