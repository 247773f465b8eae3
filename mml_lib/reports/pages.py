"""Pages of a report: tables and texts as self-contained HTML, with the table as a CSV download."""

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

STYLE = """
body { font: 14px/1.4 sans-serif; margin: 1.5em; color: #000; background: #fff; }
table { border-collapse: collapse; }
th, td { padding: .25em .8em .25em 0; border-bottom: 1px solid #ccc; text-align: left; vertical-align: top; }
th { border-bottom: 2px solid #000; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { font: 13px/1.35 monospace; }
"""

ROWS = 500
"""Rows that a page shows at most; its CSV has all."""


def table_page(title: str, table: pd.DataFrame, name: str, notes: Sequence[str] = ()) -> str:
    """Return a table as a page.

    Args:
        title: title of the page.
        table: table. Empty columns are left out on the page.
        name: name of the CSV file for download.
        notes: sentences above the table.
    """
    printed = table[[column for column in table if not _is_empty(table[column])]].head(ROWS)
    head = "".join(f"<th>{escape(_heading(str(column)))}</th>" for column in printed)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in printed.itertuples(index=False))
    content = base64.b64encode(table.to_csv(index=False).encode()).decode()
    link = f'<a href="data:text/csv;base64,{content}" download="{escape(name)}">{escape(name)}</a>'
    rest = f", all {len(table)} rows" if len(table) > ROWS else ""
    body = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n" if len(table) else ""
    above = "".join(f"<p>{escape(note)}.</p>\n" for note in notes)
    return _page(title, f"{above}{body or '<p>There is nothing to show.</p>'}<p>{link}{rest}</p>")


def text_page(title: str, text: str) -> str:
    """Return a preformatted text as a page."""
    return _page(title, f"<pre>{escape(text)}</pre>")


def _page(title: str, body: str) -> str:
    head = f'<head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style></head>'
    body = f"<body><h2>{escape(title)}</h2>\n{body}\n</body>"
    return f'<!doctype html>\n<html lang="en">{head}\n{body}</html>\n'


def _heading(column: str) -> str:
    return column if "." in column else column.replace("_", " ")  # dotted keys are unchanged


def _is_empty(column: pd.Series) -> bool:
    return bool((column.isna() | column.eq("")).all())


def _cell(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int | float | np.number):
        return f'<td class="number">{number_text(value)}</td>'
    return f"<td>{'' if value is None or value is pd.NA else escape(str(value))}</td>"


def number_text(value: float) -> str:
    """Return a number as text: counts in full, others with four decimals or digits; empty for NaN."""
    if np.isnan(value):
        return ""
    if float(value).is_integer() and not isinstance(value, float | np.floating):
        return str(value)
    return f"{value:.4f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.4g}"
