"""Summaries: metrics over the folds of each run, with bootstrap intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mml_lib.postprocessing.bootstrap import has_spread

RESAMPLES = 10_000
CONFIDENCE = 0.95
KEYS = ["task", "run", "label", "on", "split"]
"""What a row is about; `on` is another task than the one that was trained on."""

LOW, HIGH = "_low", "_high"
"""End of the names of the columns beside a metric that hold the ends of its interval over samples."""


def fold_table(results: Sequence[Mapping[str, Any]], shown: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row for each run, fold and split, one column for each metric, two more where it has an interval.

    Args:
        results: contents of metrics files.
        shown: what the study calls each run: `task`, `run`, `label`, and `fold` where it is not the network's.
    """
    rows = [_row(result, shown.get(result["run"], {})) for result in results]
    return pd.DataFrame(rows).sort_values([*KEYS, "fold"], ignore_index=True)


def _row(result: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    told = {"task": result["task"], "run": result["run"], "label": "", "fold": result["fold"]} | dict(shown)
    on = result.get("on", result["task"])
    keys = {"on": "" if on == result["task"] else on, "split": result["split"]}
    row = {key: (told | keys)[key] for key in [*KEYS, "fold"]}
    for metric, value in result["metrics"].items():
        row[metric] = value
        if metric in result.get("intervals", {}):
            row[metric + LOW], row[metric + HIGH] = result["intervals"][metric]
    return row


def summarize(folds: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return mean, standard deviation and 95 % interval over folds, one row for each run, split and metric.

    The interval is the percentile bootstrap of the mean (Efron 1979). A single fold has neither deviation nor interval,
    and folds that are all alike have no interval; `folds` are those whose samples define the metric.

    Args:
        folds: as `fold_table` gives it.
        seed: seed of the resampling.
    """
    ends = {column + end for column in folds.columns for end in (LOW, HIGH) if column + HIGH in folds.columns}
    metrics = [column for column in folds.columns if column not in {*KEYS, "fold", *ends}]
    rows = []
    for key, group in folds.groupby(KEYS, sort=False):
        for metric in metrics:
            values = group[metric].dropna().to_numpy(dtype=float)
            if len(values):  # not so for a metric of tasks of another type
                rows.append(dict(zip(KEYS, key, strict=True)) | {"metric": metric} | _statistics(values, seed))
    return pd.DataFrame(rows)


def _statistics(values: np.ndarray, seed: int) -> dict[str, float]:
    several = len(values) > 1
    low, high = bootstrap_interval(values, seed) if several and has_spread(values) else (np.nan, np.nan)
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
    shown = shown.drop(columns=[column for column in ("label", "on") if not shown[column].any()])
    return shown.to_string(index=False, float_format="{:.4f}".format, na_rep="")
