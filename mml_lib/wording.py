"""Words of sentences that several rooms write: numbers with their nouns, enumerations, names in Markdown."""

import re
from collections.abc import Sequence


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: `1 sample`, `2,000 samples`.

    Args:
        number: the number.
        noun: the noun of one.
        plural: the noun of several, unless it ends with a further s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def enumerated(items: Sequence[str]) -> str:
    """Return items as a list in a sentence: `a, b and c`."""
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)


def markdown(text: object) -> str:
    """Return a name in one line of Markdown, also of Pandoc's, that shows it as it is.

    Web addresses and underscores within words stay, for they mean nothing there.
    """
    words = [word if "://" in word else _SPECIAL.sub(r"\\\g<0>", word) for word in str(text).split()]
    return " ".join(words)


_SPECIAL = re.compile(r"[\\`*\[\]<>|@$~^&]|(?<![^\W_])_|_(?![^\W_])|^[#+=-](?=$)|^#+$")
