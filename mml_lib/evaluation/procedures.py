"""Procedures: estimates of their metrics, and of the difference between two.

Runs that differ only in their seed are repetitions of one procedure. Its networks, one for each run and fold, are its
trainings. An estimate refers to the expected metric of one network that the procedure trains: on new test samples
(whole groups, if there are groups), over trainings that differ by seed and held-out fold, given this training set. With
a single network it refers to this network only, because the variance between trainings is unknown.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mml_lib.config.metric_options import PER_GROUP
from mml_lib.evaluation.intervals import difference, interval
from mml_lib.evaluation.resampled import Resampled
from mml_lib.evaluation.variances import Cells, uncertainty

PROCEDURE, NETWORKS = "procedure", "networks"
"""Subject of an interval or a comparison: all trainings by a procedure, or only these networks."""

Networks = Mapping[str, Mapping[int, Resampled]]
"""Networks by run and fold; the fold of an ensemble may be any number."""


class Estimate(NamedTuple):
    """A metric of a procedure.

    Args:
        mean: mean over the networks that define the metric.
        std: standard deviation between these networks; NaN for a single one.
        low, high: ends of the 95 % interval; NaN if there is none.
        networks: number of networks that define the metric.
        about: subject of the interval, `procedure` or `networks` (these networks only).
        reason: reason for a missing interval; empty if there is one.
    """

    mean: float
    std: float
    low: float
    high: float
    networks: int
    about: str
    reason: str


class Comparison(NamedTuple):
    """Difference between the means of two procedures, with its 95 % interval and two-sided p.

    Args:
        difference: mean of the first procedure less that of the second.
        low, high: ends of the 95 % interval; NaN if there is none.
        p: two-sided p value; NaN if there is none.
        about: subject of the interval, `procedure` or `networks` (these networks only).
        reason: reason for a missing interval; empty if there is one.
    """

    difference: float
    low: float
    high: float
    p: float
    about: str
    reason: str


def estimate(networks: Networks, metric: str, about: str = PROCEDURE) -> Estimate:
    """Return the mean of a metric over networks, with an interval about their procedure or these networks only."""
    cells = _cells([networks], metric)[0]
    if cells is None:
        return Estimate(np.nan, np.nan, np.nan, np.nan, 0, NETWORKS, _undefined(networks, metric))
    number, mean = cells.values.size, float(cells.values.mean())
    std = float(cells.values.std(ddof=1)) if number > 1 else np.nan
    spread = uncertainty(cells, trainings=about == PROCEDURE)
    tested = [network for network in _networks(networks) if metric in network.metrics]
    balance = min(network.balance[network.place(metric)] for network in tested)
    low, high = interval(metric, mean, spread, balance, tested[0].task_type)
    reason = _reason(cells) if np.isnan(low) else ""
    return Estimate(mean, std, low, high, number, PROCEDURE if spread.trainings else NETWORKS, reason)


def _undefined(networks: Networks, metric: str) -> str:
    """Return the reason why no network defines a metric."""
    per_group = metric.endswith(PER_GROUP)
    reasons = [network.reason for network in _networks(networks) if per_group or np.isnan(network.values).all()]
    return next(filter(None, reasons), "targets and predictions leave the metric undefined")


def _networks(networks: Networks) -> list[Resampled]:
    return [network for folds in networks.values() for network in folds.values()]


def _reason(cells: Cells) -> str:
    """Return the reason for a missing interval."""
    if not cells.draws.shape[-1]:
        return "no resamples (bootstrap: 0)"
    if np.isnan(cells.draws).all():
        return "metrics by _target_ are not resampled"
    if min(units for units, _ in cells.sets.values()) < 2:
        return "a single sample or group"
    if np.isnan(cells.draws).any(axis=(0, 1)).mean() > 0.9:
        return "few resamples define the metric"
    return "all resamples agree"


def compare_procedures(first: Networks, second: Networks, metric: str, about: str = PROCEDURE) -> Comparison:
    """Return the mean of a metric over the first networks less that over the second, paired by samples and folds."""
    first_cells, second_cells = _cells([first, second], metric)
    if first_cells is None or second_cells is None:
        undefined = first if first_cells is None else second
        return Comparison(np.nan, np.nan, np.nan, np.nan, NETWORKS, _undefined(undefined, metric))
    value = float(less(first_cells.values.mean(), second_cells.values.mean()))
    spread = uncertainty(first_cells, second_cells, trainings=about == PROCEDURE)
    ends = difference(metric, value, spread, _networks(first)[0].task_type)
    reason = (_reason(first_cells) or _reason(second_cells)) if np.isnan(ends.p) else ""
    return Comparison(*ends, PROCEDURE if spread.trainings else NETWORKS, reason)


def less(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return first less second, elementwise; 0 if they differ by rounding only, as sums in different orders do."""
    gap = first - second
    return np.where(np.abs(gap) <= 1e-12 * (np.abs(first) + np.abs(second)), 0, gap)


