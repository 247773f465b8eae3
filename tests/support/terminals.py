"""Commands on a terminal of their own, as a user runs them."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

PLAIN = ("NO_COLOR", "CI", "COLUMNS", "LINES")
"""Variables of the tests' own environment that a terminal does without."""


def run_in_terminal(
    command: list[str],
    folder: Path,
    react: Callable[[bytes, subprocess.Popen], None] | None = None,
    columns: int = 120,
    **environment: str,
) -> tuple[int, str]:
    """Return the exit status of a command, and all that it has written to its terminal.

    Args:
        command: the command.
        folder: its working folder.
        react: called with all output so far, and the process, after each output.
        columns: width of the terminal.
        environment: variables in addition to those of this process.
    """
    own, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    variables = {key: value for key, value in os.environ.items() if key not in PLAIN} | {"TERM": "xterm-256color"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=variables | environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=_take_terminal,
        start_new_session=True,
    )
    os.close(terminal)
    output = b""
    while chunk := _read(own):
        output += chunk
        if react is not None:
            react(output, process)
    os.close(own)
    return process.wait(), output.decode(errors="replace")


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the last process on it has ended
        return b""
