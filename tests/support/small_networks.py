"""Tested networks without a training: predictions that see their targets more or less well."""

import numpy as np

from mml_lib.evaluation.comparisons.tested import TestedNetwork
from mml_lib.evaluation.evaluation import evaluate_resampled
from mml_lib.predictions.predictions import Predictions
from mml_lib.tasks.curves import Point

NUMBER = 120
TARGETS = np.arange(NUMBER) % 3


def network_of(
    strength: float = 1.0,
    seed: int = 0,
    task: str = "t",
    procedures: tuple[str, ...] = ("plain",),
    run: str = "r0",
    fold: int = 0,
    metrics: tuple[str, ...] = ("accuracy", "log_loss"),
    trained: int = 100,
    resamples: int = 100,
    value: float | None = None,
    subset: int = 0,
) -> TestedNetwork:
    """Return a network that sees its targets with a strength, in noise of its seed."""
    ids = np.array([f"{task.split('+')[0]}{number:03}" for number in range(NUMBER)])
    noise = np.random.default_rng(seed).normal(size=(NUMBER, 3))
    predictions = Predictions((strength * np.eye(3)[TARGETS] + noise).astype("f"), TARGETS, ids)
    resampled = evaluate_resampled(predictions, metrics, resamples)
    return TestedNetwork(task, procedures, run, fold, "test", resampled, NUMBER, trained, Point(task, value, subset))
