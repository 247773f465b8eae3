"""Tasks whose features are drawn from known distributions."""

import numpy as np

from mml_lib.distances import TaskData


def gaussian_task(name: str, number: int, mean: np.ndarray, covariance: np.ndarray, seed: int = 0) -> TaskData:
    """Return a task with normally distributed features."""
    features = np.random.default_rng(seed).multivariate_normal(mean, covariance, number)
    return TaskData(name, features=features.astype("f"))


def standard_task(name: str, number: int, width: int, seed: int = 0, shift: float = 0, scale: float = 1) -> TaskData:
    """Return a task with independent features of one mean and standard deviation."""
    features = np.random.default_rng(seed).normal(shift, scale, (number, width))
    return TaskData(name, features=features.astype("f"))


def labelled_task(number: int = 200, width: int = 8, classes: int = 3, noise: float = 1, seed: int = 0) -> TaskData:
    """Return a task with features around a centre for each class, probabilities of four source classes, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, number)
    features = (rng.normal(0, 2, (classes, width))[labels] + rng.normal(0, noise, (number, width))).astype("f")
    logits = features @ rng.normal(0, 1, (width, 4))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return TaskData("target", features=features, probabilities=probabilities, labels=labels)
