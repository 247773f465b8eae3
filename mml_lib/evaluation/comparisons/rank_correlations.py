"""Rank correlation of distances between tasks and gains of transfer: do near sources help more?

For each target, sources are ranked by nearness and by gain. The agreement of the two rankings is Vigna's weighted
Kendall's tau (A weighted correlation index for rankings with ties, WWW 2015), as computed by `scipy.stats.weightedtau`:
an exchange of the sources of ranks r and s (from 0) has the weight 1/(r+1) + 1/(s+1), averaged over ranks by nearness
and by gain. Thus the order of the best sources counts most. It is 1 if gains decrease with distance, and -1 if they
increase.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mml_lib.evaluation.comparisons.table_texts import intervals, numbers

FEWEST = 3
"""Least number of sources of a target for a rank correlation."""
DRAWS = 10_000
"""Number of bootstrap resamples of the targets."""
COLUMNS = ["measure", "setting", "metric", "target", "sources", "targets", "tau", "tau_low", "tau_high", "reason"]


def correlation_table(
    gains: pd.DataFrame, distances: Mapping[str, pd.DataFrame], tasks: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return the rank correlation of nearness and gain for each measure, over all targets and for each target.

    Args:
        gains: result of `mml_lib.evaluation.comparisons.transfer_gains.gain_table`, in one metric.
        distances: matrices by measure; row = source, column = target, NaN = undefined.
        tasks: names of tasks by names of targets in the gains, if they differ.

    Returns:
        `measure setting metric target sources targets tau tau_low tau_high reason`: rows without a target contain the
        mean over targets, with a 95 % percentile interval by the bootstrap over targets. `sources` is the number of
        sources with a gain and a distance; without a target, the least of these numbers. `reason` explains a missing
        value or interval.
    """
    rows: list[dict[str, Any]] = []
    for measure, matrix in distances.items():
        for setting, of_setting in gains.fillna({"setting": ""}).groupby("setting", sort=False):
            keys = {"measure": measure, "setting": setting, "metric": of_setting["metric"].iloc[0]}
            target_rows = [
                {**keys, "target": target, **_target_correlation(of_target, matrix, (tasks or {}).get(target, target))}
                for target, of_target in of_setting.groupby("target", sort=False)
            ]
            rows += [{**keys, "target": "", **_mean_correlation(target_rows)}, *target_rows]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"sources": "Int64", "targets": "Int64"})


def _target_correlation(gains: pd.DataFrame, distances: pd.DataFrame, task: str) -> dict[str, Any]:
    """Return the correlation over the sources of one target."""
    if task not in distances.columns:
        return {"sources": 0, "tau": np.nan, "reason": f"the distances have no target {task}"}
    near = -distances[task].reindex(gains["source"]).to_numpy(dtype=float)
    gain = gains["gain"].to_numpy(dtype=float)
    both = np.isfinite(near) & np.isfinite(gain)
    tau, reason = weighted_tau(near[both], gain[both])
    return {"sources": int(both.sum()), "tau": tau, "reason": reason}


def weighted_tau(near: np.ndarray, gain: np.ndarray) -> tuple[float, str]:
    """Return the weighted Kendall's tau of nearness and gain of sources, or NaN and the reason."""
    from scipy.stats import weightedtau

    if len(near) < FEWEST:
        return np.nan, f"too few sources with a gain and a distance: {len(near)}, and {FEWEST} or more are needed"
    for name, values in (("distances", near), ("gains", gain)):
        if np.ptp(values) == 0:
            return np.nan, f"all {name} are equal"
    return float(weightedtau(near, gain).statistic), ""


def _mean_correlation(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean over targets that have a correlation, with its interval."""
    defined = [row for row in rows if not np.isnan(row["tau"])]
    if not defined:
        return {"sources": 0, "targets": 0, "tau": np.nan, "reason": rows[0]["reason"]}
    taus = np.array([row["tau"] for row in defined])
    counts = {"sources": min(row["sources"] for row in defined), "targets": len(taus), "tau": float(taus.mean())}
    if len(taus) < 2:
        return counts | {"reason": "a single target: no bootstrap over targets"}
    drawn = np.random.default_rng(0).integers(len(taus), size=(DRAWS, len(taus)))
    low, high = np.percentile(taus[drawn].mean(axis=1), [2.5, 97.5])
    return counts | {"tau_low": float(low), "tau_high": float(high), "reason": ""}


def as_text(table: pd.DataFrame) -> str:
    """Return the correlations over all targets as a table for a terminal."""
    rows = table[table["target"] == ""]
    view = rows[["measure", "setting", "metric", "targets", "sources"]].copy()
    if (view["setting"] == "").all():
        view = view.drop(columns="setting")
    view["weighted tau"] = numbers(rows["tau"], "{:+.3f}")
    view["95 % interval"] = intervals(rows["tau_low"], rows["tau_high"], "{:+.3f}")
    view["reason"] = rows["reason"]
    return view.to_string(index=False)
