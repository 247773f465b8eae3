"""What steps say: to the terminal that a study was started from, and to their logs."""

import sys

PEAK = "peak memory %.0f MB"
"""What a step logs in the end: its largest resident memory in 10⁶ bytes."""


def say(text: str) -> None:
    """Show a text to who sits at the terminal, and keep it in the log."""
    print(text, file=sys.__stdout__, flush=True)
    if sys.stdout is not sys.__stdout__:
        print(text)
