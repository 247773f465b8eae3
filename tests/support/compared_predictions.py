"""Predictions of a given accuracy."""

import numpy as np

from mml_lib.evaluation.alignment import AnyPredictions
from mml_lib.predictions.predictions import MaskPredictions, Predictions

NUMBER = 200


IDS = np.array([f"s{number}" for number in range(NUMBER)])


TARGETS = np.random.default_rng(0).integers(0, 3, NUMBER)


def predictions(strength: float = 1.0, seed: int = 0, targets: np.ndarray = TARGETS) -> Predictions:
    """Return predictions that see the target with a strength, in noise of their own."""
    noise = np.random.default_rng(seed).normal(size=(len(targets), 3))
    return Predictions((strength * np.eye(3)[targets] + noise).astype("f"), targets, IDS[: len(targets)])


def of_type(kind: str, seed: int = 0) -> AnyPredictions:
    rng = np.random.default_rng(seed)
    fixed = np.random.default_rng(99)
    if kind == "classification":
        return predictions(seed=seed)
    if kind == "regression":
        values = fixed.normal(size=NUMBER)
        return Predictions((values + rng.normal(size=NUMBER)).astype("f")[:, None], values, IDS, kind)
    if kind == "multilabel_classification":
        labels = (fixed.random((NUMBER, 4)) < 0.4).astype("f")
        return Predictions((2 * labels - 1 + rng.normal(size=labels.shape)).astype("f"), labels, IDS, kind)
    shapes = [(4 + number % 3, 5) for number in range(40)]
    true = [fixed.integers(0, 3, shape).astype(np.uint8) for shape in shapes]
    masks = [np.where(rng.random(mask.shape) < 0.3, 1, mask).astype(np.uint8) for mask in true]
    return MaskPredictions.of(masks, true, IDS[:40], 3)


def repeated(strengths: dict[str, float], runs: int = 3, folds: int = 2) -> tuple[dict, dict]:
    """Return runs of procedures, as good as these strengths say, and the runs of each procedure."""
    names = {procedure: [f"{procedure}{seed}" for seed in range(runs)] for procedure in strengths}
    seeds = iter(range(1000))
    networks = {
        run: {fold: predictions(strengths[procedure], next(seeds)) for fold in range(folds)}
        for procedure, of_procedure in names.items()
        for run in of_procedure
    }
    return networks, names
