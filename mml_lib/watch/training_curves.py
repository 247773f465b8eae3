"""Curves of trainings, from their logs, while they run and afterwards."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mml_lib.config.gpu_options import TRAININGS
from mml_lib.engine.failures import STEP_ERROR
from mml_lib.engine.screen.training_logs import EPOCH, VALUE

MOST_TRAININGS = 60
"""Trainings that the page draws: the latest."""

MOST_BYTES = 2_000_000
"""Bytes at the end of a log that are read."""

NAME = re.compile(r"(?P<task>.+)-(?P<run>[0-9a-f]{8})-fold(?P<fold>\d+)")
"""Name of the log of an ordinary training."""


@dataclass(frozen=True)
class Training:
    """A training by its log.

    Args:
        log: path below the project.
        task, run, fold: of the network; of a trial of a search, the name of the log stands for all.
        epochs: planned number of epochs.
        values: by name (`train/loss`, `val/accuracy` …) the value of each epoch; None: not finite, or not validated.
        error: reason of its failure; empty without one.
    """

    log: str
    task: str
    run: str
    fold: str
    epochs: int
    values: dict[str, list[float | None]]
    error: str

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return max((len(values) for values in self.values.values()), default=0)


class TrainingLogs:
    """Reader of the logs of trainings of a project. Unchanged logs are read once.

    Args:
        project: folder of the project.
    """

    def __init__(self, project: Path):
        self.project = project
        self._read: dict[Path, tuple[tuple[int, int], Training]] = {}

    def latest(self) -> tuple[list[Training], int]:
        """Return the latest trainings, by name, and the number of the others."""
        logs = []
        for path in (path for rule in TRAININGS for path in (self.project / "LOGS" / rule).glob("*.log")):
            try:
                state = path.stat()
            except OSError:
                continue
            logs.append((state.st_mtime_ns, state.st_size, path))
        logs.sort(reverse=True)
        trainings = [self._training(path, (changed, size)) for changed, size, path in logs[:MOST_TRAININGS]]
        trainings.sort(key=lambda training: (training.task, training.run, training.fold))
        return trainings, len(logs) - len(trainings)

    def _training(self, path: Path, state: tuple[int, int]) -> Training:
        if path not in self._read or self._read[path][0] != state:
            former = self._read[path][1] if path in self._read else None
            self._read[path] = state, read_training(path, self.project, former)
        return self._read[path][1]


def read_training(path: Path, project: Path, former: Training | None = None) -> Training:
    """Return the training of a log. The history of a finished one has all epochs, its log those since the latest kill.

    Args:
        path: the log.
        project: folder of the project.
        former: the training before its log was overwritten by a resumed one.
    """
    text = _tail(path)
    name = NAME.fullmatch(path.stem)
    epochs, rows = _logged(text)
    if name and (history := _history(project / "HISTORY" / name["task"] / f"{name['run']}-fold{name['fold']}.csv")):
        rows = history
    elif former is not None and rows:
        rows = {epoch: row for epoch, row in _rows(former).items() if epoch < min(rows)} | rows
    keys = dict.fromkeys(key for row in rows.values() for key in row)
    count = max(rows, default=0)
    errors = STEP_ERROR.findall(text)
    return Training(
        log=str(path.relative_to(project)),
        task=name["task"] if name else path.stem,
        run=name["run"] if name else "",
        fold=name["fold"] if name else "",
        epochs=max(epochs, count),
        values={key: [rows.get(epoch, {}).get(key) for epoch in range(1, count + 1)] for key in keys},
        error=errors[-1] if errors else "",
    )


Rows = dict[int, Mapping[str, float | None]]
"""Values by the number of the epoch, from 1 on, and name."""


def _logged(text: str) -> tuple[int, Rows]:
    """Return the number of epochs that a log names, and its finished epochs."""
    epochs = 0
    rows: Rows = {}
    for number, total, words in EPOCH.findall(text):
        epochs = int(total)
        rows[int(number)] = {key: _finite(value) for key, value in VALUE.findall(words)}
    return epochs, rows


def _history(path: Path) -> Rows:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return {
                int(row["epoch"]) + 1: {key: _finite(value) for key, value in row.items() if key != "epoch" and value}
                for row in csv.DictReader(file)
            }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _rows(training: Training) -> Rows:
    return {
        epoch: {key: values[epoch - 1] for key, values in training.values.items()}
        for epoch in range(1, training.epoch + 1)
    }


def _tail(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _finite(text: str) -> float | None:
    number = float(text)
    return number if abs(number) < float("inf") else None
