"""Results of the networks of a task that figures show, by run and fold."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mml_lib.errors import MMLError
from mml_lib.evaluation.comparisons.leaderboard import KEYS, ordered, standings
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.evaluation.out_of_fold import pool_out_of_fold, with_folds
from mml_lib.evaluation.run_comparison import resample_runs
from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.files.checksums import verify
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, read_predictions, weighed
from mml_lib.tasks.description import TaskDescription

Networks = Mapping[str, Sequence[Mapping[str, str]]]
"""Kind of file: `run` and `fold` of the network of each file."""

logger = logging.getLogger(__name__)

METRICS = 4
"""Metrics of a leaderboard that are drawn, the main one first."""

Item = TypeVar("Item")
Predictions = Mapping[str, Mapping[int, AnyPredictions]]


@dataclass(frozen=True)
class RunResults:
    """Results of the networks of a task.

    Attributes:
        labels: display names by run id.
        histories, tunings, predictions, calibrated: by the run and fold of their display names; predictions are finite.
        ensembles: by trained task.
        tables: of a comparison, by name; empty without one.
    """

    labels: Mapping[str, RunLabel]
    histories: Mapping[str, Mapping[int, pd.DataFrame]]
    tunings: Mapping[str, Mapping[int, Any]]
    predictions: Mapping[str, Mapping[int, AnyPredictions]]
    calibrated: Mapping[str, Mapping[int, AnyPredictions]]
    ensembles: Mapping[str, EnsembleStorage]
    tables: Mapping[str, pd.DataFrame]

    @classmethod
    def read(
        cls,
        labels: Mapping[str, RunLabel],
        networks: Networks,
        history: Sequence[str],
        tuning: Iterable[Any],
        predictions: Sequence[str],
        calibrated: Sequence[str],
        ensemble: Sequence[str],
        tables: Sequence[str],
    ) -> "RunResults":
        """Read the files of networks, ensembles and comparisons; tunings are read already."""
        verify(*history, *tables)
        return cls(
            labels,
            by_run(networks["history"], map(pd.read_csv, history), labels),
            by_run(networks["tuning"], tuning, labels),
            usable(by_run(networks["predictions"], map(read_predictions, predictions), labels)),
            by_run(networks["calibrated"], map(read_predictions, calibrated), labels),
            {storage.task: storage for storage in map(EnsembleStorage.read, ensemble)},
            {Path(path).stem: read_comparison(path) for path in tables},
        )

    def standing(
        self,
        task: TaskDescription,
        metrics: Sequence[str],
        resamples: int,
        per_group: str,
        out_of_fold: bool,
        weighted: bool = False,
    ) -> pd.DataFrame | None:
        """Return the metrics of procedures: those of the leaderboard, or else of the predictions by `standing_of`."""
        if "leaderboard" in self.tables:
            return long_form(self.tables["leaderboard"])
        weights = task.weights_by_id if weighted else None
        runs = {
            run: {fold: weighed(predictions, weights) for fold, predictions in folds.items()}
            for run, folds in self.predictions.items()
        }
        procedures = procedures_of(self.labels)
        return standing_of(runs, metrics, resamples, task.by_id("group"), procedures, per_group, out_of_fold)

    @property
    def delivered(self) -> dict[str, Mapping[int, AnyPredictions]]:
        """Predictions for leaderboards, by run and fold: calibrated ones if all folds of a run have them."""
        return {
            run: self.calibrated[run] if self.calibrated.get(run, {}).keys() == folds.keys() else folds
            for run, folds in self.predictions.items()
        }

    def order(self, standing: pd.DataFrame | None) -> list[str]:
        """Return the runs, the best first."""
        return best_first(standing, dict.fromkeys(label.run for label in self.labels.values()))


# --- results by run -----------------------------------------------------------------------------------------------


def by_run(
    networks: Iterable[Mapping[str, str]], items: Iterable[Item], labels: Mapping[str, RunLabel]
) -> dict[str, dict[int, Item]]:
    """Return the items of networks by the run and fold of their display names.

    Args:
        networks: `run` and `fold` of each network.
        items: items, one for each network.
        labels: display names by run id.
    """
    items_of: dict[str, dict[int, Item]] = {}
    for network, item in zip(networks, items, strict=True):
        label = labels[network["run"]]
        fold = int(network["fold"]) if label.fold is None else label.fold
        items_of.setdefault(label.run, {})[fold] = item
    return items_of


def usable(runs: Predictions) -> dict[str, dict[int, AnyPredictions]]:
    """Return predictions without those of diverged networks, which are not finite."""
    finite = {}
    for run, folds in runs.items():
        kept = {fold: predictions for fold, predictions in folds.items() if _is_finite(predictions)}
        if len(kept) < len(folds):
            logger.warning("run %s: outputs of %d networks are not finite, and not drawn", run, len(folds) - len(kept))
        if kept:
            finite[run] = kept
    return finite


def _is_finite(predictions: AnyPredictions) -> bool:
    return isinstance(predictions, MaskPredictions) or bool(np.isfinite(predictions.logits).all())


def procedures_of(labels: Mapping[str, RunLabel]) -> dict[str, list[str]]:
    """Return the runs of each procedure that has several, by their ids in tables."""
    runs: dict[str, dict[str, None]] = {}
    for label in labels.values():
        runs.setdefault(label.procedure, {})[label.run] = None
    return {procedure: list(of_procedure) for procedure, of_procedure in runs.items() if len(of_procedure) > 1}


def standing_of(
    runs: Predictions,
    metrics: Sequence[str],
    resamples: int,
    groups: Mapping[str, str | None] | None = None,
    procedures: Mapping[str, Sequence[str]] | None = None,
    per_group: str = "mean",
    out_of_fold: bool = False,
) -> pd.DataFrame | None:
    """Return the metrics of procedures with intervals; None if they are not requested or undefined.

    With `out_of_fold`, the predictions of the folds of a run are pooled: each sample has one.
    """
    if not (runs and metrics and resamples):
        return None
    resample = partial(resample_runs, groups=groups, procedures=procedures, per_group=per_group)
    try:
        resampled = resample(runs, metrics[:METRICS], resamples)
        if out_of_fold:
            pooled = {run: {0: pool_out_of_fold(folds, f"run {run}")} for run, folds in runs.items()}
            resampled = with_folds(resample(pooled, metrics[:METRICS], resamples), resampled)
    except MMLError as error:
        logger.warning("no leaderboard: %s", error)
        return None
    return standings(resampled)


def read_comparison(path: str | Path) -> pd.DataFrame:
    """Read a table of a comparison. Ids are texts, even if they have only digits; missing ids are empty."""
    names = [*KEYS, "other", "label"]
    table = pd.read_csv(path, dtype=dict.fromkeys(names, str))
    return table.fillna(dict.fromkeys([name for name in names if name in table], ""))


LONG = {
    "rank": "_rank",
    "mean": "",
    "std": "_std",
    "ci_low": "_low",
    "ci_high": "_high",
    "about": "_about",
    "reason": "_reason",
    **{key: f"_{key}" for key in ("difference", "difference_low", "difference_high", "p_holm", "among_best")},
}
"""Columns of a leaderboard in long form, with the suffixes of metric columns."""


def long_form(board: pd.DataFrame) -> pd.DataFrame:
    """Return a leaderboard in long form, with one row for each metric, in its order."""
    metrics = [column.removesuffix("_among_best") for column in board if column.endswith("_among_best")]
    keys = [key for key in (*KEYS, "label", "runs", "folds") if key in board]
    tables = []
    for metric in metrics:
        table = board[keys].assign(**{name: board[f"{metric}{end}"] for name, end in LONG.items()})
        table.insert(0, "metric", metric)
        tables.append(ordered(table))
    return pd.concat(tables, ignore_index=True)


def best_first(standing: pd.DataFrame | None, runs: Iterable[str]) -> list[str]:
    """Return runs in the order of their main metric, those of a procedure together; unsorted without one."""
    if standing is None:
        return list(runs)
    main = ordered(standing[standing["metric"] == standing["metric"].iloc[0]])
    order = [run for run in main["run"] if run]
    return [*order, *(run for run in runs if run not in order)]
