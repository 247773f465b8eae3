"""Kernel locks. They are released when their process ends, so that nobody has to unlock anything by hand."""

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
"""Environment variable that identifies the Snakemake of a step."""

PROJECT = "MML_PROJECT"
"""Environment variable with the project folder of a step."""

STEPS_LOCK = ".lock-steps"
"""File in a project folder on which each running step holds a shared lock."""

ORPHANS_TIMEOUT = 600
"""Seconds to wait for the steps of a killed Snakemake, which end after their current batch."""


def check_writable(root: Path, key: str) -> None:
    """Refuse a root (`data` or `results`) that cannot be created or written. This function creates nothing.

    Raises:
        MMLError: the root is a file, is below a file, or is not writable.
    """
    existing = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    if not existing.is_dir():
        reason = "it is or lies below a file"
    elif not os.access(existing, os.W_OK | os.X_OK):
        reason = f"no permission in {existing}"
    else:
        return
    raise MMLError(f"the {key} path {root} cannot be written ({reason}); set paths.{key} or MML_{key.upper()}_PATH")


def lock_project(project: Path, lock: Path, steps_lock: Path, on_lock: Callable[[], None] = lambda: None) -> IO[Any]:
    """Lock a project for this Snakemake, and wait for steps of a killed one. Keep the result: it holds the lock.

    Args:
        project: folder of the project.
        lock: lock file of its Snakemake.
        steps_lock: lock file of its running steps.
        on_lock: called after locking, before waiting for steps.

    Raises:
        MMLError: another Snakemake holds the lock, or the folder is not writable.
    """
    try:
        project.mkdir(parents=True, exist_ok=True)
        lock_file = open(lock, "a+", encoding="utf-8")
        steps = open(steps_lock, "a+", encoding="utf-8")
    except OSError as error:
        raise MMLError(
            f"the results path {project} cannot be written ({error.strerror}); set paths.results or MML_RESULTS_PATH"
        ) from error
    if not _try_lock(lock_file, fcntl.LOCK_EX):
        lock_file.seek(0)
        raise MMLError(f"project {project} is in use: {_holder(lock_file.read())}; wait for it or stop it")
    _write_holder(lock_file)
    on_lock()
    _wait_for_orphans(steps)
    return lock_file


def hold_idle_project(lock: Path, steps_lock: Path) -> list[IO[Any]] | None:
    """Lock a project and return the locks; None if a Snakemake or a step uses it."""
    try:
        lock_file, steps = (open(path, "a+", encoding="utf-8") for path in (lock, steps_lock))
    except OSError:
        return None
    if not (_try_lock(lock_file, fcntl.LOCK_EX) and _try_lock(steps, fcntl.LOCK_EX)):
        return None
    _write_holder(lock_file)
    return [lock_file, steps]


def share_data(lock: Path) -> IO[Any]:
    """Lock the data against clean-ups, after a running one. Keep the result: it holds the lock.

    Raises:
        MMLError: the folder cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock_file = open(lock, "a+", encoding="utf-8")
    except OSError as error:
        raise MMLError(
            f"the data path {lock.parent} cannot be written ({error.strerror}); set paths.data or MML_DATA_PATH"
        ) from error
    fcntl.flock(lock_file, fcntl.LOCK_SH)
    return lock_file


def hold_idle_data(lock: Path) -> IO[Any] | None:
    """Lock the data and return the lock; None if a Snakemake uses them."""
    try:
        lock_file = open(lock, "a+", encoding="utf-8")
    except OSError:
        return None
    return lock_file if _try_lock(lock_file, fcntl.LOCK_EX) else None


@contextlib.contextmanager
def hold_file(lock: Path) -> Iterator[bool]:
    """Hold a lock file, which is removed afterwards. Wait for another process that holds it.

    Yields:
        True if another process held it.
    """
    waited = False
    while True:
        lock.parent.mkdir(parents=True, exist_ok=True)  # a former holder may have removed the empty folder
        try:
            lock_file = open(lock, "a", encoding="utf-8")
        except FileNotFoundError:
            continue
        with lock_file:
            if not _try_lock(lock_file, fcntl.LOCK_EX):
                waited = True
                fcntl.flock(lock_file, fcntl.LOCK_EX)
            # A former holder may have removed the file while this process waited for it.
            if not _is_at(lock_file, lock):
                continue
            try:
                yield waited
            finally:
                lock.unlink(missing_ok=True)
            return


def _is_at(file: IO[Any], path: Path) -> bool:
    """Return True if an open file is still at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def is_held(lock: Path) -> bool:
    """Return True if a process holds a lock of `hold_file`."""
    with contextlib.suppress(FileNotFoundError), open(lock, "r+", encoding="utf-8") as file:
        return not _try_lock(file, fcntl.LOCK_EX)
    return False


