"""Lines about a run for a pipe or a log file: one for each finished or failed step."""

import time
from typing import TextIO

from mml_lib.engine.screen.step_progress import Progress, ScreenStep


class LinePrinter:
    """Prints a line for each step that has ended.

    Args:
        stream: output stream.
        prints_steps: False: print only failures, warnings and errors.
    """

    def __init__(self, stream: TextIO, prints_steps: bool = True):
        self.stream = stream
        self.prints_steps = prints_steps

    def finish(self, step: ScreenStep, progress: Progress, ended: float, remark: str = "") -> None:
        """Print a step that has finished.

        Args:
            step: the step.
            progress: progress of the run.
            ended: time of its end in seconds since the epoch.
            remark: result of the step.
        """
        if self.prints_steps:
            total = str(progress.total)
            count = f"{progress.done:>{len(total)}}/{total}"
            text = f"{step.name}: {remark}" if remark else step.name
            self.print(f"{_clock(ended)}  {count}  {text} ({duration(ended - step.started)})")

    def fail(self, step: ScreenStep, cause: str, ended: float) -> None:
        """Print a step that has failed, with the cause."""
        self.print(f"{_clock(ended)}  FAILED  {step.name}: {cause}")

    def print(self, text: str) -> None:
        """Print a text."""
        print(text, file=self.stream, flush=True)

    def close(self) -> None:
        """Do nothing: lines stay."""


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def duration(seconds: float) -> str:
    """Return a duration in words: `8 s`, `2:05 min`, `3:20 h`."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    minutes, remainder = divmod(total, 60)
    return f"{minutes}:{remainder:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"