# --- networks as a table of runs and folds ------------------------------------------------------------------------


def _cells(procedures: Sequence[Networks], metric: str) -> list[Cells | None]:
    """Return one metric of each procedure's networks, on the folds that all their runs have and that define the metric.

    Without such a fold, procedures and runs are not paired: each network is a run of its own. None: the metric is
    undefined for all networks of a procedure.
    """
    folds = shared_folds(folds for networks in procedures for folds in networks.values())
    folds = [fold for fold in folds if all(_defines(networks, fold, metric) for networks in procedures)]
    if folds:
        return [_table([[run[fold] for fold in folds] for run in networks.values()], metric) for networks in procedures]
    tables = []
    for networks in procedures:
        defined = [network for network in _networks(networks) if not np.isnan(network.value(metric))]
        tables.append(_table([[network] for network in defined], metric) if defined else None)
    return tables


def shared_folds(runs: Iterable[Mapping[int, Resampled]]) -> list[int]:
    """Return the folds that all runs have."""
    first, *others = runs
    return [fold for fold in first if all(fold in folds for folds in others)]


def _defines(networks: Networks, fold: int, metric: str) -> bool:
    return not any(np.isnan(folds[fold].value(metric)) for folds in networks.values())


def _table(networks: Sequence[Sequence[Resampled]], metric: str) -> Cells:
    """Return one metric of networks, runs×folds."""
    place = networks[0][0].place(metric)
    resamples = min(network.draws.shape[1] for run in networks for network in run)
    values = np.array([[network.values[place] for network in run] for run in networks])
    draws = np.array([[network.draws[place, :resamples] for network in run] for run in networks])
    sets = {
        network.sample_set: (int(network.units[place]), float(network.effective[place]))
        for run in networks
        for network in run
    }
    names = np.array([[network.sample_set for network in run] for run in networks])
    return Cells(values, draws, sets, names, _pooled([run[0] for run in networks], place))


def _pooled(runs: Sequence[Resampled], place: int) -> Cells | None:
    """Return one metric of the networks behind pooled predictions, runs×folds; None if runs have different folds."""
    pooled = [(run.fold_values, run.fold_draws) for run in runs if run.fold_values is not None]
    rows = [(values[place], draws[place]) for values, draws in pooled if draws is not None]
    if len(rows) < len(runs) or len({run.folds for run in runs}) > 1:
        return None
    number, resamples = runs[0].folds, min(draws.shape[-1] for _, draws in rows)
    values = np.array([values for values, _ in rows])
    draws = np.array([draws[:, :resamples] for _, draws in rows])
    sets = {run.sample_set: (int(run.units[place]) // number, float(run.effective[place]) / number) for run in runs}
    return Cells(values, draws, sets, np.array([[run.sample_set] * number for run in runs]))
