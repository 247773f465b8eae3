"""Curves: metrics of procedures over the number of training samples, or over another argument of a tag."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mml_lib.errors import MMLError
from mml_lib.evaluation.comparisons.table_texts import intervals, notes_on
from mml_lib.evaluation.comparisons.tested import TestedNetwork, by_procedure, metrics_of, samples_of
from mml_lib.evaluation.procedures import NETWORKS, PROCEDURE, Networks, estimate, shared_folds
from mml_lib.evaluation.resampled import Resampled

COLUMNS = [
    *("curve", "procedure", "metric", "x", "value", "samples", "tested", "subsets", "runs", "folds", "networks"),
    *("mean", "std", "ci_low", "ci_high", "about", "reason"),
]

SUBSETS = "subsets"
"""Subject of an interval: other subsets of this size, and other trainings."""

ABOUT = {
    SUBSETS: "95 % intervals about subsets are of the expected metric of one training on another subset of this size, "
    "with another seed and fold, on new test samples.",
    PROCEDURE: "95 % intervals about the procedure are of one training on this particular subset, with another seed "
    "and fold, on new test samples: a single seed of the tag gives no information about other subsets.",
    NETWORKS: "95 % intervals about networks are of a single network on new test samples.",
}
"""Sentences on the subject of an interval."""


@dataclass(frozen=True)
class Level:
    """The networks of a procedure at one place of a curve.

    Args:
        x: place on the axis.
        value: first argument of the tag; NaN for the task without the tag.
        networks: networks of all subsets, runs and folds.
    """

    x: float
    value: float
    networks: Sequence[TestedNetwork]

    @property
    def subsets(self) -> int:
        """Number of subsets (seeds of the tag)."""
        return len({network.point.seed for network in self.networks})

    def units(self) -> Networks:
        """Return the networks by repetition and fold.

        Repetitions are the subsets, each with the mean over its runs; or the runs, if there is a single subset.
        """
        runs: dict[int, dict[str, dict[int, Resampled]]] = {}
        for network in self.networks:
            runs.setdefault(network.point.seed, {}).setdefault(network.run, {})[network.fold] = network.metrics
        if len(runs) == 1:
            return next(iter(runs.values()))
        return {f"subset {subset}": _mean(subset_runs) for subset, subset_runs in sorted(runs.items())}


def _mean(runs: Networks) -> dict[int, Resampled]:
    """Return the mean over runs of each fold that all of them have."""
    return {fold: _mean_network([run[fold] for run in runs.values()]) for fold in shared_folds(runs.values())}


def _mean_network(networks: Sequence[Resampled]) -> Resampled:
    resamples = min(network.draws.shape[1] for network in networks)
    draws = np.mean([network.draws[:, :resamples] for network in networks], axis=0)
    return replace(networks[0], values=np.mean([network.values for network in networks], axis=0), draws=draws)


def levels_of(networks: Iterable[TestedNetwork], counted: bool) -> list[Level]:
    """Return the places of a procedure's curve, from left to right.

    Args:
        networks: networks of one procedure.
        counted: True if places are mean numbers of training samples; otherwise they are arguments of the tag, and 0 for
            the task without the tag.
    """
    by_value: dict[float, list[TestedNetwork]] = {}
    for network in networks:
        value = network.point.value
        by_value.setdefault(np.inf if value is None else float(value), []).append(network)
    levels = []
    for value, members in by_value.items():
        argument = np.nan if np.isinf(value) else value
        x = float(np.mean([network.trained for network in members])) if counted else float(np.nan_to_num(argument))
        levels.append(Level(x, argument, members))
    return sorted(levels, key=lambda level: level.x)


def curve_table(name: str, networks: Sequence[TestedNetwork], counted: bool) -> pd.DataFrame:
    """Return a row for each procedure, metric and place of a curve.

    Args:
        name: name of the curve.
        networks: networks of all tasks of the curve.
        counted: see `levels_of`.

    Returns:
        `curve procedure metric x value samples tested subsets runs folds networks mean std ci_low ci_high about
        reason`: the mean number of training `samples`, the number of `tested` samples, the number of seeds of the tag
        (`subsets`), mean and standard deviation over networks, the 95 % interval and its subject (see `ABOUT`), or the
        reason for a missing interval.

    Raises:
        MMLError: networks are tested on different samples.
    """
    _check_samples(name, networks)
    rows = []
    for procedure, members in by_procedure(networks).items():
        for level in levels_of(members, counted):
            labels = {
                "curve": name,
                "procedure": procedure,
                "x": level.x,
                "value": level.value,
                "samples": float(np.mean([network.trained for network in level.networks])),
                "tested": samples_of(level.networks),
                "subsets": level.subsets,
                "runs": len({(network.point.seed, network.run) for network in level.networks}),
                "folds": len({network.fold for network in level.networks}),
                "networks": len(level.networks),
            }
            rows += [{**labels, **_estimate(level, metric)} for metric in metrics_of(level.networks)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _estimate(level: Level, metric: str) -> dict:
    """Return the columns of one metric at a place of a curve."""
    interval = estimate(level.units(), metric)
    values = np.array([network.metrics.value(metric) for network in level.networks])
    values = values[~np.isnan(values)]
    kind = SUBSETS if level.subsets > 1 and interval.about == PROCEDURE else interval.about
    return {
        "metric": metric,
        "mean": interval.mean,
        "std": float(values.std(ddof=1)) if len(values) > 1 else np.nan,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "about": kind,
        "reason": interval.reason,
    }


def _check_samples(name: str, networks: Iterable[TestedNetwork]) -> None:
    first: dict[int, TestedNetwork] = {}
    for network in networks:
        other = first.setdefault(network.fold, network)
        if other.metrics.sample_set != network.metrics.sample_set:
            raise MMLError(
                f"the curve {name}: {other.task} and {network.task} are tested on different samples, so their metrics "
                "make no curve; give them the same test split"
            )


def sentences(table: pd.DataFrame) -> list[str]:
    """Return the sentences on the test samples and the intervals of a curve."""
    tested = int(table["tested"].max())
    of_intervals = notes_on(table["about"][table["ci_low"].notna()], ABOUT)
    return [f"All points are tested on the same {tested:,} samples, which the tag does not change.", *of_intervals]


def as_text(table: pd.DataFrame, label: str) -> str:
    """Return a curve as a table for a terminal.

    Args:
        table: result of `curve_table`.
        label: label of the axis.
    """
    view = table[["procedure", "metric"]].copy()
    view[label] = table["x"].map("{:g}".format)
    for column in ("subsets", "runs", "folds"):
        view[column] = table[column]
    view["mean"] = table["mean"].map("{:.4f}".format)
    ends = intervals(table["ci_low"], table["ci_high"])
    view["95 % interval"] = ends.where(table["ci_low"].notna(), table["reason"])
    if not view["procedure"].any():
        view = view.drop(columns="procedure")
    return "\n".join([view.to_string(index=False), *sentences(table)])
