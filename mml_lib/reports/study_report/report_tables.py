"""Tables of a report: in the page, as CSV, and as LaTeX."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from mml_lib.files.atomic import write_text
from mml_lib.reports.pages import number_text
from mml_lib.reports.task_table import task_table

ROWS = 400
"""Rows of a table in the page; its CSV has all."""

SHORT = 28
"""Characters of a text that stays in one line."""


@dataclass(frozen=True)
class ReportTable:
    """A table of a report.

    Args:
        key: name of its files, and its anchor in the page.
        title: heading.
        table: rows. Empty columns are left out in the page.
        note: sentence below the heading.
        printed: rows of the page and of the LaTeX file, where these are for readers; None: there is no such file, and
            the page has all columns.
    """

    key: str
    title: str
    table: pd.DataFrame
    note: str = ""
    printed: pd.DataFrame | None = None

    @property
    def csv(self) -> str:
        """Content of the CSV file."""
        return self.table.to_csv(index=False)

    @property
    def latex(self) -> str:
        """Content of the LaTeX file, for documents with the package booktabs."""
        rows = self._rows.rename(columns=_heading)
        return "% \\usepackage{booktabs}\n" + rows.to_latex(index=False, escape=True, float_format="%.4g", na_rep="")

    @property
    def _rows(self) -> pd.DataFrame:
        return self.table if self.printed is None else self.printed

    @property
    def address(self) -> str:
        """Data address of the CSV file."""
        return f"data:text/csv;base64,{base64.b64encode(self.csv.encode()).decode()}"

    @property
    def rest(self) -> int:
        """Number of rows that only the CSV file has."""
        return max(0, len(self._rows) - ROWS)

    @property
    def html(self) -> Markup:
        """The table element."""
        cells = self._rows[[column for column in self._rows if not _is_empty(self._rows[column])]].head(ROWS)
        kinds = ["number" if _is_numeric(cells[column]) else "" for column in cells]
        head = Markup().join(
            Markup('<th scope="col" class="{}">{}</th>').format(kind, _heading(str(column)))
            for column, kind in zip(cells, kinds, strict=True)
        )
        rows = Markup("\n").join(
            Markup("<tr>{}</tr>").format(Markup().join(map(_cell, row))) for row in cells.itertuples(index=False)
        )
        return Markup('<table class="sortable"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>').format(head, rows)


@dataclass
class TableShelf:
    """All tables of a report, by key."""

    tables: dict[str, ReportTable] = field(default_factory=dict)

    def add(self, table: ReportTable) -> ReportTable | None:
        """Add a table and return it; None for a table without rows."""
        if table.table.empty:
            return None
        self.tables[table.key] = table
        return table


def study_tables(
    shelf: TableShelf,
    headers: Sequence[Mapping[str, Any]],
    summary: pd.DataFrame,
    folds: pd.DataFrame,
    runs: pd.DataFrame,
    times: pd.DataFrame,
    is_calibrated: bool = False,
) -> list[ReportTable]:
    """Return the tables of a study, which are added to the shelf.

    Args:
        shelf: all tables of the report.
        headers: headers of the descriptions of its tasks.
        summary: results of procedures and runs.
        folds: results of each network.
        runs: differences between runs.
        times: time and memory of rules.
        is_calibrated: True if answers are about calibrated predictions.
    """
    before = " Before calibration: the answer is about calibrated predictions." if is_calibrated else ""
    tables = [
        ReportTable("tasks", "Tasks", task_table(headers)),
        ReportTable("runs", "Runs and their differences", runs),
        ReportTable(
            "summary", "Results of runs", summary, f"All tasks, splits and metrics, with 95 % intervals.{before}"
        ),
        ReportTable("folds", "Results of single networks", folds, before.strip()),
        ReportTable("times", "Time and memory of steps", times),
    ]
    return [table for table in tables if shelf.add(table)]


def write_tables(shelf: TableShelf, folder: Path) -> None:
    """Write the files of all tables: CSV, and LaTeX of those for papers."""
    for key, table in shelf.tables.items():
        write_text(folder / f"{key}.csv", table.csv)
        if table.printed is not None:
            write_text(folder / f"{key}.tex", table.latex)


def _heading(column: str) -> str:
    return column if "." in column else column.replace("_", " ")  # dotted keys are unchanged


def _is_empty(column: pd.Series) -> bool:
    return bool((column.isna() | column.eq("")).all())


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _cell(value: object) -> Markup:
    if isinstance(value, bool | np.bool_):
        return Markup("<td>yes</td>") if value else Markup("<td>no</td>")
    if isinstance(value, int | float | np.number):
        return Markup('<td class="number" data-value="{}">{}</td>').format(value, number_text(value))
    text = "" if value is None or value is pd.NA else str(value)
    return Markup('<td class="{}">{}</td>').format("short" if len(text) <= SHORT else "long", text)
