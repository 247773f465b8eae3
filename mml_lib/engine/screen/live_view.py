"""Live view of a run in a terminal: progress, rules, and the steps that run, with the latest epoch of trainings."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mml_lib.config.gpu_options import TRAININGS
from mml_lib.engine.failures import CLOCK_TOLERANCE, STEP_ERROR
from mml_lib.engine.screen.line_printer import duration
from mml_lib.engine.screen.step_progress import Progress, ScreenStep
from mml_lib.engine.screen.terminal_capture import TerminalCapture
from mml_lib.engine.screen.training_logs import EpochLine, is_written, read_epoch, read_gpu

REFRESH_RATE = 1
"""Redraws per second."""

READ_INTERVAL = 2.0
"""Seconds between two readings of a log."""

PADDING = 2
"""Blanks between columns."""

BAR_WIDTH = 24
"""Width of the progress bar in characters."""

MIN_NAME = 16
"""Least width of names of steps, in characters."""

FOOTER = "Ctrl-C stops; the same command continues"
OTHER_LINES = 7
"""Number of lines besides those of rules and of running steps."""


class TerminalConsole(Console):
    """Console on a terminal whose standard stream has been redirected.

    The cursor stays visible, so that `kill -9` leaves the terminal usable.

    Args:
        terminal: file number of the terminal.
    """

    def __init__(self, terminal: int):
        self.terminal = os.dup(terminal)  # the stream itself becomes a pipe
        super().__init__(file=os.fdopen(self.terminal, "w", encoding="utf-8"), force_terminal=True, highlight=False)

    @property  # type: ignore[misc]  # Rich needs its setter for full-screen views only
    def size(self) -> ConsoleDimensions:
        try:
            width, height = os.get_terminal_size(self.terminal)
        except OSError:
            return ConsoleDimensions(80, 25)
        return ConsoleDimensions(width or 80, height or 25)

    def show_cursor(self, show: bool = True) -> bool:
        return False


class LiveView:
    """View of a run that is redrawn in place. Failures, warnings and prints of steps scroll above it.

    Args:
        console: console on the terminal.
        title: study and mode.
        progress: progress of the run.
        time_left: returns the remaining time in words.
    """

    def __init__(self, console: Console, title: str, progress: Progress, time_left: Callable[[], str]):
        self.console = console
        self.title = title
        self.progress = progress
        self.time_left = time_left
        self.started_at = time.time()
        self._capture: TerminalCapture | None = None
        self._logs: dict[int, tuple[float, EpochLine | None, str]] = {}
        self._lock = threading.Lock()
        self._live = Live(  # draws immediately
            console=console,
            get_renderable=self.render,
            refresh_per_second=REFRESH_RATE,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def start(self, terminal: int) -> None:
        """Start drawing on a terminal."""
        self._capture = TerminalCapture(terminal, self.print_step_line)
        self._live.start()
        self._capture.start()

    def close(self) -> None:
        """Erase the view and restore the terminal."""
        with self._lock:
            if self._capture is None:
                return
            capture, self._capture = self._capture, None
        capture.stop()
        self._live.stop()
        failed = self.progress.failed.total()
        words = f", {failed} failed" if failed else ""
        took = duration(time.time() - self.started_at)
        self.console.print(f"{self.progress.done} of {self.progress.total} steps in {took}{words}")
        self.console.file.flush()

    # --- lines above the view ---------------------------------------------------------------------------------------

    def finish(self, step: ScreenStep, progress: Progress, ended: float, remark: str = "") -> None:
        """Remove a finished step."""
        self._logs.pop(step.jobid, None)

    def fail(self, step: ScreenStep, cause: str, ended: float) -> None:
        """Print a step that has failed, with the cause."""
        self._logs.pop(step.jobid, None)
        self.console.print(Text.assemble(("FAILED  ", "bold red"), f"{step.name}: {cause}"))

    def print(self, text: str) -> None:
        """Print a text above the view."""
        self.console.print(Text.from_ansi(text))

    def print_step_line(self, line: str) -> None:
        """Print a line of a step, except its error: `fail` prints this with the name and the log of the step."""
        if not STEP_ERROR.match(line):
            self.print(line)

    # --- the view ---------------------------------------------------------------------------------------------------

    def render(self) -> Group:
        """Return the view."""
        rules = self._rules()
        lines = rules.plain.count("\n") + 1
        max_steps = max(1, self.console.height - OTHER_LINES - lines)
        steps = self.progress.steps()
        parts: list[Any] = [Text(""), self._progress_line(), rules, Text(""), self._running(steps[:max_steps])]
        if len(steps) > max_steps:
            parts.append(Text(f"… and {len(steps) - max_steps} more run", style="dim"))
        return Group(*parts, Text(FOOTER, style="dim"), Text(""))

    def _progress_line(self) -> Table:
        """Return the line about the run: title, progress bar, counts, times."""
        done, total = self.progress.done, max(1, self.progress.total)
        failed = self.progress.failed.total()
        table = Table.grid(padding=(0, PADDING))
        for _ in range(5):
            table.add_column(no_wrap=True)
        words = ", ".join(filter(None, (duration(time.time() - self.started_at), self.time_left())))
        table.add_row(
            Text(self.title, style="bold"),
            ProgressBar(total=total, completed=done, width=BAR_WIDTH if self.console.width > 3 * BAR_WIDTH else 1),
            f"{done}/{self.progress.total}",
            Text(f"{failed} failed", style="bold red") if failed else "",
            words,
        )
        return table

    def _rules(self) -> Text:
        """Return the rules with their counts, finished ones dimmed. No line breaks between a rule and its count."""
        running = {step.rule for step in self.progress.steps()}
        text, column = Text(), 0
        for rule, planned in self.progress.planned.items():
            done = self.progress.finished[rule]
            words = f"{rule} {done}/{planned}"
            if column and column + PADDING + len(words) > self.console.width:
                text.append("\n")
                column = 0
            elif column:
                text.append(" " * PADDING)
                column += PADDING
            text.append(words, style="dim" if done == planned else "bold" if rule in running else "")
            column += len(words)
        return text

    def _running(self, steps: list[ScreenStep]) -> Table:
        """Return the table of running steps. Names are shortened in narrow terminals."""
        rows = []
        for step in steps:
            epoch, device = self._read(step)
            metrics = f"epoch {epoch.epoch}/{epoch.epochs}  {epoch.words}" if epoch else ""
            rows.append((step.name, duration(time.time() - step.started), device, metrics))
        widths = [max((len(row[column]) for row in rows), default=0) for column in (1, 2, 3)]
        name_width = max(MIN_NAME, self.console.width - sum(widths) - 4 * PADDING)
        table = Table.grid(padding=(0, PADDING))
        for _ in range(4):
            table.add_column(no_wrap=True)
        for name, elapsed, device, metrics in rows:
            short = name if len(name) <= name_width else f"{name[: name_width - 1]}…"
            table.add_row(Text(short), Text(elapsed), Text(device, style="dim"), Text(metrics, style="cyan"))
        return table

    def _read(self, step: ScreenStep) -> tuple[EpochLine | None, str]:
        """Return the latest epoch and the device of a step. Its log is read every few seconds."""
        now = time.time()
        at, epoch, device = self._logs.get(step.jobid, (0.0, None, ""))
        if now - at >= (READ_INTERVAL if step.is_local else 5 * READ_INTERVAL):
            epoch, device = _state(step)
            self._logs[step.jobid] = now, epoch, device
        return epoch, device


def _state(step: ScreenStep) -> tuple[EpochLine | None, str]:
    """Return the latest epoch of a running step, and its GPU, its number of threads or `queued`."""
    log, since = (step.log[0] if step.log else ""), step.started - (0 if step.is_local else CLOCK_TOLERANCE)
    if not step.is_local and not is_written(log, since):
        return None, "queued"
    epoch = read_epoch(log, since) if step.rule in TRAININGS else None
    gpu = read_gpu(log, since) if step.gpus else ""
    return epoch, gpu or (f"{step.threads} threads" if step.threads > 1 else "1 thread")
