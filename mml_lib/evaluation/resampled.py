"""Resampled metrics of one network's predictions, on the same resamples as those of all other networks.

Resamples depend only on the samples: predictions of the same samples in the same groups have the same resamples, in
any order, run, step and project. Therefore differences between networks can be computed from their files.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.evaluation.bootstrap import resampled
from mml_lib.files.atomic import write_whole
from mml_lib.files.containers import reading_arrays
from mml_lib.files.formats import FORMATS
from mml_lib.metrics import find_metric
from mml_lib.metrics.shares import share
from mml_lib.predictions.scores import values_of
from mml_lib.task_types import TASK_TYPES

FORMAT = FORMATS["resampled_metrics"]
NO_WEIGHT = "all samples have the weight 0"
"""Reason why metrics of samples without weight are undefined."""
Groups = Mapping[str, str | None]
"""Group of each sample by its id; None or empty without a group."""


@dataclass(frozen=True)
class Resampled:
    """Named metrics of one network or ensemble on its test samples, and on resamples of these.

    Args:
        metrics: names of the metrics, M.
        values: values on the samples, M (float64); NaN if undefined.
        draws: values on each resample, M×R (float64).
        sample_set: digest of the ids of the samples, their groups and their weights.
        units: number of resampled units for each metric, M: groups, or samples without groups; with weights, the
            effective number of samples (Kish 1965).
        effective: effective number of units of equal weight for each metric, M (Kish 1965). The weight of a group is
            the sum over its samples. If pixels are pooled, the weight of an image is its number of pixels of a class,
            and the result is the mean over classes.
        balance: effective share of the samples for metrics that depend on rare classes, M, in (0, 1]; 1 for equally
            frequent classes.
        reason: reason why metrics per group, or all metrics, are undefined; empty if they are defined.
        task_type: task type of the predictions; empty in files of earlier versions.
        fold_values: for pooled predictions of K networks, the values of each network on its own samples, M×K.
        fold_draws: the same values on resamples of their samples, M×K×R.
    """

    metrics: Sequence[str]
    values: np.ndarray
    draws: np.ndarray
    sample_set: str
    units: np.ndarray
    effective: np.ndarray
    balance: np.ndarray
    reason: str = ""
    task_type: str = ""
    fold_values: np.ndarray | None = None
    fold_draws: np.ndarray | None = None

    @property
    def folds(self) -> int:
        """Number of networks behind the predictions: the number of folds for pooled predictions, else 1."""
        return 1 if self.fold_values is None else self.fold_values.shape[1]

    def place(self, metric: str) -> int:
        """Return the row of a metric."""
        return list(self.metrics).index(metric)

    def value(self, metric: str) -> float:
        """Return the value of a metric; NaN if it is not among the metrics."""
        return float(self.values[self.place(metric)]) if metric in self.metrics else float("nan")

    def by_metric(self) -> dict[str, float]:
        """Return the value of each metric by its name."""
        return dict(zip(self.metrics, self.values.tolist(), strict=True))

    def join(self, other: "Resampled") -> "Resampled":
        """Return these metrics followed by other metrics of the same samples."""
        rows = ("values", "draws", "units", "effective", "balance")
        joined: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in rows}
        if self.fold_values is not None and self.fold_draws is not None:
            joined["fold_values"] = _padded(self.fold_values, other.fold_values, len(other.metrics))
            joined["fold_draws"] = _padded(self.fold_draws, other.fold_draws, len(other.metrics))
        return replace(self, metrics=[*self.metrics, *other.metrics], reason=self.reason or other.reason, **joined)

    def write(self, path: str | Path) -> None:
        """Write an `.npz` file atomically."""
        arrays = {key: value for key, value in asdict(self).items() if value is not None}
        arrays["metrics"] = np.array(self.metrics, dtype=np.str_)
        with write_whole(path) as temporary:
            np.savez(temporary, **FORMAT.stamp, **arrays)


def _padded(rows: np.ndarray, further: np.ndarray | None, number: int) -> np.ndarray:
    """Return rows of metrics followed by further rows, which are NaN if the other metrics have none."""
    missing = np.full((number, *rows.shape[1:]), np.nan)
    return np.concatenate([rows, missing if further is None else further])


def read_resampled(path: str | Path) -> Resampled:
    """Read resampled metrics. Pickled arrays are refused.

    Raises:
        MMLError: the file is missing, damaged, or of a newer format.
    """
    with reading_arrays(path, "resampled_metrics") as content:
        metrics = content["metrics"].tolist()
        rows = {key: np.broadcast_to(content[key], len(metrics)) for key in ("units", "effective", "balance")}
        texts = {name: str(content.get(name, "")) for name in ("reason", "task_type")}  # older files lack these
        texts["sample_set"] = str(content["sample_set"])
        return Resampled(**content | rows | texts | {"metrics": metrics})


def resample(
    task_type: str,
    metrics: Sequence[str],
    arguments: Sequence[np.ndarray],
    ids: np.ndarray,
    resamples: int,
    groups: Groups | None = None,
    seed: int = 0,
    weights: np.ndarray | None = None,
) -> Resampled:
    """Return the metrics of predictions on their samples and on resamples of them.

    Args:
        task_type: task type of the predictions.
        metrics: names of metrics of this type.
        arguments: arguments of the metrics for `mml_lib.evaluation.bootstrap.resampled`, N samples each.
        ids: ids of the samples, N.
        resamples: number of resamples, 0 or more.
        groups: group of each sample, by id; whole groups are drawn.
        seed: number that is added to the seed of the samples.
        weights: weights of the samples, N; None: equal weights.
    """
    order = np.argsort(ids, kind="stable")
    ids, arguments = np.asarray(ids)[order].astype(str), [argument[order] for argument in arguments]
    if weights is not None:
        arguments, ids, weights = with_weight(arguments, ids, weights[order])
        if not len(ids):
            return undefined(metrics, ids, resamples, NO_WEIGHT)
    keys = unit_keys(ids, groups)
    members, numbers = np.unique(keys, return_inverse=True)
    digest = hashlib.sha256("\n".join([*ids.tolist(), *keys]).encode()).hexdigest()
    draws = np.empty((len(metrics), 0))
    if resamples and metrics:
        grouped = numbers if len(members) < len(ids) else None
        drawn = resampled(task_type, metrics, arguments, resamples, int(digest[:12], 16) + seed, grouped, weights)
        draws = np.array([drawn[name] for name in metrics]).reshape(len(metrics), -1)
    values = values_of(task_type, metrics, arguments, weights)
    row_values = np.array([values[name] for name in metrics])
    units, counted = len(members), np.ones(len(ids))
    if weights is not None:
        digest = hashlib.sha256(digest.encode() + weights.tobytes()).hexdigest()
        units, counted = _units(numbers, weights), weights
    effective = _effective_units(task_type, metrics, numbers, arguments[1], counted)
    balances = _balances(task_type, metrics, arguments, counted)
    rows = np.full(len(metrics), units)
    return Resampled(metrics, row_values, draws, digest[:16], rows, effective, balances, task_type=task_type)


def with_weight(
    arguments: Sequence[np.ndarray], ids: np.ndarray, weights: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray | None]:
    """Return the samples whose weight is not 0.

    Args:
        arguments: arguments of metrics, N samples each.
        ids: ids of the samples, N.
        weights: weights of the samples, N.

    Returns:
        Arguments, ids and weights of these samples; None instead of equal weights, which change nothing.
    """
    rows = weights > 0
    kept = weights[rows]
    return [argument[rows] for argument in arguments], ids[rows], None if (kept == kept[:1]).all() else kept


def unit_keys(ids: np.ndarray, groups: Groups | None) -> list[str]:
    """Return the key of each sample's group, N. A sample without a group is a group of its own."""
    names = [str((groups or {}).get(id_) or "") for id_ in ids.tolist()]
    return [f"group {name}" if name else f"sample {id_}" for name, id_ in zip(names, ids.tolist(), strict=True)]


