"""Missing values: spellings of a missing value in the columns of tables."""

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
"""Spellings of a missing value in lower case: those that pandas recognises, and single punctuation marks."""


@dataclass(frozen=True)
class Missing:
    """The spellings of a missing value in one table.

    Args:
        spellings: the task's key `missing`; None: `MISSING`, whatever the case. An empty cell is always missing.
    """

    spellings: Sequence[str] | None = None

    def __call__(self, text: str) -> bool:
        """Return True for a cell without a value."""
        text = text.strip()
        if not text or self.spellings is None:
            return text.lower() in MISSING
        return text in self.spellings


is_missing = Missing()
"""Test of cells for tasks without the key `missing`."""
