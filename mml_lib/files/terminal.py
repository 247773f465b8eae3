"""The terminal that a study was started from."""

import sys


def say(text: str) -> None:
    """Show a text to who sits at the terminal, and keep it in the log."""
    print(text, file=sys.__stdout__, flush=True)
    if sys.stdout is not sys.__stdout__:
        print(text)
