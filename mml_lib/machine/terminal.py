"""Output of steps: to the terminal of the study, and to their logs."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

PEAK = "peak memory %.0f MB"
"""Last line in the log of a step: its largest resident memory in 10⁶ bytes."""

MOST_WARNINGS = 20
"""Warnings of a process that the terminal shows; its log has them all."""

_printed_warnings: set[str] = set()
_subjects: list[str] = []


def say(text: str) -> None:
    """Print a text to the terminal of the study and to the log of the step."""
    print(text, file=sys.__stdout__, flush=True)
    if sys.stdout is not sys.__stdout__:
        print(text)


@contextmanager
def warnings_about(subject: str) -> Iterator[None]:
    """Name what the warnings inside are about, such as a task, at the beginning of their lines."""
    _subjects.append(f"{subject}: ")
    try:
        yield
    finally:
        _subjects.pop()


def warn(text: str) -> None:
    """Print one line `warning: …` to the terminal and to the log of the step.

    A text is printed once per process. After `MOST_WARNINGS` lines the terminal is referred to the log. Where one thing
    is wrong with many files, write one line with `summarized` names, not a line for each.

    Args:
        text: what is wrong, where (the file or key that the user can mend), and what would be right.
    """
    line = f"warning: {''.join(_subjects)}{' '.join(text.split())}"
    if line in _printed_warnings:
        return
    _printed_warnings.add(line)
    logged = sys.stdout is not sys.__stdout__
    if len(_printed_warnings) <= MOST_WARNINGS or not logged:
        say(line)
        return
    print(line)
    if len(_printed_warnings) == MOST_WARNINGS + 1:
        name = getattr(sys.stdout, "name", "the log of this step")
        print(f"warning: further warnings are in {name}", file=sys.__stdout__, flush=True)


def summarized(names: Iterable[object], most: int = 3) -> str:
    """Return names as a list that ends with the number of those left out: `a, b, c and 312 more`."""
    texts = [str(name) for name in names]
    rest = len(texts) - most
    return ", ".join(texts) if rest <= 0 else f"{', '.join(texts[:most])} and {rest:,} more"
