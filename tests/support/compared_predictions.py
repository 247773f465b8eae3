"""Predictions of a given accuracy."""

import numpy as np

from mml_lib.predictions.predictions import Predictions

NUMBER = 200


IDS = np.array([f"s{number}" for number in range(NUMBER)])


TARGETS = np.random.default_rng(0).integers(0, 3, NUMBER)


def predictions(strength: float = 1.0, seed: int = 0, targets: np.ndarray = TARGETS) -> Predictions:
    """Return predictions that see the target with a strength, in noise of their own."""
    noise = np.random.default_rng(seed).normal(size=(len(targets), 3))
    return Predictions((strength * np.eye(3)[targets] + noise).astype("f"), targets, IDS[: len(targets)])
