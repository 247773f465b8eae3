"""Files that appear whole or not at all."""

import contextlib
import glob
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil


@contextlib.contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; what was written takes the place of `path` at the end.

    If the block fails, nothing is left behind and what was at `path` stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: np.savez and others append theirs to a name without it.
    beside = path.with_name(f".{path.stem}.{_host()}-{os.getpid()}.part{path.suffix}")
    try:
        yield beside
        with open(beside, "rb") as written:
            os.fsync(written.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with write_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def remove_leftovers(path: str | Path) -> None:
    """Remove what killed processes of this machine left half-written beside `path`."""
    path = Path(path)
    for part in path.parent.glob(f".{glob.escape(path.stem)}.{_host()}-*.part{path.suffix}"):
        pid = re.search(r"-(\d+)\.part", part.name)
        if pid and not psutil.pid_exists(int(pid[1])):
            part.unlink(missing_ok=True)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname()) or "host"