def _write_holder(lock_file: IO[Any]) -> None:
    lock_file.truncate(0)
    lock_file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")}))
    lock_file.flush()


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"Snakemake process {holder['pid']} on {holder['host']} runs there since {holder['since']}"
    except (ValueError, KeyError):
        return "another Snakemake runs there"


def _wait_for_orphans(steps: IO[Any]) -> None:
    deadline = time.monotonic() + ORPHANS_TIMEOUT
    reported = False
    while not _try_lock(steps, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            raise MMLError("steps of a killed Snakemake are still running; stop them, then try again")
        if not reported:
            print("waiting for the steps of a killed Snakemake to end", flush=True)
            reported = True
        time.sleep(0.1)
    steps.close()


def _try_lock(file: IO[Any], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def name_supervisor(project: Path | None = None) -> None:
    """Set this process as the supervisor of the steps that it starts.

    Args:
        project: folder of the project of these steps; None: steps lock no project.
    """
    os.environ[SUPERVISOR] = f"{socket.gethostname()} {os.getpid()} {_start_of(psutil.Process())}"
    if project is not None:
        name_project(project)


def name_project(project: Path) -> None:
    """Set the project folder of this process. An outer pipeline runs steps of several projects."""
    os.environ[PROJECT] = str(project.absolute())


def supervisor_lives() -> bool:
    """Return True if the Snakemake that started this process still runs."""
    host, pid, started = (os.environ.get(SUPERVISOR) or "- 0 0").split()
    return host == socket.gethostname() and _alive(int(pid), float(started))


def follow_supervisor() -> IO[Any] | None:
    """Make this step end with its Snakemake: a thread sends SIGTERM after Snakemake has ended.

    Steps without a Snakemake on this machine, for example in a notebook, are not changed.

    Returns:
        a shared lock, for which the next Snakemake waits; keep it.
    """
    host, pid, started = (os.environ.get(SUPERVISOR) or "- 0 0").split()
    if host != socket.gethostname():
        return None
    lock_file = None
    if project := os.environ.get(PROJECT):
        steps_lock = Path(project) / STEPS_LOCK
        steps_lock.parent.mkdir(parents=True, exist_ok=True)
        lock_file = open(steps_lock, "a+", encoding="utf-8")
        fcntl.flock(lock_file, fcntl.LOCK_SH)
    threading.Thread(target=_terminate_after, args=(int(pid), float(started)), daemon=True).start()
    return lock_file


def process_rank() -> int:
    """Return the rank of this process in a distributed training; 0 for the first or only one."""
    return int(os.environ.get("LOCAL_RANK", 0))


def follow_parent() -> None:
    """Make this process end with its parent, like `follow_supervisor`."""
    if (parent := psutil.Process().parent()) is not None:
        threading.Thread(target=_terminate_after, args=(parent.pid, _start_of(parent)), daemon=True).start()


def _terminate_after(pid: int, started: float) -> None:
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
    """Return the start of a process in seconds since boot; on other systems than Linux in seconds since the epoch.

    psutil's `create_time` changes when the clock is set, and steps would no longer recognize their Snakemake.
    """
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return int(fields.split()[19]) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return process.create_time()
