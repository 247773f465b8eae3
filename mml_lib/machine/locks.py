"""Kernel-held locks: they die with their process, so nothing is ever left to unlock by hand."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import psutil

from mml_lib.errors import MMLError

SUPERVISOR = "MML_SUPERVISOR"
"""Environment variable by which a Snakemake identifies itself to its steps."""

PROJECT = "MML_PROJECT"
"""Environment variable by which a Snakemake names its project folder to its steps."""

STEPS_LOCK = ".lock-steps"
"""File in a project folder that every running step holds a shared lock on."""

ORPHANS_TIMEOUT = 600
"""Seconds to wait for the steps of a killed Snakemake; they end at their next batch or sooner."""


def check_writable(root: Path, key: str) -> None:
    """Refuse a root (`data` or `results`) that cannot be made or written to; nothing is made yet.

    Raises:
        MMLError: it is a file, below a file, or its file system or permissions forbid it.
    """
    existing = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    if not existing.is_dir():
        reason = "it is or lies below a file"
    elif not os.access(existing, os.W_OK | os.X_OK):
        reason = f"no permission in {existing}"
    else:
        return
    raise MMLError(f"the {key} path {root} cannot be written ({reason}); set paths.{key} or MML_{key.upper()}_PATH")


def lock_project(project: Path, lock: Path, steps_lock: Path, before: Callable[[], None] = lambda: None) -> IO[Any]:
    """Lock a project for this Snakemake after the steps of a killed one have ended; keep the result to hold the lock.

    Args:
        project: its folder.
        lock: held by its Snakemake.
        steps_lock: held by the steps that run.
        before: called with the project taken, before its steps are waited for.

    Raises:
        MMLError: another Snakemake holds it, or the folder cannot be written.
    """
    try:
        project.mkdir(parents=True, exist_ok=True)
        held = open(lock, "a+", encoding="utf-8")
        steps = open(steps_lock, "a+", encoding="utf-8")
    except OSError as error:
        raise MMLError(
            f"the results path {project} cannot be written ({error.strerror}); set paths.results or MML_RESULTS_PATH"
        ) from error
    if not _try(held, fcntl.LOCK_EX):
        held.seek(0)
        raise MMLError(f"project {project} is in use: {_holder(held.read())}; wait for it or stop it")
    _sign(held)
    before()
    _wait_for_orphans(steps)
    return held


def hold_idle_project(lock: Path, steps_lock: Path) -> list[IO[Any]] | None:
    """Lock an idle project and return the lock; None if a Snakemake or a step uses it."""
    try:
        held, steps = (open(path, "a+", encoding="utf-8") for path in (lock, steps_lock))
    except OSError:
        return None
    if not (_try(held, fcntl.LOCK_EX) and _try(steps, fcntl.LOCK_EX)):
        return None
    _sign(held)
    return [held, steps]


def share_data(lock: Path) -> IO[Any]:
    """Lock the data against clean-ups while the result is kept; wait for a clean-up that runs.

    Raises:
        MMLError: the folder cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = open(lock, "a+", encoding="utf-8")
    except OSError as error:
        raise MMLError(
            f"the data path {lock.parent} cannot be written ({error.strerror}); set paths.data or MML_DATA_PATH"
        ) from error
    fcntl.flock(held, fcntl.LOCK_SH)
    return held


def hold_idle_data(lock: Path) -> IO[Any] | None:
    """Lock idle data and return the lock; None if a Snakemake uses them."""
    try:
        held = open(lock, "a+", encoding="utf-8")
    except OSError:
        return None
    return held if _try(held, fcntl.LOCK_EX) else None


