"""Section of a report about operating points: decision curves, and the table of thresholds."""

from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from mml_lib.files.checksums import verify
from mml_lib.reports.study_report.report_section import ReportSection, figure_section

MEASURES = {"sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "npv": "NPV"}
"""Headings of the measures."""

ROWS = 60
"""Rows of the table in the page; the CSV has all."""


def operating_section(task: str, points: str, folder: str) -> ReportSection:
    """Return the section of a task.

    Args:
        task: name of the task.
        points: table of operating points.
        folder: folder of the figures.
    """
    verify(points)
    table = pd.read_csv(points, dtype={"run": str, "label": str, "class": str})
    heads = ["run", "class", "wanted", "threshold", *MEASURES.values()]
    rows = Markup("\n").join(_row(row) for row in table.head(ROWS).fillna({"label": ""}).to_dict("records"))
    head = Markup().join(Markup("<th>{}</th>").format(name) for name in heads)
    note = Markup("<p>Validation samples choose the thresholds, other samples measure them, with 95 % intervals.</p>")
    printed = Markup('<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>')
    figures = figure_section(task, "Operating points", Path(folder))
    return ReportSection(task, figures.title, str(note + printed.format(head, rows) + Markup(figures.html)))


def _row(row: dict[str, object]) -> Markup:
    wanted = f"{row['criterion']} {row['wanted']:g}"
    cells = [row["label"] or row["run"], row["class"], wanted, _number(row["threshold"])]
    cells += [_with_interval(row, measure) for measure in MEASURES]
    return Markup("<tr>{}</tr>").format(Markup().join(Markup("<td>{}</td>").format(cell) for cell in cells))


def _with_interval(row: dict[str, object], measure: str) -> str:
    value, low, high = (_number(row[f"{measure}{end}"]) for end in ("", "_low", "_high"))
    return f"{value} ({low} … {high})" if low else value


def _number(value: object) -> str:
    number = float(str(value))
    return "" if np.isnan(number) else f"{number:.3f}"
