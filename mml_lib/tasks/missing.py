"""Missing values: the spellings that stand for no value in a table, for every column."""

from collections.abc import Sequence
from dataclasses import dataclass

MISSING = frozenset(
    {
        "",
        *("na", "n/a", "nan", "-nan", "null", "none", "nil", "<na>", "nat", "#na", "#n/a", "#n/a n/a"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        *("?", ".", "-", "--", "–", "—"),
    }
)
"""Spellings of a missing value, in small letters: those that pandas reads as such, and the marks that stand alone."""


@dataclass(frozen=True)
class Missing:
    """The spellings of a missing value in one table.

    Args:
        spellings: the task's key `missing`; None: `MISSING`, in small or capital letters. An
            empty cell is always missing.
    """

    spellings: Sequence[str] | None = None

    def __call__(self, text: str) -> bool:
        """Return True if a cell holds no value."""
        text = text.strip()
        if not text or self.spellings is None:
            return text.lower() in MISSING
        return text in self.spellings


is_missing = Missing()
"""The test for cells of tables that say nothing else."""
