"""The one exception for mistakes that a user can mend, and the hint that most of them need."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_NAMES = 60
"""Most names that an error lists."""


class MMLError(Exception):
    """A mistake in a config, a data set or the environment: one line that says what, where and the remedy."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


class TrainingFailed(MMLError):
    """A training that its own pipeline makes impossible: infinite values, or too little memory for it."""


def nearest(word: str, names: Iterable[str]) -> str:
    """Return ``", did you mean 'x'?"`` for the spelling nearest to `word`, or the list of names, shortened if long."""
    names = sorted(map(str, names))
    match = get_close_matches(str(word), names, n=1)
    if match:
        return f", did you mean '{match[0]}'?"
    rest = [f"… and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return f"; known: {', '.join([*names[:MOST_NAMES], *rest])}" if names else "; none is known"
