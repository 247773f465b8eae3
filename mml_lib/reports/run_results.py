"""Results of the networks of a task that figures show, by run and fold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.files.checksums import verify
from mml_lib.predictions.predictions import AnyPredictions, read_predictions
from mml_lib.reports.gallery import (
    best_first,
    by_run,
    long_form,
    procedures_of,
    read_comparison,
    standing_of,
    usable,
)
from mml_lib.tasks.description import TaskDescription

Networks = Mapping[str, Sequence[Mapping[str, str]]]
"""Kind of file: `run` and `fold` of the network of each file."""


@dataclass(frozen=True)
class RunResults:
    """Results of the networks of a task.

    Attributes:
        labels: names of each run, by run id.
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
        self, task: TaskDescription, metrics: Sequence[str], resamples: int, per_group: str, out_of_fold: bool
    ) -> pd.DataFrame | None:
        """Return the metrics of procedures: those of the leaderboard, or else of the predictions by `standing_of`."""
        if "leaderboard" in self.tables:
            return long_form(self.tables["leaderboard"])
        procedures = procedures_of(self.labels)
        return standing_of(
            self.predictions, metrics, resamples, task.by_id("group"), procedures, per_group, out_of_fold
        )

    def order(self, standing: pd.DataFrame | None) -> list[str]:
        """Return the runs, the best first."""
        return best_first(standing, dict.fromkeys(label.run for label in self.labels.values()))
