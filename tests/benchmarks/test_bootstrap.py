"""Bootstrap: 1,000 resamples of 10,000 predictions, next to a loop that scores each resample."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from mml_lib.config.metric_options import NAMED
from mml_lib.evaluation.bootstrap import draw, resampled
from mml_lib.metrics import find_metric
from mml_lib.metrics.shares import Counts
from mml_lib.predictions.scores import score, score_arguments
from mml_lib.task_types import LEARNABLE
from tests.support.benchmark_figures import Figures

NUMBER, RESAMPLES, CLASSES, LOOPED = 10_000, 1000, 10, 50
PROMISED = ["accuracy", "f1", "auroc", "calibration_error"]
FURTHER = ["precision", "recall", "specificity", "matthews", "quadratic_kappa", "brier", "log_loss", "top3_accuracy"]
Arguments = tuple[np.ndarray, ...]


def predictions(kind: str) -> Arguments:
    """Return outputs and targets to resample: 10 classes or labels, better than chance."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(NUMBER, CLASSES)).astype("f")
    if kind == "classification":
        targets = rng.integers(0, CLASSES, NUMBER)
        return score_arguments(kind, 2 * np.eye(CLASSES, dtype="f")[targets] + noise, targets)
    if kind == "multilabel_classification":
        labels = (rng.random((NUMBER, CLASSES)) < 0.2).astype("f")
        return score_arguments(kind, 2 * labels - 1 + noise, labels)
    if kind == "regression":
        return score_arguments(kind, noise[:, :1], noise[:, 0] + noise[:, 1])
    matrices = rng.integers(0, 500, (NUMBER, CLASSES, CLASSES))
    return Counts(matrices.diagonal(axis1=1, axis2=2), matrices.sum(axis=2), matrices.sum(axis=1))


def best(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(3):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)


@pytest.mark.benchmark
def test_four_metrics_of_a_classification_take_less_than_a_second(figures: Figures):
    outputs = predictions("classification")
    weights = next(draw(NUMBER, RESAMPLES, seed=0))[:, :LOOPED]
    values: dict[str, list[float]] = {name: [] for name in PROMISED}

    def loop() -> None:
        for column in weights.T:
            rows = np.repeat(np.arange(NUMBER), column)
            drawn = [array[rows] for array in outputs]
            for name in PROMISED:
                values[name].append(score("classification", name, *drawn))

    looped = best(loop) / LOOPED * RESAMPLES
    seconds = best(lambda: resampled("classification", PROMISED, outputs, RESAMPLES))
    resampled_values = resampled("classification", PROMISED, outputs, RESAMPLES)
    for name in PROMISED:
        assert resampled_values[name][:LOOPED] == pytest.approx(values[name][:LOOPED], rel=1e-12)
    name = "bootstrap of 4 metrics, 1,000 × 10,000"
    figures.record(name, seconds, "s", by="processor", at_most=1)
    figures.record(f"{name}, to a loop", seconds / looped, of="a loop over resamples", by="processor", at_most=0.1)


@pytest.mark.benchmark
def test_eight_metrics_of_a_classification_take_less_than_half_a_second(figures: Figures):
    outputs = predictions("classification")
    seconds = best(lambda: resampled("classification", FURTHER, outputs, RESAMPLES))
    figures.record("bootstrap of 8 further metrics, 1,000 × 10,000", seconds, "s", by="processor", at_most=0.5)


@pytest.mark.benchmark
def test_all_named_metrics_of_all_task_types_take_less_than_5_seconds(figures: Figures):
    # Distances of masks are measured once for all resamples, which takes as long as there are masks.
    names = {kind: [name for name in NAMED[kind] if find_metric(kind, name).takes != "masks"] for kind in LEARNABLE}
    total = 0.0
    for kind in LEARNABLE:
        outputs = predictions(kind)
        seconds = best(lambda: resampled(kind, names[kind], outputs, RESAMPLES))  # noqa: B023  (called at once)
        figures.record(f"bootstrap of the {len(names[kind])} metrics of {kind}", seconds, "s", by="processor")
        total += seconds
    figures.record("bootstrap of all named metrics", total, "s", by="processor", at_most=5)
