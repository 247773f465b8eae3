"""Decision curves: the net benefit of acting on positive predictions, as a function of the threshold probability.

The net benefit is the share of true positives less the share of false positives times the odds of the threshold
(Vickers and Elkin 2006, Decision curve analysis). A net benefit of 0.1 is equivalent to 10 true positives and no false
positive among 100 samples. The alternatives are to act on all samples, and to act on none.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mml_lib.evaluation.operating.reported_scores import ReportedScores

THRESHOLDS = np.round(np.arange(0.01, 1, 0.01), 2)
"""Threshold probabilities."""

COLUMNS = ["run", "class", "threshold", "net_benefit", "net_benefit_low", "net_benefit_high", "treat_all", "treat_none"]
"""Columns of the table."""


def net_benefit(reported: ReportedScores, counts: np.ndarray, thresholds: np.ndarray = THRESHOLDS) -> np.ndarray:
    """Return the net benefit at each threshold on each resample, averaged over networks, T×R.

    Args:
        reported: scores of the samples.
        counts: how often each sample is drawn, N×R.
        thresholds: threshold probabilities, T, below 1.
    """
    odds = (thresholds / (1 - thresholds))[:, None]
    weights, total = counts.astype(np.float64), np.zeros((len(thresholds), counts.shape[1]))
    for scores in reported.scores:
        order = np.argsort(-scores, kind="stable")
        number = np.searchsorted(-scores[order], -thresholds, side="right")  # number of positive predictions
        benefit = np.zeros_like(total)
        for positive, factor in ((True, 1.0), (False, -odds)):
            selected = weights[order] * (reported.positive[order] == positive)[:, None]
            sums = np.concatenate([np.zeros((1, counts.shape[1])), selected.cumsum(axis=0)])
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
        observed, *resampled = (net_benefit(reported, counts) for counts in reported.draws(resamples))
        low, high = np.full((2, len(THRESHOLDS)), np.nan)
        if resampled:
            low, high = np.percentile(np.concatenate(resampled, axis=1), [2.5, 97.5], axis=1)
        columns = (run, name, THRESHOLDS, observed[:, 0], low, high, treat_all(reported), 0.0)
        tables.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
