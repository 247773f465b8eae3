"""Capture of the lines that this process and its steps print to a terminal while a view is drawn there."""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Callable

STREAMS = (1, 2)
"""File numbers of the standard output and the standard error."""

LINE_ENDS = re.compile(rb"[\r\n]+")
"""Ends of lines. A progress bar overwrites its line after a carriage return."""

TIMEOUT = 2.0
"""Seconds to wait for the last lines of steps when the capture ends."""


class TerminalCapture:
    """Redirects the standard streams of this process and its children from a terminal to a pipe.

    Steps would otherwise write into the view. A thread reads their lines all the time, so that no step blocks.

    Args:
        terminal: file number of the terminal, on which the view is drawn.
        write: called with each line.
    """

    def __init__(self, terminal: int, write: Callable[[str], None]):
        self.terminal = os.dup(terminal)
        self._write = write
        self._saved: dict[int, int] = {}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._source = -1

    def start(self) -> None:
        """Redirect the streams."""
        _flush()
        self._source, target = os.pipe()
        for stream in filter(os.isatty, STREAMS):
            self._saved[stream] = os.dup(stream)
            os.dup2(target, stream)
        os.close(target)
        self._thread.start()

    def stop(self) -> None:
        """Read the last lines and restore the streams."""
        if not self._saved:
            return
        _flush()
        for stream, saved in self._saved.items():
            os.dup2(saved, stream)
            os.close(saved)
        self._saved = {}
        self._thread.join(TIMEOUT)  # a running step keeps the pipe open

    def _read(self) -> None:
        remainder = b""
        while chunk := os.read(self._source, 65536):
            *lines, remainder = LINE_ENDS.split(remainder + chunk)
            self._print(lines)
        self._print([remainder])

    def _print(self, lines: list[bytes]) -> None:
        for line in lines:
            if line.strip():
                with contextlib.suppress(Exception):  # the thread must continue to read
                    self._write(line.decode(errors="replace"))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
