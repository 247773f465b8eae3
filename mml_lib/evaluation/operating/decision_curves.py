"""Decision curves: the net benefit of acting on a prediction, over the threshold from which one would act.

Net benefit is the share of true positives less that of false positives, these weighed by the odds of the threshold
(Vickers and Elkin 2006, Decision curve analysis). It is that of true positives: 0.1 is as good as ten of 100 samples
found without a false alarm. Acting on all samples and acting on none are the alternatives.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mml_lib.evaluation.operating.reported_scores import ReportedScores

THRESHOLDS = np.round(np.arange(0.01, 1, 0.01), 2)
"""Probabilities from which one would act."""

COLUMNS = ["run", "class", "threshold", "net_benefit", "net_benefit_low", "net_benefit_high", "treat_all", "treat_none"]
"""Columns of the table."""


def net_benefit(reported: ReportedScores, times: np.ndarray, thresholds: np.ndarray = THRESHOLDS) -> np.ndarray:
    """Return the net benefit at each threshold on each resample, the mean over networks, T×R.

    Args:
        reported: the samples.
        times: how often each sample is drawn, N×R.
        thresholds: probabilities from which one would act, T, below 1.
    """
    odds = (thresholds / (1 - thresholds))[:, None]
    weights, total = times.astype(np.float64), np.zeros((len(thresholds), times.shape[1]))
    for scores in reported.scores:
        order = np.argsort(-scores, kind="stable")
        number = np.searchsorted(-scores[order], -thresholds, side="right")  # samples that one would act on
        benefit = np.zeros_like(total)
        for positive, factor in ((True, 1.0), (False, -odds)):
            of_side = weights[order] * (reported.positive[order] == positive)[:, None]
            sums = np.concatenate([np.zeros((1, times.shape[1])), of_side.cumsum(axis=0)])
            benefit = benefit + factor * sums[number]
        total += benefit
    return total / len(reported.scores) / weights.sum(axis=0)


def treat_all(reported: ReportedScores, thresholds: np.ndarray = THRESHOLDS) -> np.ndarray:
    """Return the net benefit of acting on all samples at each threshold, T."""
    prevalence = reported.positive.mean()
    return prevalence - (1 - prevalence) * thresholds / (1 - thresholds)


def decision_rows(scores: Mapping[str, ReportedScores], run: str, resamples: int) -> pd.DataFrame:
    """Return the decision curve of each class of a run, with 95 % percentile intervals over resamples.

    Args:
        scores: scores by class.
        run: id of the run.
        resamples: number of resamples; 0: no intervals.
    """
    tables = []
    for name, reported in scores.items():
        if not len(reported.positive):
            continue
        first, *drawn = (net_benefit(reported, times) for times in reported.draws(resamples))
        low, high = np.full((2, len(THRESHOLDS)), np.nan)
        if drawn:
            low, high = np.percentile(np.concatenate(drawn, axis=1), [2.5, 97.5], axis=1)
        columns = (run, name, THRESHOLDS, first[:, 0], low, high, treat_all(reported), 0.0)
        tables.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
