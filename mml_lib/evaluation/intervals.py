"""Intervals: 95 % confidence intervals of metrics, within the bounds of each metric.

Bounded metrics have the interval of Wilson (1927) for an effective number of samples: the one for which a proportion
has the same variance, as in complex surveys (Kott 2017; Franco et al. 2019). If few samples decide a metric, its
variance is that of a proportion of all samples or groups. Therefore metrics of 0 and 1 have an interval, too.
Correlations have the interval of Fisher's transformation; errors and the explained variance that of their logarithms.
"""

from typing import NamedTuple

import numpy as np

from mml_lib.config.metric_options import name_per_sample
from mml_lib.evaluation.variances import Uncertainty, quantile
from mml_lib.metrics import properties_of

UNKNOWN = (np.nan, np.nan)

NOISE = 3.5
"""Ratio of the bias of a sum of magnitudes that is pure noise to the bias of its resamples. It approaches 1 / (√2 - 1)
for many samples, as resamples contain the noise twice. Few samples per bin need more (simulated with 50 to 1,000
samples).
"""


class Interval(NamedTuple):
    """Ends of a 95 % interval; NaN if they cannot be estimated."""

    low: float
    high: float


def interval(
    metric: str, value: float, uncertainty: Uncertainty, balance: float = 1.0, task_type: str = ""
) -> Interval:
    """Return the 95 % interval of a metric.

    Args:
        metric: name of the metric. The interval of an unregistered metric is symmetric.
        value: value on the samples.
        uncertainty: uncertainty of this value.
        balance: effective share of the samples, in (0, 1], for metrics that depend on rare classes.
        task_type: task type of the metric, because bounds may depend on it.
    """
    metric = name_per_sample(metric)
    if np.isnan(value) or not uncertainty.known:
        return Interval(*UNKNOWN)
    half, properties = uncertainty.half_width(), properties_of(metric, task_type)
    scale = properties.scale if properties else ""
    if scale == "correlation" and abs(value) < 1 and half > 0:
        middle, reach = np.arctanh(value), half / (1 - value**2)
        return Interval(float(np.tanh(middle - reach)), float(np.tanh(middle + reach)))
    if properties and properties.bounds:
        low, high = properties.bounds
        units = uncertainty.units * (balance if properties.rare_classes_decide else 1.0)
        width = high - low
        ends = _wilson((value - low) / width, half / width, uncertainty, units, width)
        if properties.magnitude:
            without_noise = max((value - NOISE * max(uncertainty.bias, 0.0) - half - low) / width, 0.0)
            ends = (min(without_noise, ends[0]), ends[1])
        return Interval(*(low + width * end for end in ends))
    if half == 0:
        return Interval(*UNKNOWN)
    if scale == "error" and value > 0:
        return Interval(value * np.exp(-half / value), value * np.exp(half / value))
    if scale == "explained" and value < 1:
        error = 1 - value
        # Few samples underestimate the variance of the targets, so R² is too low, by the bias of its resamples.
        without_bias = max(error - max(-uncertainty.bias, 0.0), error / 2)
        return Interval(1 - error * np.exp(half / error), 1 - without_bias * np.exp(-half / error))
    return Interval(value - half, value + half)


def _wilson(share: float, half: float, uncertainty: Uncertainty, units: float, width: float) -> tuple[float, float]:
    """Return Wilson's interval of a value in [0, 1].

    Args:
        share: the value.
        half: half-width of the interval by Student's distribution.
        uncertainty: uncertainty of the value, in units of the metric.
        units: number of samples or groups of an equivalent proportion.
        width: width of the metric's range.
    """
    spread = share * (1 - share)
    least_ratio = quantile(uncertainty.sample_freedom) ** 2 / max(units, 1.0)
    if half > 0 and spread > 0:
        ratio = half**2 / spread  # squared quantile by effective number of samples
        # Number of samples that decide: squared ratio of the mean error to its deviation, as for a Poisson process.
        deciding = (min(share, 1 - share) * width) ** 2 / uncertainty.samples if uncertainty.samples else 0.0
        ratio = max(ratio, (deciding**2 * ratio + least_ratio) / (deciding**2 + 1))
    else:
        ratio = least_ratio
    middle = (share + ratio / 2) / (1 + ratio)
    reach = np.sqrt(ratio * spread + ratio**2 / 4) / (1 + ratio)
    return float(max(middle - reach, 0.0)), float(min(middle + reach, 1.0))


class Difference(NamedTuple):
    """A difference with the ends of its 95 % interval and its two-sided p; NaN if they cannot be estimated."""

    value: float
    low: float
    high: float
    p: float


def difference(metric: str, value: float, uncertainty: Uncertainty, task_type: str = "") -> Difference:
    """Return the 95 % interval and the p of a difference.

    The variance of a bounded metric includes one additional sample on which the two differ, as Agresti and Min (2005)
    add for proportions. Without it, a few samples on which both agree would imply certainty.

    Args:
        metric: name of the metric.
        value: value of the first less that of the second.
        uncertainty: uncertainty of this difference.
        task_type: task type of the metric.
    """
    metric = name_per_sample(metric)
    if np.isnan(value) or not uncertainty.known:
        return Difference(value, np.nan, np.nan, np.nan)
    properties = properties_of(metric, task_type)
    if properties and properties.bounds:
        low, high = properties.bounds
        uncertainty = uncertainty.plus(((high - low) / uncertainty.units) ** 2)
    if not uncertainty.variance:
        return Difference(0.0, 0.0, 0.0, 1.0) if value == 0 else Difference(value, np.nan, np.nan, np.nan)
    half = uncertainty.half_width()
    return Difference(value, value - half, value + half, uncertainty.p(value))
