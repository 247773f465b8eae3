"""Answers: which run is best, how sure that is, and what it is worth for each class and group; as tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mml_lib.postprocessing.comparison import Resamples, compare, compare_folds, resample_runs
from mml_lib.postprocessing.evaluation import evaluate
from mml_lib.postprocessing.leaderboard import leaderboard, standings
from mml_lib.postprocessing.predictions import MaskPredictions, Predictions
from mml_lib.postprocessing.subgroups import class_table, group_table
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.metadata import MOST_GROUPS, Column, sub_groups

ENSEMBLE = "ensemble"
"""What tables call the ensemble of all runs."""

CALIBRATED = ("log_loss", "brier", "calibration_error")
"""What calibration is to lower."""

AnyPredictions = Predictions | MaskPredictions


@dataclass
class Answer:
    """Test predictions of runs, fold by fold.

    Args:
        metrics: named metrics of the task type, the main one first.
        resamples: of the bootstrap; 0: as many as comparisons need.
        runs: predictions by run and fold.
        labels: what the study calls each run.
        sizes: of each fold, on how many samples networks were trained and tested.
        tasks: the description behind each fold.
        metadata: by column, what is said of each sample beside its group.
    """

    metrics: Sequence[str]
    resamples: int
    runs: dict[str, dict[int, AnyPredictions]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    tasks: dict[int, TaskDescription] = field(default_factory=dict)
    metadata: Mapping[str, Column] = field(default_factory=dict)

    def add(self, network: Mapping[str, Any], predictions: AnyPredictions, task: TaskDescription) -> None:
        """Add a network: its `fold`, as `shown` the run, label and fold that tables call it, and, where it has learned
        another task than this one, the `eval_task`. Tests over folds go by the training samples of this one.
        """
        shown = network["shown"]
        self.runs.setdefault(shown["run"], {})[shown["fold"]] = predictions
        self.labels[shown["run"]] = shown["label"]
        columns = task.column
        trained = (columns["split"] == "train") & (columns["fold"] != network["fold"])
        self.sizes[shown["fold"]] = (int(trained.sum()), len(predictions.ids))
        self.tasks[shown["fold"]] = task

    def add_ensembles(self, ensembles: Mapping[int, AnyPredictions]) -> None:
        """Add the ensemble, by fold where each has one of its own."""
        if ensembles:
            self.runs[ENSEMBLE] = dict(ensembles)
            self.labels[ENSEMBLE] = "of all runs"

    def resample(self) -> Resamples:
        """Return what each run is worth on the same resamples of the test samples."""
        return resample_runs(self.runs, self.metrics, self.resamples or 1000, pairs=True)

    def leaderboard(self, resamples: Resamples) -> pd.DataFrame:
        """Return a row for each run, the best first."""
        return leaderboard(
            standings(resamples), self.metrics[0], {run: {"label": label} for run, label in self.labels.items()}
        )

    def differences(self, resamples: Resamples) -> pd.DataFrame:
        """Return the paired bootstrap difference of each two runs."""
        return compare(resamples)

    def fold_tests(self, resamples: Resamples) -> pd.DataFrame:
        """Return the corrected resampled t-test of each two runs over their folds."""
        return compare_folds(resamples, {fold: self.sizes.get(fold, (1, 1)) for fold in self._folds()})

    def _folds(self) -> Iterable[int]:
        return dict.fromkeys(fold for folds in self.runs.values() for fold in folds)

    def classes(self) -> pd.DataFrame:
        """Return what each network is worth for each class; nothing of a regression."""
        return _stacked(
            (run, fold, class_table(predictions, self._task(fold).header["classes"], f"run {run}"))
            for run, folds in self.runs.items()
            for fold, predictions in folds.items()
            if predictions.task_type != "regression"
        )

    def groups(self) -> pd.DataFrame:
        """Return what each network is worth for each group of samples, where there are some and not too many: for each
        value of the column `group` and of metadata, of many different numbers for their quartiles in the data set.
        """
        told = {name: sub_groups(column) for name, column in self.metadata.items()}
        tables = []
        for run, folds in self.runs.items():
            for fold, predictions in folds.items():
                samples, ids = self._task(fold).samples, predictions.ids.tolist()
                columns = {"group": dict(zip(samples["id"], samples.get("group", ()), strict=False)), **told}
                tested = {name: {column.get(id_) for id_ in ids} - {None, ""} for name, column in columns.items()}
                usable = {name: columns[name] for name, found in tested.items() if 1 < len(found) <= MOST_GROUPS}
                if usable:
                    table = group_table(predictions, usable, self.metrics, self.resamples, where=f"run {run}")
                    tables.append((run, fold, table))
        return _stacked(tables)

    def calibration(self, calibrated: Mapping[str, Mapping[int, Predictions]]) -> pd.DataFrame:
        """Return what calibration did to each network: `run fold metric before after`."""
        rows = []
        for run, folds in calibrated.items():
            for fold, predictions in folds.items():
                before, after = (evaluate(each, CALIBRATED) for each in (self.runs[run][fold], predictions))
                rows += [(run, fold, metric, before[metric], after[metric]) for metric in CALIBRATED]
        return pd.DataFrame(rows, columns=["run", "fold", "metric", "before", "after"])

    def _task(self, fold: int) -> TaskDescription:
        return self.tasks.get(fold) or next(iter(self.tasks.values()))


def _stacked(tables: Iterable[tuple[str, int, pd.DataFrame]]) -> pd.DataFrame:
    """Return tables of networks below each other, led by `run` and `fold`."""
    told = []
    for run, fold, table in tables:
        led = table.copy()
        led.insert(0, "run", run)
        led.insert(1, "fold", fold)
        told.append(led)
    return pd.concat(told, ignore_index=True) if told else pd.DataFrame(columns=["run", "fold"])
