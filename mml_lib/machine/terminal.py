"""Output of steps to the terminal of the study and to their logs."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

PEAK = "peak memory %.0f MB"
"""Last line in the log of a step: its peak resident memory in 10⁶ bytes."""

MAX_WARNINGS = 20
"""Most warnings of a process in the terminal. Its log has all of them."""

_printed_warnings: set[str] = set()
_subjects: list[str] = []


def print_line(text: str) -> None:
    """Print a text to the terminal of the study and to the log of the step."""
    print(text, file=sys.__stdout__, flush=True)
    if sys.stdout is not sys.__stdout__:
        print(text)


@contextmanager
def warnings_about(subject: str) -> Iterator[None]:
    """Prefix warnings in this context with their subject, such as a task."""
    _subjects.append(f"{subject}: ")
    try:
        yield
    finally:
        _subjects.pop()


def warn(text: str) -> None:
    """Print one line `warning: …` to the terminal and to the log of the step.

    A text is printed once per process. After `MAX_WARNINGS` lines, the terminal refers to the log. Print one line with
    `summarized` names for many files with the same problem, not a line for each.

    Args:
        text: the problem, its place (a file or key that the user can change), and the remedy.
    """
    line = f"warning: {''.join(_subjects)}{' '.join(text.split())}"
    if line in _printed_warnings:
        return
    _printed_warnings.add(line)
    has_log = sys.stdout is not sys.__stdout__
    if len(_printed_warnings) <= MAX_WARNINGS or not has_log:
        print_line(line)
        return
    print(line)
    if len(_printed_warnings) == MAX_WARNINGS + 1:
        name = getattr(sys.stdout, "name", "the log of this step")
        print(f"warning: further warnings are in {name}", file=sys.__stdout__, flush=True)


def summarized(names: Iterable[object], limit: int = 3) -> str:
    """Return the first names and the number of the others: `a, b, c and 312 more`."""
    texts = [str(name) for name in names]
    hidden = len(texts) - limit
    return ", ".join(texts) if hidden <= 0 else f"{', '.join(texts[:limit])} and {hidden:,} more"
