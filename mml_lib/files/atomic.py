"""Files that appear whole or not at all."""

import contextlib
import glob
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil

PART = re.compile(r"\..+\.(?P<host>[A-Za-z0-9]+)-(?P<pid>\d+)\.part(\.\w+)?")
"""Names of unfinished files and folders."""


@contextlib.contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; the written file replaces `path` at the end.

    If the block fails, nothing is left behind, and an existing `path` stays unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix comes last, because np.savez and other functions append it to names without it.
    beside = path.with_name(f".{path.stem}.{_host()}-{os.getpid()}.part{path.suffix}")
    try:
        yield beside
        with open(beside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def write_whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield a folder beside `path` to write to; it becomes `path` at the end.

    If the block fails, nothing is left behind.

    Raises:
        OSError: `path` exists and is not an empty folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.rmdir()
    beside = part_of(path)
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        for path_in_folder in filter(Path.is_file, beside.rglob("*")):
            with open(path_in_folder, "rb") as file:
                os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextlib.contextmanager
def passing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that exists only during the block. Leftovers of a killed process are removed first."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def emptied_on_failure(folder: Path, unless: bool = False) -> Iterator[None]:
    """Remove a folder if the block fails, so that a data set exists whole or not at all.

    Args:
        folder: folder that the block fills.
        unless: True: keep the folder nevertheless.
    """
    try:
        yield
    except BaseException:
        if not unless:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with write_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def remove_leftovers(path: str | Path) -> None:
    """Remove unfinished files and folders of killed processes of this machine beside `path`."""
    path = Path(path)
    for name, suffix in {(path.stem, path.suffix), (path.name, "")}:  # names of files, names of folders
        _remove_parts(path.parent, f".{name}.{_host()}-", f".part{suffix}")


def _remove_parts(folder: Path, before: str, after: str) -> None:
    for part in folder.glob(f"{glob.escape(before)}*{glob.escape(after)}"):
        pid = re.fullmatch(r"\d+", part.name[len(before) : -len(after)])
        if pid and not psutil.pid_exists(int(pid[0])):
            shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)


def part_of(folder: Path) -> Path:
    """Return the path beside a folder at which this process writes it. The name contains host and process."""
    return folder.with_name(f".{folder.name}.{_host()}-{os.getpid()}.part")


def is_abandoned(path: Path) -> bool:
    """Return True if a file or folder is an unfinished output of a dead process of this machine."""
    part = PART.fullmatch(path.name)
    return part is not None and part["host"] == _host() and not psutil.pid_exists(int(part["pid"]))


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname()) or "host"
