"""Fréchet distance of Gaussian fits."""

from dataclasses import dataclass

import numpy as np

from mml_lib.distances.checked_arrays import checked_features
from mml_lib.distances.task_data import TaskData
from mml_lib.machine.terminal import warn

SAMPLES_PER_DIMENSION = 10
"""With fewer samples, the distance of equal distributions exceeds 2 % of their variance."""


@dataclass(frozen=True, eq=False)
class GaussianFit:
    """A Gaussian fit: mean (D), and a factor (K×D, K at most D) with covariance `factor.T @ factor`."""

    mean: np.ndarray
    factor: np.ndarray


@dataclass(frozen=True, eq=False)
class GaussianFits:
    """Gaussian fits of a task's features: of all samples, and of two halves for the correction of bias."""

    whole: GaussianFit
    halves: tuple[GaussianFit, ...]


def fit_gaussians(task: TaskData, halves: bool = False) -> GaussianFits:
    """Return the Gaussian fit of a task's features.

    Args:
        task: data of the task.
        halves: also fit random halves.

    Raises:
        MMLError: features are missing, invalid or too few.
    """
    features = checked_features(task, least=4 if halves else 2).astype(np.float64)
    number, width = features.shape
    if not halves and number < SAMPLES_PER_DIMENSION * width:
        warn(
            f"fid: {task.name} has {number:,} samples for {width} dimensions, so that its distances are too large; "
            f"take at least {SAMPLES_PER_DIMENSION * width:,} samples, or set the option correct_bias"
        )
    order = np.random.default_rng(0).permutation(number) if halves else np.arange(0)
    parts = np.array_split(order, 2) if halves else []
    return GaussianFits(_fit(features), tuple(_fit(features[part]) for part in parts))


def frechet_distance(source: GaussianFits, target: GaussianFits) -> float:
    """Return the squared Fréchet distance |m − n|² + tr(S + T − 2 (S T)^½), extrapolated if there are halves."""
    distance = _distance(source.whole, target.whole)
    if not source.halves:
        return distance
    # The bias is proportional to 1/n: halves have twice the bias.
    return 2 * distance - float(np.mean([_distance(a, b) for a in source.halves for b in target.halves]))


def _fit(features: np.ndarray) -> GaussianFit:
    mean = features.mean(axis=0)
    factor = (features - mean) / np.sqrt(len(features) - 1)
    if len(factor) > factor.shape[1]:
        variances, directions = np.linalg.eigh(factor.T @ factor)
        factor = np.sqrt(np.maximum(variances, 0))[:, None] * directions.T
    return GaussianFit(mean, factor)


def _distance(first: GaussianFit, second: GaussianFit) -> float:
    # With S = A'A and T = B'B, the trace of (S T)^½ is the sum of the singular values of A B'. Unlike eigenvalues of
    # S T, these cannot become negative by rounding.
    singular_values = np.linalg.svd(first.factor @ second.factor.T, compute_uv=False)
    traces = sum(float((fit.factor**2).sum()) for fit in (first, second))
    return max(0.0, float(((first.mean - second.mean) ** 2).sum()) + traces - 2 * float(singular_values.sum()))