def undefined(metrics: Sequence[str], ids: np.ndarray, resamples: int, reason: str = "") -> Resampled:
    """Return metrics of NaN, with the reason why they are undefined."""
    number, nothing = len(metrics), np.full((len(metrics), resamples), np.nan)
    units = np.full(number, len(ids))
    none = np.full(number, np.nan)
    return Resampled(metrics, none, nothing, "", units, units.astype(float), np.ones(number), reason)


def _units(numbers: np.ndarray, weights: np.ndarray) -> int:
    """Return the equivalent number of units with equal weights; 2 or more, unless there is 1 unit.

    Unequal weights reduce the number of units by the same factor as the effective number of units. Groups of different
    sizes do not reduce it.
    """
    number = int(numbers.max()) + 1
    reduced = number * _effective(numbers, weights) / _effective(numbers, np.ones(len(numbers)))
    return round(min(max(reduced, min(number, 2)), number))


def _effective_units(
    task_type: str, metrics: Sequence[str], numbers: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the effective number of units of each metric, M."""
    plain = _effective(numbers, weights)
    pooled = [(metric := find_metric(task_type, name)) is not None and metric.pooled for name in metrics]
    if not any(pooled):
        return np.full(len(metrics), plain)
    return np.where(pooled, _effective(numbers, targets * weights[:, None]), plain)


def _effective(numbers: np.ndarray, weights: np.ndarray) -> float:
    """Return the effective number of units (Kish 1965); 2 or more, unless there is 1.

    Args:
        numbers: index of the unit of each sample, N.
        weights: weights of the samples, N, or for each class, N×classes.
    """
    weights = weights.reshape(len(numbers), -1).astype(np.float64)
    unit_weights = np.zeros((int(numbers.max()) + 1, weights.shape[1]))
    np.add.at(unit_weights, numbers, weights)
    squares = (unit_weights**2).sum(axis=0)
    weighted = squares > 0
    effective = float((unit_weights.sum(axis=0)[weighted] ** 2 / squares[weighted]).mean()) if weighted.any() else 1.0
    return max(effective, float(min(len(unit_weights), 2)))


def _balances(
    task_type: str, metrics: Sequence[str], arguments: Sequence[np.ndarray], weights: np.ndarray
) -> np.ndarray:
    """Return the effective share of the samples, by weight, for each metric of classes, M."""
    balances = np.full(len(metrics), _balance(task_type, weights, *arguments[1:3]))
    if TASK_TYPES[task_type].is_single_label and arguments[0].shape[1] == 2:
        predicted, targets = arguments[0].argmax(axis=1) == 1, arguments[1]
        chosen = {"positives": targets == 1, "negatives": targets == 0, "predicted": predicted}
        for place, name in enumerate(metrics):
            if (metric := find_metric(task_type, name)) and (deciding := metric.deciding):
                balances[place] = max(weights @ chosen[deciding] / weights.sum(), 1 / len(targets))
    return balances


def _balance(task_type: str, weights: np.ndarray, targets: np.ndarray, is_known: np.ndarray | None = None) -> float:
    """Return the harmonic mean of class sizes divided by their mean; the mean over labels; 1 for other task types.

    Samples whose label is unknown do not count for this label.
    """
    if TASK_TYPES[task_type].is_single_label:
        shares = np.bincount(np.unique(targets, return_inverse=True)[1], weights) / weights.sum()
        return float(len(shares) ** 2 / (1 / shares).sum())
    if TASK_TYPES[task_type].is_multilabel:
        if is_known is None:
            shares = weights @ targets / weights.sum()
            balances = 4 * shares * (1 - shares)
        else:
            amounts = weights @ is_known
            shares = share(weights @ targets, amounts)
            balances = np.nan_to_num(4 * shares * (1 - shares) * amounts / weights.sum())
        return float(balances[balances > 0].mean()) if (balances > 0).any() else 1.0
    return 1.0
