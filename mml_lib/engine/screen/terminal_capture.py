"""Capture of a terminal: what this process and its steps print while a view is drawn there, line by line."""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Callable

STREAMS = (1, 2)
"""File numbers of the standard output and the standard error."""

ENDS = re.compile(rb"[\r\n]+")
"""Ends of lines; a progress bar writes its lines over each other."""

PATIENCE = 2.0
"""Seconds to wait for the last lines of steps when the capture ends."""


class TerminalCapture:
    """Redirects those standard streams of this process that are terminals, for all that it starts too, into a pipe.

    Steps write to the terminal themselves, in the middle of a view. A thread reads their lines instead. It never stops
    reading, so that no step waits.

    Args:
        terminal: file number of the terminal; the view keeps writing there.
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
        """Give the streams back, after the last lines."""
        if not self._saved:
            return
        _flush()
        for stream, saved in self._saved.items():
            os.dup2(saved, stream)
            os.close(saved)
        self._saved = {}
        self._thread.join(PATIENCE)  # a step that has not ended holds the pipe open

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(self._source, 65536):
            *lines, rest = ENDS.split(rest + chunk)
            self._print(lines)
        self._print([rest])

    def _print(self, lines: list[bytes]) -> None:
        for line in lines:
            if line.strip():
                with contextlib.suppress(Exception):  # the thread has to go on reading
                    self._write(line.decode(errors="replace"))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
