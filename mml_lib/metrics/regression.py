"""Metrics of a regression, from values and targets (float, N each)."""

from functools import partial
from operator import itemgetter

import numpy as np

from mml_lib.metrics.metric_registry import Metric, Values, Weighted, register
from mml_lib.metrics.shares import share
from mml_lib.metrics.sums import WeightSums, products, ties, total

declare = partial(Metric, "regression")


def moments(values: np.ndarray, targets: np.ndarray) -> Weighted:
    """Return a function of `mae`, `rmse`, `r2` and `pearson` by name, R each, from weighted moments."""
    errors, v, t = values - targets, values - values.mean(), targets - targets.mean()
    features = np.column_stack([np.abs(errors), errors**2, v, t, v * v, t * t, v * t])

    def metrics(weights: np.ndarray) -> Values:
        mae, mse, mean_v, mean_t, vv, tt, vt = products(features, weights).T / total(weights)
        var_v, var_t = vv - mean_v**2, tt - mean_t**2
        with np.errstate(divide="ignore", invalid="ignore"):
            results = {
                "mae": mae,
                "rmse": np.sqrt(mse),
                "r2": 1 - mse / var_t,
                "pearson": (vt - mean_v * mean_t) / np.sqrt(var_v * var_t),
            }
        # If a resample's variance is tiny beside its second moment, moments lose precision: use the drawn values.
        for resample in np.flatnonzero((var_v <= 1e-6 * vv) | (var_t <= 1e-6 * tt)):
            rows = np.flatnonzero(weights[:, resample])
            drawn = values[rows], targets[rows], weights[rows, resample].astype(np.float64)
            results["r2"][resample] = _r2(*drawn)
            results["pearson"][resample] = _pearson(*drawn)
        return results

    return metrics


def _r2(values: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
    if np.ptp(targets) == 0:
        return np.nan
    deviations = targets - np.average(targets, weights=weights)
    return float(1 - weights @ (values - targets) ** 2 / (weights @ deviations**2))


def _pearson(values: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
    if np.ptp(values) == 0 or np.ptp(targets) == 0:  # rounding could give equal values a variance above 0
        return np.nan
    covariance = np.cov(values, targets, ddof=0, aweights=weights)
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def _spearman(values: np.ndarray, targets: np.ndarray) -> Weighted:
    ranked = []
    for side in (values, targets):
        order = np.argsort(side, kind="stable")
        places = np.empty((2, len(side)), np.intp)
        places[:, order] = ties(side[order])
        ranked.append(WeightSums(order, places))

    def spearman(weights: np.ndarray) -> np.ndarray:
        # Twice the deviation of a rank from the mean rank: the weights before a tie and up to its end, minus N.
        first, second = (sums(weights).sum(axis=0, dtype=np.float64) - total(weights) for sums in ranked)
        covariance, *variances = (
            np.einsum("nr,nr,nr->r", weights, *pair) for pair in ((first, second), (first, first), (second, second))
        )
        return share(covariance, np.sqrt(variances[0]) * np.sqrt(variances[1]))

    return spearman


by_moments = partial(declare, takes="values", statistic=moments)
as_error = partial(by_moments, lower_is_better=True, bounds=None, scale="error")
as_correlation = partial(by_moments, bounds=(-1, 1), scale="correlation")

for metric in (
    as_error("mae", "mean absolute error, in the unit of the targets", value=itemgetter("mae")),
    as_error("rmse", "root of the mean squared error, in the unit of the targets", value=itemgetter("rmse")),
    by_moments(
        "r2",
        "explained share of the variance (coefficient of determination); undefined if the targets are constant",
        value=itemgetter("r2"),
        bounds=None,
        scale="explained",
    ),
    as_correlation("pearson", "linear correlation; undefined if either side is constant", value=itemgetter("pearson")),
    as_correlation("spearman", "correlation of ranks; undefined if either side is constant", statistic=_spearman),
):
    register(metric)
