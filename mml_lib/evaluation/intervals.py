"""Intervals: 95 % confidence intervals of metrics, within the bounds that a metric has.

Bounded metrics have the interval of Wilson (1927) for as many samples as a share of the same variance would come from,
as it is done for shares in complex surveys (Kott 2017; Franco et al. 2019). Where few samples decide, its variance is
that of a share of all samples or groups; so metrics of 0 and 1 have an interval too. Correlations have that of Fisher's
transformation, errors and the explained variance that of their logarithms.
"""

from typing import NamedTuple

import numpy as np

from mml_lib.config.metric_options import name_per_sample
from mml_lib.evaluation.variances import Uncertainty, quantile
from mml_lib.metrics import properties_of

UNKNOWN = (np.nan, np.nan)

NOISE = 3.5
"""Bias of a sum of magnitudes that is all noise, by the bias of its resamples: 1 / (√2 - 1) were the samples many, as
resamples have the noise twice; more is needed where few samples fill the bins (simulated with 50 to 1,000 samples).
"""


class Interval(NamedTuple):
    """Ends of a 95 % interval; NaN where nothing tells them."""

    low: float
    high: float


def interval(
    metric: str, value: float, uncertainty: Uncertainty, balance: float = 1.0, task_type: str = ""
) -> Interval:
    """Return the 95 % interval of a metric.

    Args:
        metric: its name; one without a known form has a symmetric interval.
        value: on the samples.
        uncertainty: of this value.
        balance: share of the samples that count for a metric of classes.
        task_type: of the metric, whose bounds may be those of this type only.
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
        # Few samples underestimate the variance of the targets, so that R² is too low: by as much as its resamples.
        without_bias = max(error - max(-uncertainty.bias, 0.0), error / 2)
        return Interval(1 - error * np.exp(half / error), 1 - without_bias * np.exp(-half / error))
    return Interval(value - half, value + half)


def _wilson(share: float, half: float, uncertainty: Uncertainty, units: float, width: float) -> tuple[float, float]:
    """Return Wilson's interval of a value between 0 and 1.

    Args:
        share: the value.
        half: half-width of the interval that Student's distribution gives.
        uncertainty: of the value.
        units: samples or groups that a share would come from.
        width: of the metric's range, in which the uncertainty is.
    """
    spread = share * (1 - share)
    of_units = quantile(uncertainty.sample_freedom) ** 2 / max(units, 1.0)
    if half > 0 and spread > 0:
        ratio = half**2 / spread  # squared quantile by effective number of samples
        # How many samples decide: the square of an error's mean by its deviation, as if errors came one by one.
        deciding = (min(share, 1 - share) * width) ** 2 / uncertainty.samples if uncertainty.samples else 0.0
        ratio = max(ratio, (deciding**2 * ratio + of_units) / (deciding**2 + 1))
    else:
        ratio = of_units
    middle = (share + ratio / 2) / (1 + ratio)
    reach = np.sqrt(ratio * spread + ratio**2 / 4) / (1 + ratio)
    return float(max(middle - reach, 0.0)), float(min(middle + reach, 1.0))


class Difference(NamedTuple):
    """A difference with the ends of its 95 % interval and its two-sided p; NaN where nothing tells them."""

    value: float
    low: float
    high: float
    p: float


def difference(metric: str, value: float, uncertainty: Uncertainty, task_type: str = "") -> Difference:
    """Return the 95 % interval and the p of a difference.

    The variance of a bounded metric is that with one sample more that tells the two apart (Agresti and Min 2005 add as
    much to shares), so that a handful of samples is no certainty.

    Args:
        metric: name of the metric.
        value: the first less the second.
        uncertainty: of this value.
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
