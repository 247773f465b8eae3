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
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@pytest.mark.benchmark
def test_four_metrics_of_a_classification_take_less_than_a_second(capsys):
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
    with capsys.disabled():
        print(
            f"\nbootstrap of {', '.join(PROMISED)}, {RESAMPLES:,} × {NUMBER:,}, {CLASSES} classes: {seconds:.2f} s; "
            f"a loop over the resamples {looped:.1f} s, {looped / seconds:.0f} times as long"
        )
    assert seconds < 1
    assert looped > 10 * seconds


@pytest.mark.benchmark
def test_eight_metrics_of_a_classification_take_less_than_half_a_second(capsys):
    outputs = predictions("classification")
    seconds = best(lambda: resampled("classification", FURTHER, outputs, RESAMPLES))
    with capsys.disabled():
        print(f"\nbootstrap of {', '.join(FURTHER)}, {RESAMPLES:,} × {NUMBER:,}, {CLASSES} classes: {seconds:.2f} s")
    assert seconds < 0.5


@pytest.mark.benchmark
def test_all_named_metrics_of_all_task_types_take_less_than_5_seconds(capsys):
    # Distances of masks are measured once for all resamples, which takes as long as there are masks.
    names = {kind: [name for name in NAMED[kind] if find_metric(kind, name).takes != "masks"] for kind in LEARNABLE}
    seconds = {}
    for kind in LEARNABLE:
        outputs = predictions(kind)
        seconds[kind] = best(lambda: resampled(kind, names[kind], outputs, RESAMPLES))  # noqa: B023  (called at once)
    with capsys.disabled():
        times = ", ".join(f"{kind} ({len(names[kind])}) {duration:.2f} s" for kind, duration in seconds.items())
        print(f"\nbootstrap of all named metrics, {RESAMPLES:,} × {NUMBER:,}: {times}")
    assert sum(seconds.values()) < 5
