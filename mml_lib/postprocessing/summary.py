"""Summaries: metrics over the folds of each run, with bootstrap intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

RESAMPLES = 10_000
CONFIDENCE = 0.95
KEYS = ["task", "run", "label", "split"]


def fold_table(results: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> pd.DataFrame:
    """Return one row for each run, fold and split, one column for each metric.

    Args:
        results: contents of metrics files.
        labels: what the study calls each run.
    """
    rows = [
        {"task": r["task"], "run": r["run"], "label": labels.get(r["run"], ""), "split": r["split"], "fold": r["fold"]}
        | dict(r["metrics"])
        for r in results
    ]
    return pd.DataFrame(rows).sort_values(["task", "run", "split", "fold"], ignore_index=True)


def summarize(folds: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return mean, standard deviation and 95 % interval over folds, one row for each run, split and metric.

    The interval is the percentile bootstrap of the mean (Efron 1979). A single fold has neither deviation nor interval;
    `folds` are those whose samples define the metric.

    Args:
        folds: as `fold_table` gives it.
        seed: seed of the resampling.
    """
    metrics = [column for column in folds.columns if column not in [*KEYS, "fold"]]
    rows = []
    for key, group in folds.groupby(KEYS, sort=False):
        for metric in metrics:
            values = group[metric].dropna().to_numpy(dtype=float)
            if len(values):  # not so for a metric of tasks of another type
                rows.append(dict(zip(KEYS, key, strict=True)) | {"metric": metric} | _statistics(values, seed))
    return pd.DataFrame(rows)


def _statistics(values: np.ndarray, seed: int) -> dict[str, float]:
    several = len(values) > 1
    low, high = bootstrap_interval(values, seed) if several else (np.nan, np.nan)
    return {
        "folds": len(values),
        "mean": values.mean(),
        "std": values.std(ddof=1) if several else np.nan,
        "ci_low": low,
        "ci_high": high,
    }


def bootstrap_interval(values: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the ends of the 95 % percentile bootstrap interval of the mean of `values`, N."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    tail = (1 - CONFIDENCE) / 2
    return tuple(np.quantile(means, [tail, 1 - tail]).tolist())


def as_text(summary: pd.DataFrame) -> str:
    """Return a summary as a table for a terminal."""
    shown = summary.drop(columns=["ci_low", "ci_high"])
    low, high = (summary[end].map("{:.4f}".format) for end in ("ci_low", "ci_high"))
    shown["95 % interval"] = np.where(summary["ci_low"].notna(), low + " … " + high, "")
    if not shown["label"].any():
        shown = shown.drop(columns="label")
    return shown.to_string(index=False, float_format="{:.4f}".format, na_rep="")
