"""Numbers and intervals as texts, for tables in a terminal."""

from collections.abc import Mapping

import pandas as pd


def numbers(column: pd.Series, style: str = "{:.4f}") -> pd.Series:
    """Return numbers as texts; empty texts for NaN."""
    values = column.astype(float)
    return values.map(style.format).where(values.notna(), "")


def intervals(low: pd.Series, high: pd.Series, style: str = "{:.4f}") -> pd.Series:
    """Return intervals as texts; empty texts for NaN."""
    return (numbers(low, style) + " … " + numbers(high, style)).where(low.notna(), "")


def notes_on(about: pd.Series, notes: Mapping[str, str]) -> list[str]:
    """Return the sentences on the subjects that a column names."""
    return [note for subject, note in notes.items() if (about == subject).any()]
