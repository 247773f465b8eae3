"""Log of a step: all its output. Errors are also printed to the terminal, in one line."""

import atexit
import contextlib
import logging
import resource
import sys
import traceback
from types import TracebackType
from typing import IO, Any, TextIO

from mml_lib.errors import MMLError
from mml_lib.machine.disk import REMEDY, is_full_disk
from mml_lib.machine.locks import process_rank
from mml_lib.machine.terminal import PEAK

logger = logging.getLogger(__name__)

_logs: list[IO[Any]] = []  # keeps logs open until the process ends


def open_log(rule: str, path: str | None) -> TextIO:
    """Redirect the output of this process to a log, and print errors to the terminal as well, in one line.

    Args:
        rule: rule of the step.
        path: path of the log; None: no redirection.

    Returns:
        the stream of the terminal.
    """
    terminal = sys.stderr
    if path is not None:
        log = open(path, "a" if process_rank() else "w", encoding="utf-8", buffering=1)
        _logs.append(log)
        sys.stdout = sys.stderr = log
    logging.basicConfig(
        level=logging.WARNING if process_rank() else logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(message)s",
        datefmt="%F %T",
        force=True,
    )
    logging.captureWarnings(True)
    logger.info("--- %s", rule)
    atexit.register(_log_memory)

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        line = str(error) if isinstance(error, MMLError) else f"{kind.__name__}: {' '.join(str(error).split())}"
        if is_full_disk(error):
            line = f"{REMEDY} ({line})"
        if terminal is not sys.stderr:
            hint = "" if isinstance(error, MMLError) else f" (traceback in {path})"
            print(f"error in {rule}: {line}{hint}", file=terminal, flush=True)
        with contextlib.suppress(OSError):  # the log may be on the full disk
            traceback.print_exception(kind, error, trace, file=sys.stderr)
            print(f"error in {rule}: {line}", file=sys.stderr)

    sys.excepthook = report
    return terminal


def _log_memory() -> None:
    """Log the peak resident memory of this process, in 10⁶ bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    logger.info(PEAK, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
