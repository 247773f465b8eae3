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
from mml_lib.engine.failures import CLOCKS, STEP_ERROR
from mml_lib.engine.screen.line_printer import duration
from mml_lib.engine.screen.step_progress import Progress, ScreenStep
from mml_lib.engine.screen.terminal_capture import TerminalCapture
from mml_lib.engine.screen.training_logs import EpochLine, is_written, read_epoch, read_gpu

PER_SECOND = 1
"""Number of times that the view is drawn per second."""

READING = 2.0
"""Seconds between two readings of a log."""

PADDING = 2
"""Blanks between two columns."""

BAR = 24
"""Characters of the bar."""

LEAST_NAME = 16
"""Least characters of the name of a step."""

FOOTER = "Ctrl-C stops; the same command continues"
FRAME = 7
"""Lines of the view beside those of rules and of running steps."""


class TerminalConsole(Console):
    """A console on a terminal that is no standard stream any more.

    The cursor stays visible: nothing has to be restored after `kill -9`.

    Args:
        terminal: file number of the terminal.
    """

    def __init__(self, terminal: int):
        self.terminal = os.dup(terminal)  # the stream itself becomes a pipe
        super().__init__(file=os.fdopen(self.terminal, "w", encoding="utf-8"), force_terminal=True, highlight=False)

    @property  # type: ignore[misc]  # its setter serves the views of Rich on the whole screen
    def size(self) -> ConsoleDimensions:
        try:
            width, height = os.get_terminal_size(self.terminal)
        except OSError:
            return ConsoleDimensions(80, 25)
        return ConsoleDimensions(width or 80, height or 25)

    def show_cursor(self, show: bool = True) -> bool:
        return False


class LiveView:
    """Draws a run again and again; failures, warnings and what steps print stand above.

    Args:
        console: where it is drawn.
        title: study and mode.
        progress: of the run.
        time_left: gives the time left in words.
    """

    def __init__(self, console: Console, title: str, progress: Progress, time_left: Callable[[], str]):
        self.console = console
        self.title = title
        self.progress = progress
        self.time_left = time_left
        self.began = time.time()
        self._capture: TerminalCapture | None = None
        self._logs: dict[int, tuple[float, EpochLine | None, str]] = {}
        self._lock = threading.Lock()
        self._live = Live(  # which draws at once
            console=console,
            get_renderable=self.render,
            refresh_per_second=PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def start(self, terminal: int) -> None:
        """Start drawing on a terminal."""
        self._capture = TerminalCapture(terminal, self.pass_on)
        self._live.start()
        self._capture.start()

    def close(self) -> None:
        """Erase the view, and leave the terminal as it was."""
        with self._lock:
            if self._capture is None:
                return
            capture, self._capture = self._capture, None
        capture.stop()
        self._live.stop()
        failed = self.progress.failed.total()
        words = f", {failed} failed" if failed else ""
        took = duration(time.time() - self.began)
        self.console.print(f"{self.progress.done} of {self.progress.total} steps in {took}{words}")
        self.console.file.flush()

    # --- what stands above ------------------------------------------------------------------------------------------

    def finish(self, step: ScreenStep, progress: Progress, ended: float, remark: str = "") -> None:
        """Forget a step that has finished: the view counts it."""
        self._logs.pop(step.jobid, None)

    def fail(self, step: ScreenStep, cause: str, ended: float) -> None:
        """Print a step that has failed, with the cause."""
        self._logs.pop(step.jobid, None)
        self.console.print(Text.assemble(("FAILED  ", "bold red"), f"{step.name}: {cause}"))

    def print(self, text: str) -> None:
        """Print a text above the view."""
        self.console.print(Text.from_ansi(text))

    def pass_on(self, line: str) -> None:
        """Print a line of a step, unless it says why the step fails: this comes with its name and its log."""
        if not STEP_ERROR.match(line):
            self.print(line)

    # --- the view ---------------------------------------------------------------------------------------------------

    def render(self) -> Group:
        """Return the view."""
        rules = self._rules()
        lines = rules.plain.count("\n") + 1
        most = max(1, self.console.height - FRAME - lines)
        steps = self.progress.steps()
        parts: list[Any] = [Text(""), self._overall(), rules, Text(""), self._running(steps[:most])]
        if len(steps) > most:
            parts.append(Text(f"… and {len(steps) - most} more run", style="dim"))
        return Group(*parts, Text(FOOTER, style="dim"), Text(""))

    def _overall(self) -> Table:
        """Return the line of the whole run: title, bar, counts, times."""
        done, total = self.progress.done, max(1, self.progress.total)
        failed = self.progress.failed.total()
        table = Table.grid(padding=(0, PADDING))
        for _ in range(5):
            table.add_column(no_wrap=True)
        words = ", ".join(filter(None, (duration(time.time() - self.began), self.time_left())))
        table.add_row(
            Text(self.title, style="bold"),
            ProgressBar(total=total, completed=done, width=BAR if self.console.width > 3 * BAR else 1),
            f"{done}/{self.progress.total}",
            Text(f"{failed} failed", style="bold red") if failed else "",
            words,
        )
        return table

    def _rules(self) -> Text:
        """Return each rule with its counts, finished ones dimmed; no count is parted from its rule."""
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
        """Return a table of running steps; names give way where the terminal is narrow."""
        rows = []
        for step in steps:
            epoch, held = self._read(step)
            words = f"epoch {epoch.epoch}/{epoch.epochs}  {epoch.words}" if epoch else ""
            rows.append((step.name, duration(time.time() - step.started), held, words))
        widths = [max((len(row[place]) for row in rows), default=0) for place in (1, 2, 3)]
        room = max(LEAST_NAME, self.console.width - sum(widths) - 4 * PADDING)
        table = Table.grid(padding=(0, PADDING))
        for _ in range(4):
            table.add_column(no_wrap=True)
        for name, elapsed, held, words in rows:
            short = name if len(name) <= room else f"{name[: room - 1]}…"
            table.add_row(Text(short), Text(elapsed), Text(held, style="dim"), Text(words, style="cyan"))
        return table

    def _read(self, step: ScreenStep) -> tuple[EpochLine | None, str]:
        """Return the latest epoch of a step, and what it computes on; its log is read now and then."""
        now = time.time()
        at, epoch, held = self._logs.get(step.jobid, (0.0, None, ""))
        if now - at >= (READING if step.is_local else 5 * READING):
            epoch, held = _state(step)
            self._logs[step.jobid] = now, epoch, held
        return epoch, held


def _state(step: ScreenStep) -> tuple[EpochLine | None, str]:
    """Return the latest epoch of a running step, and the GPU, threads or queue that it is on."""
    log, since = (step.log[0] if step.log else ""), step.started - (0 if step.is_local else CLOCKS)
    if not step.is_local and not is_written(log, since):
        return None, "queued"
    epoch = read_epoch(log, since) if step.rule in TRAININGS else None
    gpu = read_gpu(log, since) if step.gpus else ""
    return epoch, gpu or (f"{step.threads} threads" if step.threads > 1 else "1 thread")
