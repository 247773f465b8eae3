"""Operating points: thresholds for a required sensitivity or specificity, chosen on other samples than those reported.

A threshold is the largest that reaches the sensitivity on out-of-fold predictions, or the smallest that reaches the
specificity. A sample is positive if its probability is at least the threshold. Sensitivity, specificity and predictive
values on the reported samples are means over the networks of a run, with 95 % intervals on new samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mml_lib.evaluation.intervals import UNKNOWN, interval
from mml_lib.evaluation.operating.reported_scores import ClassScores, ReportedScores
from mml_lib.evaluation.variances import FEWEST, Uncertainty

SENSITIVITY, SPECIFICITY = "sensitivity", "specificity"
"""Criteria of thresholds."""

MEASURES = (SENSITIVITY, SPECIFICITY, "ppv", "npv")
"""Measures of an operating point: true positive rate, true negative rate, positive and negative predictive value."""

COLUMNS = [
    *("run", "label", "class", "criterion", "wanted", "threshold", "samples", "positives"),
    *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")),
    "reason",
]
"""Columns of the table."""


def threshold_for(scores: ClassScores, criterion: str, wanted: float) -> float:
    """Return the threshold that reaches a sensitivity or specificity; NaN without positive or negative samples.

    Args:
        scores: scores of the samples that the threshold is chosen on.
        criterion: `sensitivity` or `specificity`.
        wanted: required value, in [0, 1].
    """
    side = np.sort(scores.scores[scores.positive if criterion == SENSITIVITY else ~scores.positive])
    if not len(side):
        return float("nan")
    number = int(np.ceil(wanted * len(side) - 1e-9))  # least number of correct samples
    if criterion == SENSITIVITY:
        return float(side[len(side) - number]) if number else 1.0
    if not number:
        return 0.0
    above = scores.scores[scores.scores > side[number - 1]]
    return float(above.min()) if len(above) else float(np.nextafter(side[-1], np.inf))


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold with its measures.

    Args:
        threshold: threshold; the mean over folds for pooled folds.
        values: value and ends of the 95 % interval of each measure; NaN if undefined.
        reason: reason for missing measures; empty if there are some.
    """

    threshold: float
    values: Mapping[str, tuple[float, float, float]]
    reason: str = ""


def operating_point(reported: ReportedScores, criterion: str, wanted: float, resamples: int) -> OperatingPoint:
    """Return the operating point of a class for a required sensitivity or specificity.

    Args:
        reported: scores of the class.
        criterion: `sensitivity` or `specificity`.
        wanted: required value, in [0, 1].
        resamples: number of resamples; 0: no intervals.
    """
    thresholds = [threshold_for(scores, criterion, wanted) for scores, _ in reported.choosing]
    if np.isnan(thresholds).any():
        side = "positive" if criterion == SENSITIVITY else "negative"
        return OperatingPoint(np.nan, dict.fromkeys(MEASURES, (np.nan, *UNKNOWN)), f"no {side} sample in validation")
    sample_thresholds = np.zeros(len(reported.positive))
    for threshold, (_, rows) in zip(thresholds, reported.choosing, strict=True):
        sample_thresholds[rows] = threshold
    predicted = reported.scores >= sample_thresholds
    return OperatingPoint(float(np.mean(thresholds)), measures(reported, predicted, resamples))


def measures(reported: ReportedScores, predicted: np.ndarray, resamples: int) -> dict[str, tuple[float, float, float]]:
    """Return the measures of decisions with the ends of their 95 % intervals.

    Args:
        reported: scores of the samples.
        predicted: samples that are predicted positive, networks×N (bool).
        resamples: number of resamples; 0: no intervals.
    """
    positive = reported.positive
    shares = {
        SENSITIVITY: (predicted & positive, np.broadcast_to(positive, predicted.shape)),
        SPECIFICITY: (~predicted & ~positive, np.broadcast_to(~positive, predicted.shape)),
        "ppv": (predicted & positive, predicted),
        "npv": (~predicted & ~positive, ~predicted),
    }
    values: dict[str, list[np.ndarray]] = {name: [] for name in shares}
    for counts in reported.draws(resamples):
        weights = counts.astype(np.float64)
        for name, (hits, cases) in shares.items():
            number = cases @ weights
            network_values = np.divide(hits @ weights, number, out=np.full(number.shape, np.nan), where=number > 0)
            values[name].append(network_values.mean(axis=0))
    return {
        name: _with_interval(np.concatenate(values[name]), reported.count_units(np.asarray(cases.any(axis=0))))
        for name, (_, cases) in shares.items()
    }


def _with_interval(values: np.ndarray, units: int) -> tuple[float, float, float]:
    """Return a share and the ends of its interval.

    Args:
        values: share on the samples, followed by the share on each resample.
        units: number of samples or groups in the denominator of the share.
    """
    value, draws = float(values[0]), values[1:][~np.isnan(values[1:])]
    if np.isnan(value) or len(draws) < FEWEST or units < 2:
        return value, *UNKNOWN
    variance = float(draws.var() * units / (units - 1))
    uncertainty = Uncertainty(variance, units - 1, variance, units - 1, units, trainings=False)
    return value, *interval("recall", value, uncertainty, task_type="multilabel_classification")


def operating_rows(
    scores: Mapping[str, Mapping[str, ReportedScores]],
    labels: Mapping[str, str],
    wanted: Sequence[tuple[str, float]],
    resamples: int,
) -> pd.DataFrame:
    """Return one row for each run, class and required value, with the columns `COLUMNS`.

    Args:
        scores: scores by run and class.
        labels: labels of runs by id.
        wanted: criterion and required value of each threshold.
        resamples: number of resamples.
    """
    return pd.DataFrame(list(_rows(scores, labels, wanted, resamples)), columns=COLUMNS)


def _rows(
    scores: Mapping[str, Mapping[str, ReportedScores]],
    labels: Mapping[str, str],
    wanted: Sequence[tuple[str, float]],
    resamples: int,
) -> Iterator[tuple[object, ...]]:
    for run, by_class in scores.items():
        for name, reported in by_class.items():
            numbers = len(reported.positive), int(reported.positive.sum())
            for criterion, value in wanted:
                point = operating_point(reported, criterion, value, resamples)
                ends = [end for measure in MEASURES for end in point.values[measure]]
                yield run, labels.get(run, ""), name, criterion, value, point.threshold, *numbers, *ends, point.reason