@contextlib.contextmanager
def hold_file(lock: Path) -> Iterator[bool]:
    """Hold a lock in a file of its own, which is removed afterwards; wait for another process that holds it.

    Yields:
        True if another process held it.
    """
    waited = False
    while True:
        lock.parent.mkdir(parents=True, exist_ok=True)  # a former holder may have removed the empty folder
        try:
            held = open(lock, "a", encoding="utf-8")
        except FileNotFoundError:
            continue
        with held:
            if not _try(held, fcntl.LOCK_EX):
                waited = True
                fcntl.flock(held, fcntl.LOCK_EX)
            # A former holder may have removed the file while this process waited for it.
            if not _is_at(held, lock):
                continue
            try:
                yield waited
            finally:
                lock.unlink(missing_ok=True)
            return


def _is_at(file: IO[Any], path: Path) -> bool:
    """Return True if a path is that of an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def is_held(lock: Path) -> bool:
    """Return True if a process holds a lock of `hold_file`."""
    with contextlib.suppress(FileNotFoundError), open(lock, "r+", encoding="utf-8") as file:
        return not _try(file, fcntl.LOCK_EX)
    return False


def _sign(held: IO[Any]) -> None:
    held.truncate(0)
    held.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")}))
    held.flush()


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"Snakemake process {holder['pid']} on {holder['host']} runs there since {holder['since']}"
    except (ValueError, KeyError):
        return "another Snakemake runs there"


def _wait_for_orphans(steps: IO[Any]) -> None:
    deadline = time.monotonic() + ORPHANS_TIMEOUT
    reported = False
    while not _try(steps, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            raise MMLError("steps of a killed Snakemake are still running; stop them, then try again")
        if not reported:
            print("waiting for the steps of a killed Snakemake to end", flush=True)
            reported = True
        time.sleep(0.1)
    steps.close()


def _try(file: IO[Any], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def name_supervisor(project: Path | None = None) -> None:
    """Name this process as the Snakemake of the steps that it starts.

    Args:
        project: folder of the project whose steps it runs; None: its steps lock none.
    """
    os.environ[SUPERVISOR] = f"{socket.gethostname()} {os.getpid()} {_start_of(psutil.Process())}"
    if project is not None:
        name_project(project)


def name_project(project: Path) -> None:
    """Set the project folder of this process; an outer pipeline runs steps of several projects."""
    os.environ[PROJECT] = str(project.absolute())


def supervisor_lives() -> bool:
    """Return True if the Snakemake that started this process still runs."""
    host, pid, started = (os.environ.get(SUPERVISOR) or "- 0 0").split()
    return host == socket.gethostname() and _alive(int(pid), float(started))


def follow_supervisor() -> IO[Any] | None:
    """Make this step end with its Snakemake: a thread sends SIGTERM once Snakemake has ended.

    A step that no Snakemake of this machine has started (by hand, from a notebook) is left alone.

    Returns:
        a shared lock that tells the next Snakemake that this step still runs; keep it.
    """
    host, pid, started = (os.environ.get(SUPERVISOR) or "- 0 0").split()
    if host != socket.gethostname():
        return None
    held = None
    if project := os.environ.get(PROJECT):
        steps_lock = Path(project) / STEPS_LOCK
        steps_lock.parent.mkdir(parents=True, exist_ok=True)
        held = open(steps_lock, "a+", encoding="utf-8")
        fcntl.flock(held, fcntl.LOCK_SH)
    threading.Thread(target=_watch, args=(int(pid), float(started)), daemon=True).start()
    return held


def process_rank() -> int:
    """Return the rank of this process among those that train together; 0 for the first or only one."""
    return int(os.environ.get("LOCAL_RANK", 0))


def follow_parent() -> None:
    """Make this process end with the one that started it, as `follow_supervisor` does."""
    if (parent := psutil.Process().parent()) is not None:
        threading.Thread(target=_watch, args=(parent.pid, _start_of(parent)), daemon=True).start()


def _watch(pid: int, started: float) -> None:
    while _alive(pid, started):
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def _alive(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(_start_of(process) - started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _start_of(process: psutil.Process) -> float:
    """Return the start of a process in seconds since boot; elsewhere than on Linux in seconds since the epoch.

    `create_time` adds the time of boot, which changes when somebody sets the clock: steps would lose their Snakemake.
    """
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return int(fields.split()[19]) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return process.create_time()
