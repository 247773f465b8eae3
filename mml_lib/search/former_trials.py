"""Trials of earlier studies on a task, which samplers use like trials of the search."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.checksums import verify
from mml_lib.search.space import Parameter, Space
from mml_lib.search.trials import Objective, TrialRecord

FORMER = 0
"""Number that stands for all trials of earlier studies."""


def former_trials(tables: Sequence[str | Path], space: Space, objectives: Sequence[Objective]) -> list[TrialRecord]:
    """Return the finished trials of earlier studies that are in a search space and have all of its objectives.

    Args:
        tables: paths of tables like `SEARCH/<task>/trials.csv`.
        space: the search space.
        objectives: the objectives.

    Raises:
        MMLError: a table is damaged.
    """
    records = []
    for path in tables:
        verify(path)
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                values, goals = _values(row, space), [_number(row.get(goal.name)) for goal in objectives]
                if row["state"] == "finished" and values is not None and all(map(math.isfinite, goals)):
                    records.append(TrialRecord(FORMER, values, row["run"], goals))
    return records


def _values(row: Mapping[str, str], space: Space) -> dict[str, Any] | None:
    """Return the values of all active parameters; None for a trial outside the space."""
    values: dict[str, Any] = {}
    for parameter in space.active(values):
        try:
            values[parameter.key] = _value(row.get(parameter.key) or "", parameter)
            parameter.check(values[parameter.key])
        except (ValueError, MMLError):
            return None
    return values


def _value(text: str, parameter: Parameter) -> Any:
    if parameter.choices:
        return parameter.choices[parameter.names.index(text)]
    number = float(text)
    return int(number) if parameter.integer and number.is_integer() else number


def _number(text: str | None) -> float:
    return float(text) if text else math.nan
