"""Answers to a study's question as tables: leaderboard, differences, tests, metrics of classes and of groups."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from mml_lib.evaluation.comparisons.leaderboard import ENSEMBLE, leaderboard, standings
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.evaluation.fold_table import ALL_FOLDS
from mml_lib.evaluation.out_of_fold import pool_out_of_fold, with_folds
from mml_lib.evaluation.run_comparison import (
    RESAMPLES,
    Resamples,
    compare,
    compare_ensembles,
    compare_folds,
    resample_runs,
)
from mml_lib.evaluation.subgroups import class_table, group_table
from mml_lib.predictions.predictions import AnyPredictions, weighed
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.metadata import MOST_GROUPS, Column, sub_groups

CALIBRATED = ("log_loss", "brier", "calibration_error")
"""Metrics that calibration is expected to lower."""


@dataclass(frozen=True)
class ComparedNetwork:
    """A network that tables compare.

    Args:
        task: task that is predicted.
        run: id of the run in tables.
        fold: fold in tables.
        label: label of the run.
        procedure: id of the procedure.
        procedure_label: label of the procedure.
        held_out: fold of the task that the network was not trained on.
        calibrated: True if the predictions are calibrated.
        baseline: True for a simple model on features, which is no member of ensembles.
    """

    task: str
    run: str
    fold: int
    label: str
    procedure: str
    procedure_label: str
    held_out: int
    calibrated: bool = False
    baseline: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "ComparedNetwork":
        """Return a network from params of a rule.

        `task`, `fold` and `shown` (names in tables) are required. `eval_task` is the predicted task, if it is another
        one than the task of the training.
        """
        names = params["shown"]
        return cls(
            task=params.get("eval_task", params["task"]),
            run=names["run"],
            fold=names["fold"],
            label=names["label"],
            procedure=names.get("procedure", names["run"]),
            procedure_label=names.get("procedure_label", names["label"]),
            held_out=params["fold"],
            calibrated=params.get("calibrated", False),
            baseline=params.get("baseline", False),
        )


@dataclass
class Answer:
    """Test predictions of runs, fold by fold.

    Args:
        metrics: named metrics of the task type, the main one first.
        resamples: number of bootstrap resamples; 0: comparisons use their default number.
        per_group: how the samples of a group are merged for metrics per group.
        weighted: True if metrics weigh samples that have weights.
        runs: predictions by run and fold.
        labels: label of each run and procedure.
        procedures: runs of each procedure.
        sizes: number of training samples and of test samples of each fold.
        tasks: task description of each fold.
        metadata: columns of the metadata by name, besides `group`.
        calibrated: by run and procedure, True if all its predictions are calibrated.
        folds: metrics of each run on its folds, if predictions are pooled over folds; otherwise None.
        baselines: runs of simple models on features.
        _sizes: number of runs among the members of each ensemble.
    """

    metrics: Sequence[str]
    resamples: int
    per_group: str = "mean"
    weighted: bool = False
    runs: dict[str, dict[int, AnyPredictions]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    procedures: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    tasks: dict[int, TaskDescription] = field(default_factory=dict)
    metadata: Mapping[str, Column] = field(default_factory=dict)
    calibrated: dict[str, bool] = field(default_factory=dict)
    folds: Resamples | None = None
    baselines: set[str] = field(default_factory=set)
    _sizes: list[int] = field(default_factory=list)

    def add(self, network: ComparedNetwork, predictions: AnyPredictions, task: TaskDescription) -> None:
        """Add a network.

        Args:
            network: the network.
            predictions: predictions of the test samples.
            task: the predicted task. Tests over folds use the number of its training samples.
        """
        self.runs.setdefault(network.run, {})[network.fold] = self._weighed(predictions, task)
        self.labels.setdefault(network.procedure, network.procedure_label)
        self.labels[network.run] = network.label
        self.baselines |= {network.run} if network.baseline else set()
        for name in (network.procedure, network.run):
            self.calibrated[name] = self.calibrated.get(name, True) and network.calibrated
        runs = self.procedures.setdefault(network.procedure, [])
        if network.run not in runs:
            runs.append(network.run)
        columns = task.column
        trained = (columns["split"] == "train") & (columns["fold"] != network.held_out)
        self.sizes[network.fold] = (int(trained.sum()), len(predictions.ids))
        self.tasks[network.fold] = task

    def add_ensemble(self, ensemble: EnsembleStorage, predictions: AnyPredictions, fold: int | None = None) -> None:
        """Add an ensemble.

        Args:
            ensemble: the ensemble.
            predictions: predictions of the test samples.
            fold: fold of these samples, if each fold has its own ensemble; None: one ensemble for all folds.
        """
        predictions = self._weighed(predictions, *self.tasks.values())
        self.runs.setdefault(ENSEMBLE, {})[ALL_FOLDS if fold is None else fold] = predictions
        self._sizes.append(len({(member.project, member.run) for member in ensemble.members}))
        candidates = [run for run in self.runs if run not in {ENSEMBLE, *self.baselines}]
        least, most = min(self._sizes), max(self._sizes)
        members = f"{least}" if least == most else f"{least} to {most}"
        elsewhere = any(member.project for member in ensemble.members)
        self.labels[ENSEMBLE] = f"of {members} runs" if elsewhere else f"of {members} of {len(candidates)} runs"
        calibrated = [self.calibrated.get(run, False) for run in candidates]
        self.calibrated[ENSEMBLE] = ensemble.calibration is not None or all(calibrated)

    @property
    def sample_groups(self) -> dict[str, str | None]:
        """Group of each sample, by id."""
        groups: dict[str, str | None] = {}
        for task in self.tasks.values():
            groups |= dict(zip(task.samples["id"], task.samples.get("group", ()), strict=False))
        return groups

    def resample(self) -> Resamples:
        """Return the metrics of each run on the same resamples of the test samples."""
        resamples = resample_runs(
            self.runs,
            self.metrics,
            self.resamples or RESAMPLES,
            groups=self.sample_groups,
            procedures=self.procedures,
            ensembles=[ENSEMBLE] if ENSEMBLE in self.runs else [],
            per_group=self.per_group,
        )
        return resamples if self.folds is None else with_folds(resamples, self.folds)

    def pooled(self) -> "Answer":
        """Return the answer for predictions that are pooled over folds, each sample once. Add ensembles afterwards.

        Raises:
            MMLError: a sample is in several folds.
        """
        runs = {run: {ALL_FOLDS: pool_out_of_fold(folds, f"run {run}")} for run, folds in self.runs.items()}
        return replace(self, runs=runs, folds=self.resample())

    def tables(self, uncalibrated: Mapping[str, Mapping[int, AnyPredictions]]) -> dict[str, pd.DataFrame]:
        """Return all tables of the answer, by the names of the outputs of the rule `compare_runs`.

        Args:
            uncalibrated: test predictions of calibrated networks before the calibration, by run and fold.
        """
        resamples = self.resample()
        return {
            "leaderboard": self.leaderboard(resamples),
            "differences": self.differences(resamples),
            "folds": self.fold_tests(resamples),
            "classes": self.classes(),
            "groups": self.groups(),
            "calibration": self.calibration(uncalibrated),
        }

    def leaderboard(self, resamples: Resamples) -> pd.DataFrame:
        """Return a row for each procedure, the best first, each followed by its runs, and the ensemble last."""
        texts: dict[str, dict[str, str]] = {run: {"label": label} for run, label in self.labels.items()}
        if any(self.calibrated.values()):
            for run, calibrated in self.calibrated.items():
                texts[run]["calibrated"] = "yes" if calibrated else "no"
        return leaderboard(standings(resamples), self.metrics[0], texts)

    def differences(self, resamples: Resamples) -> pd.DataFrame:
        """Return the difference of each pair of procedures, and of the ensemble to each procedure."""
        tables = [compare(resamples), compare_ensembles(resamples)]
        kept = [table for table in tables if len(table)] or tables[:1]
        return pd.concat(kept, ignore_index=True)

    def fold_tests(self, resamples: Resamples) -> pd.DataFrame:
        """Return the corrected resampled t-test of each pair of procedures over their folds."""
        by_fold = self.folds or resamples
        numbers = dict.fromkeys(fold for folds in by_fold.runs.values() for fold in folds)
        return compare_folds(by_fold, {fold: self.sizes.get(fold, (1, 1)) for fold in numbers})

    def classes(self) -> pd.DataFrame:
        """Return the metrics of each network and ensemble for each class; an empty table for a regression."""
        return _stacked(
            (run, fold, class_table(predictions, self._task(fold).header["classes"], f"run {run}"))
            for run, folds in self.runs.items()
            for fold, predictions in folds.items()
            if not TASK_TYPES[predictions.task_type].has_values
        )

    def groups(self) -> pd.DataFrame:
        """Return the metrics of each network for each group of samples.

        Groups are the values of the column `group` and of columns of the metadata; for many different numbers, their
        quartiles in the data set. Columns with a single value, or with more than `MOST_GROUPS`, are left out.
        """
        further = {name: sub_groups(column) for name, column in self.metadata.items()}
        tables = []
        for run, folds in self.runs.items():
            for fold, predictions in folds.items():
                samples, ids = self._task(fold).samples, predictions.ids.tolist()
                columns = {"group": dict(zip(samples["id"], samples.get("group", ()), strict=False)), **further}
                tested = {name: {column.get(id_) for id_ in ids} - {None, ""} for name, column in columns.items()}
                usable = {name: columns[name] for name, names in tested.items() if 1 < len(names) <= MOST_GROUPS}
                if usable:
                    table = group_table(
                        predictions, usable, self.metrics, self.resamples, where=f"run {run}", units=columns["group"]
                    )
                    tables.append((run, fold, table))
        return _stacked(tables)

    def calibration(self, uncalibrated: Mapping[str, Mapping[int, AnyPredictions]]) -> pd.DataFrame:
        """Return the effect of calibration on each network: `run fold metric before after`.

        Args:
            uncalibrated: test predictions of calibrated networks before the calibration, by run and fold.
        """
        rows = []
        for run, folds in uncalibrated.items():
            for fold, predictions in folds.items():
                weighted = self._weighed(predictions, self._task(fold))
                before, after = (evaluate(outputs, CALIBRATED) for outputs in (weighted, self.runs[run][fold]))
                rows += [(run, fold, metric, before[metric], after[metric]) for metric in CALIBRATED]
        return pd.DataFrame(rows, columns=["run", "fold", "metric", "before", "after"])

    def _weighed(self, predictions: AnyPredictions, *tasks: TaskDescription) -> AnyPredictions:
        """Return predictions with the weights of their tasks' samples, if metrics weigh samples."""
        weights: dict[str, float] = {}
        for task in tasks if self.weighted else ():
            weights |= task.weights_by_id or {}
        return weighed(predictions, weights or None)

    def _task(self, fold: int) -> TaskDescription:
        return self.tasks.get(fold) or next(iter(self.tasks.values()))


def _stacked(tables: Iterable[tuple[str, int, pd.DataFrame]]) -> pd.DataFrame:
    """Return the concatenated tables of networks, with columns `run` and `fold`, which is empty for all folds."""
    parts = []
    for run, fold, table in tables:
        part = table.copy()
        part.insert(0, "run", run)
        part.insert(1, "fold", "" if fold == ALL_FOLDS else fold)
        parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["run", "fold"])
