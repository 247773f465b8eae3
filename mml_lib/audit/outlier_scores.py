"""Outliers: samples far from their nearest neighbours, and measures far from those of other samples."""

import numpy as np

DEVIATIONS = 4.0
"""Smallest score of an outlier: robust standard deviations above the median."""

NORMAL = 1.4826
"""Standard deviation of a normal distribution divided by its median absolute deviation."""

MEAN_NORMAL = 1.2533
"""Standard deviation of a normal distribution divided by its mean absolute deviation."""


def robust_scores(values: np.ndarray) -> np.ndarray:
    """Return the number of robust standard deviations from the median (N); 0 for constant values. NaN stays NaN."""
    if np.isnan(values).all():
        return np.full(len(values), np.nan)
    middle = np.nanmedian(values)
    deviation = NORMAL * float(np.nanmedian(np.abs(values - middle)))
    if not deviation:  # more than half of the values are equal (Iglewicz and Hoaglin 1993)
        deviation = MEAN_NORMAL * float(np.nanmean(np.abs(values - middle)))
    return (values - middle) / deviation if deviation else np.where(np.isnan(values), np.nan, 0.0)


def neighbour_scores(distances: np.ndarray) -> np.ndarray:
    """Return robust scores of the logarithm of the mean distance to the nearest neighbours (N).

    The logarithm reduces the skewness of distances. Samples whose neighbours are all copies have the lowest score.

    Args:
        distances: distances to the nearest neighbours (N×k).
    """
    mean = distances.mean(axis=1).astype(np.float64)
    if not (mean > 0).any():
        return np.zeros(len(mean))
    return robust_scores(np.log(np.maximum(mean, mean[mean > 0].min())))
