"""Operating points: thresholds for a wanted sensitivity or specificity, chosen by other samples than those reported.

A threshold is the largest that reaches the sensitivity among out-of-fold predictions, or the smallest that reaches the
specificity; an image is positive if its probability is the threshold or more. On the reported samples its sensitivity,
specificity and predictive values are the means over the networks of a run, with 95 % intervals on new samples.
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
    """Return the threshold that reaches a sensitivity or specificity; NaN where no sample tells it.

    Args:
        scores: scores that it is chosen by.
        criterion: `sensitivity` or `specificity`.
        wanted: in 0..1.
    """
    side = np.sort(scores.scores[scores.positive if criterion == SENSITIVITY else ~scores.positive])
    if not len(side):
        return float("nan")
    number = int(np.ceil(wanted * len(side) - 1e-9))  # so many have to be on the right side
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
        threshold: the threshold; of pooled folds the mean of theirs.
        values: each measure with the ends of its interval; NaN where the samples define none.
        reason: why there are none.
    """

    threshold: float
    values: Mapping[str, tuple[float, float, float]]
    reason: str = ""


def operating_point(reported: ReportedScores, criterion: str, wanted: float, resamples: int) -> OperatingPoint:
    """Return the operating point of a class for a wanted sensitivity or specificity."""
    thresholds = [threshold_for(chosen, criterion, wanted) for chosen, _ in reported.choosing]
    if np.isnan(thresholds).any():
        side = "positive" if criterion == SENSITIVITY else "negative"
        return OperatingPoint(np.nan, dict.fromkeys(MEASURES, (np.nan, *UNKNOWN)), f"no {side} sample in validation")
    of_sample = np.zeros(len(reported.positive))
    for threshold, (_, rows) in zip(thresholds, reported.choosing, strict=True):
        of_sample[rows] = threshold
    return OperatingPoint(float(np.mean(thresholds)), measures(reported, reported.scores >= of_sample, resamples))


def measures(reported: ReportedScores, called: np.ndarray, resamples: int) -> dict[str, tuple[float, float, float]]:
    """Return the measures of decisions with the ends of their intervals.

    Args:
        reported: the samples.
        called: which samples are called positive, networks×N (bool).
        resamples: number of resamples; 0: no intervals.
    """
    positive = reported.positive
    shares = {
        SENSITIVITY: (called & positive, np.broadcast_to(positive, called.shape)),
        SPECIFICITY: (~called & ~positive, np.broadcast_to(~positive, called.shape)),
        "ppv": (called & positive, called),
        "npv": (~called & ~positive, ~called),
    }
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in shares}
    for times in reported.draws(resamples):
        weights = times.astype(np.float64)
        for name, (hits, cases) in shares.items():
            number = cases @ weights
            of_networks = np.divide(hits @ weights, number, out=np.full(number.shape, np.nan), where=number > 0)
            drawn[name].append(of_networks.mean(axis=0))
    return {
        name: _with_interval(np.concatenate(drawn[name]), reported.count_units(np.asarray(cases.any(axis=0))))
        for name, (_, cases) in shares.items()
    }


def _with_interval(values: np.ndarray, units: int) -> tuple[float, float, float]:
    """Return a share and the ends of its interval.

    Args:
        values: the share on the samples, and on each resample.
        units: number of samples, or groups, that it is a share of.
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
    """Return one row for each run, class and wanted value.

    Args:
        scores: scores by run and class.
        labels: names of runs.
        wanted: criterion and value of each threshold.
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
