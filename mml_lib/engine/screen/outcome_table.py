"""Table of runs at the end of a study, from the files of its results.

It is also printed while planning a finished study, and therefore uses no pandas.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.evaluation.run_labels import MARK

MOST_ROWS = 8
"""Most rows of the table. The file has all runs."""

MOST_LABEL = 48
"""Most characters of a label."""

ABOUT = {
    "procedure": "of a run: the expected metric of one such network on new samples",
    "networks": "of an ensemble or a single network: its metric on new samples",
}
"""Subjects of intervals, by the column `about` of the files."""

PROCEDURE, ENSEMBLE = "procedure", "ensemble"
"""Kinds of rows that the table shows."""


@dataclass(frozen=True)
class OutcomeRow:
    """A procedure, or an ensemble, by the main metric of its task.

    Args:
        task: the task.
        split: the split, with its task if the networks were trained on another one.
        metric: the main metric.
        name: id of the run, or of the procedure if it has several runs.
        label: settings that differ from the other runs.
        runs: number of runs.
        folds: number of networks, of each run if there are several.
        mean: mean of the metric over the networks; empty where it is undefined.
        interval: its 95 % interval, or the reason for its absence.
        about: key of the interval's subject.
        is_best: True for the best procedure, and for those that cannot be told apart from it.
    """

    task: str
    split: str
    metric: str
    name: str
    label: str
    runs: str
    folds: str
    mean: str
    interval: str
    about: str
    is_best: bool

    @property
    def group(self) -> tuple[str, str]:
        """Task and split, within which rows are compared."""
        return self.task, self.split


def summary_rows(path: Path, main_metrics: Mapping[str, str]) -> list[OutcomeRow]:
    """Return the procedures of a summary, `RESULTS/{mode}.csv`, the best of each task and split first.

    Args:
        path: the file.
        main_metrics: main metric by task. The default is the first metric of the file.
    """
    entries = _entries(path, PROCEDURE)
    main: dict[tuple[str, str, str], str] = {}
    for entry in entries:
        key = entry["task"], entry["on"], entry["split"]
        if entry["metric"] == main_metrics.get(entry["task"]) or key not in main:
            main[key] = entry["metric"]
    return [
        OutcomeRow(
            task=entry["task"],
            split=f"{entry['split']} of {entry['on']}" if entry["on"] else entry["split"],
            metric=entry["metric"],
            name=entry["run"] or entry["procedure"],
            label=entry["label"],
            runs=entry["runs"],
            folds=entry["folds"],
            mean=_number(entry["mean"]),
            interval=_interval(entry["ci_low"], entry["ci_high"], entry["reason"]),
            about=entry["about"],
            is_best=entry["among_best"] == "True",
        )
        for entry in entries
        if entry["metric"] == main[entry["task"], entry["on"], entry["split"]]
    ]


def leaderboard_rows(path: Path, task: str) -> list[OutcomeRow]:
    """Return the procedures and ensembles of a leaderboard, `COMPARISONS/{task}/{mode}/leaderboard.csv`."""
    entries = _entries(path, PROCEDURE, ENSEMBLE)
    if not entries:
        return []
    suffix = "_among_best"
    main = next(column.removesuffix(suffix) for column in entries[0] if column.endswith(suffix))
    return [
        OutcomeRow(
            task=task,
            split="test",
            metric=main,
            name=entry["run"] or entry["procedure"],
            label=entry.get("label", ""),
            runs=entry["runs"],
            folds=entry["folds"],
            mean=_number(entry[main]),
            interval=_interval(entry[f"{main}_low"], entry[f"{main}_high"], entry[f"{main}_reason"]),
            about=entry[f"{main}_about"],
            is_best=entry[f"{main}{suffix}"] == "True",
        )
        for entry in entries
    ]


def _entries(path: Path, *kinds: str) -> list[dict[str, str]]:
    """Return the rows of some kinds of a file.

    Raises:
        MMLError: it is no such table.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return [entry for entry in csv.DictReader(file) if entry["kind"] in kinds]
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise MMLError(f"{path} is damaged; delete it and run the command again") from error


def _number(text: str) -> str:
    return f"{float(text):.4f}" if text else ""


def _interval(low: str, high: str, reason: str) -> str:
    return reason or (f"{_number(low)} … {_number(high)}" if low and high else "")


def outcome_lines(rows: Sequence[OutcomeRow]) -> list[str]:
    """Return the rows as a table for a terminal, with at most `MOST_ROWS` rows."""
    groups = [list(group) for _, group in groupby(rows, key=lambda row: row.group)]
    kept = groups[:MOST_ROWS]
    most = max(1, MOST_ROWS // max(1, len(kept)))
    several = any(len(group) > 1 for group in groups)
    printed = [row for group in kept for row in group[:most]]
    lines = aligned([_header(rows, several), *(_cells(row, rows, several) for row in printed)])
    if left_out := len(rows) - len(printed):
        lines.append(f"  … and {left_out} more")
    if several and any(row.is_best for row in printed):
        lines.append(f"  {MARK} the best, and those that do not differ significantly from it (p > 0.05, Holm)")
    keys = {row.about for row in printed if "…" in row.interval}
    subjects = [text for key, text in ABOUT.items() if key in keys]
    return [*lines, f"  95 % interval {'; '.join(subjects)}"] if subjects else lines


def _header(rows: Sequence[OutcomeRow], several: bool) -> list[str]:
    repeated = any(row.runs not in ("", "1") for row in rows)
    return [
        "task",
        *(["split"] if len({row.split for row in rows}) > 1 else []),
        "procedure" if repeated else "run",
        *(["differs in"] if any(row.label for row in rows) else []),
        *(["runs"] if repeated else []),
        "networks per run" if repeated else "networks",
        "metric",
        "mean  " if several else "mean",
        "95 % interval",
    ]


def _cells(row: OutcomeRow, rows: Sequence[OutcomeRow], several: bool) -> list[str]:
    mark = f" {MARK if row.is_best else ' '}" if several else ""
    label = row.label if len(row.label) <= MOST_LABEL else f"{row.label[: MOST_LABEL - 1]}…"
    cells = {
        "task": row.task,
        "split": row.split,
        "run": row.name,
        "procedure": row.name,
        "differs in": label,
        "runs": row.runs,
        "networks": row.folds,
        "networks per run": row.folds,
        "metric": row.metric,
        "mean": f"{row.mean}{mark}",
        "95 % interval": row.interval,
    }
    return [cells[name.strip()] for name in _header(rows, several)]


def aligned(cells: Iterable[Sequence[str]], has_header: bool = True) -> list[str]:
    """Return rows of cells as lines whose columns are aligned: numbers to the right, other texts to the left."""
    rows = list(cells)
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    to_right = [all(_is_number(row[place]) for row in rows[has_header:]) for place in range(len(widths))]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, to_right, strict=True)
        ).rstrip()
        for row in rows
    ]


def _is_number(text: str) -> bool:
    return not text or text.strip(f" {MARK}").replace(".", "", 1).lstrip("-").isdigit()
