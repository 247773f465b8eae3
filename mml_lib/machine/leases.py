"""Leases: each step that computes on a GPU leases a GPU, or a share of its memory.

All users of a machine share a folder with a file for each GPU. A lease is a kernel lock on as many bytes of this file
as it has MB; the lease of a whole GPU locks as many bytes as the GPU has MB. Shares of several projects therefore never
exceed the memory, and a lease ends with its process. Unlike locks of `flock`, these locks are not inherited by forks:
the workers of a data loader do not prolong a lease.
"""

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.machine.gpu_devices import VISIBLE, Gpu, visible_gpus

FOLDER = "MML_GPU_LEASES"
"""Environment variable with the path of the folder, for containers that share it as a volume."""

SHARE = "MML_GPU_SHARE"
"""Environment variable with the leased MB of a GPU, for the processes of a distributed training."""

SHARED_FOLDERS = (Path("/run/lock"), Path("/tmp"))
"""Folders in which all users of a machine may write, the folder for locks first."""

MAX_USED_SHARE = 0.25
"""Largest share of a GPU's memory that other programs may use if a step leases the GPU. A desktop needs less."""

INTERVAL = 2.0
"""Seconds between two attempts to lease."""

MIN_FILE_NUMBER = 500
"""Lowest file number of leases, so that a process that ends closes the files of its GPU first."""

_LOCKS: list[int] = []  # open files, which keep the locks until the process ends


@dataclass(frozen=True)
class _GpuState:
    """State of a GPU: the open file of its leases, the leased MB, and the MB that other programs use."""

    gpu: Gpu
    file: int
    leased: int
    other_mb: int

    def fits(self, mem_mb: int | None) -> bool:
        """Return True if a request for some MB, or for the whole GPU (None), fits."""
        if mem_mb is None:
            return not self.leased and not self.is_filled(None)
        return self.leased + self.other_mb + mem_mb <= self.gpu.memory

    def is_filled(self, mem_mb: int | None) -> bool:
        """Return True if a request does not fit because of other programs."""
        return self.other_mb > (MAX_USED_SHARE * self.gpu.memory if mem_mb is None else self.gpu.memory - mem_mb)


def own_share() -> int:
    """Return the MB of a GPU that this step may use; 0 for whole GPUs and steps without GPUs.

    Raises:
        MMLError: the environment variable is no number.
    """
    value = os.environ.get(SHARE) or "0"
    if not value.isdecimal():
        raise MMLError(f"the environment variable {SHARE} is a number of MB, not '{value}'; unset it")
    return int(value)


def lease_gpus(number: int, mem_mb: int | None, timeout: float, report: Callable[[str], None]) -> list[Gpu]:
    """Wait until enough GPUs are free, lease them, set CUDA_VISIBLE_DEVICES, and return them.

    The time to wait for other leases has no limit; `timeout` limits the time to wait for programs without a lease.

    Args:
        number: number of GPUs.
        mem_mb: memory of each GPU to lease, in MB; None: whole GPUs.
        timeout: seconds to wait for other programs.
        report: called with the reason for waiting, whenever it changes.

    Raises:
        MMLError: there are too few GPUs, or other programs use them for too long.
    """
    reported, since = None, None
    while True:
        gpus = visible_gpus()
        large_enough = [gpu for gpu in gpus if gpu.memory >= (mem_mb or 0)]
        if len(large_enough) < number:
            raise MMLError(_too_few(number, mem_mb, gpus))
        leased, states = _take(large_enough, number, mem_mb)
        if leased:
            return leased
        filled = [state for state in states if state.is_filled(mem_mb)]
        is_blocked = len(states) - len(filled) < number
        since = (since or time.monotonic()) if is_blocked else None
        if since is not None and time.monotonic() - since > timeout:
            raise MMLError(
                f"other programs have filled the GPUs for {timeout / 60:g} minutes: {_usage(filled)}; end them, set a "
                f"longer gpu_timeout, or leave these GPUs out by {VISIBLE}"
            )
        if is_blocked is not reported:
            reported = is_blocked
            whom = f"other programs to free {_usage(filled)}" if is_blocked else "other steps to free a GPU"
            report(f"waiting for {whom}")
        time.sleep(INTERVAL)


def _too_few(number: int, mem_mb: int | None, gpus: Sequence[Gpu]) -> str:
    memory = f" with {mem_mb} MB" if mem_mb else ""
    return (
        f"this step needs {number} GPU{'s' * (number > 1)}{memory}, but here are {len(gpus)}"
        f"{''.join(f', {gpu.uuid} with {gpu.memory} MB' for gpu in gpus)}; set trainer.devices, "
        f"resources.<rule>.gpu_mem_mb or {VISIBLE}"
    )


def _usage(states: Sequence[_GpuState]) -> str:
    return ", ".join(f"{state.other_mb} of {state.gpu.memory} MB of {state.gpu.uuid}" for state in states)


def _take(gpus: Sequence[Gpu], number: int, mem_mb: int | None) -> tuple[list[Gpu], list[_GpuState]]:
    """Lease the given number of GPUs, or none; return the leased GPUs and the states of all."""
    folder = _folder()
    with _lock_states(folder), contextlib.ExitStack() as stack:
        states = [_read_state(gpu, _open(folder / gpu.uuid, stack)) for gpu in gpus]
        fitting = [state for state in states if state.fits(mem_mb)]
        if len(fitting) < number:
            return [], states
        # The GPUs with most free memory, so that steps are spread over GPUs.
        chosen = sorted(fitting, key=lambda state: state.leased + state.other_mb - state.gpu.memory)[:number]
        for state in chosen:
            _lock(state, state.gpu.memory if mem_mb is None else mem_mb)
            _LOCKS.append(state.file)
        _lock_folder(folder)
        os.environ[VISIBLE] = ",".join(state.gpu.uuid for state in chosen)
        return [state.gpu for state in chosen], states


def _read_state(gpu: Gpu, file: int) -> _GpuState:
    """Return the state of a GPU; the caller holds the lock of the folder.

    The file records the MB of other programs: later, they cannot be told apart from memory that steps use.
    """
    free = _lock_free(file, 0, _length(gpu))
    for low, high in free:
        fcntl.lockf(file, fcntl.LOCK_UN, high - low, low)
    leased = _length(gpu) - sum(high - low for low, high in free)
    recorded = os.pread(file, 32, 0).split()
    other_mb = min(gpu.used, max(gpu.used - leased, int(recorded[0]) if recorded and recorded[0].isdigit() else 0))
    os.pwrite(file, f"{other_mb:<32}".encode(), 0)
    return _GpuState(gpu, file, leased, other_mb)


def _length(gpu: Gpu) -> int:
    return max(gpu.memory, 1)  # the memory of a MIG part is unknown; it is leased as a whole


def _lock(state: _GpuState, mem_mb: int) -> None:
    """Lock as many free bytes as MB."""
    missing = max(mem_mb, 1)
    for low, high in _lock_free(state.file, 0, _length(state.gpu)):
        length = min(high - low, missing)
        missing -= length
        if length < high - low:
            fcntl.lockf(state.file, fcntl.LOCK_UN, high - low - length, low + length)


def _lock_free(file: int, low: int, high: int) -> list[tuple[int, int]]:
    """Lock all free bytes of a range; return the locked ranges."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, high - low, low)
    except (BlockingIOError, PermissionError):  # depends on the system
        if high - low == 1:
            return []
        middle = (low + high) // 2
        return _lock_free(file, low, middle) + _lock_free(file, middle, high)
    return [(low, high)]


def _folder() -> Path:
    """Return the folder that all users of the machine share; create it if necessary."""
    chosen = os.environ.get(FOLDER)
    common = [path for path in SHARED_FOLDERS if path.is_dir() and path.stat().st_mode & stat.S_IWOTH]
    folder = Path(chosen) if chosen else (*common, Path(tempfile.gettempdir()))[0] / "mml-gpus"
    try:
        with _no_umask():
            folder.mkdir(0o1777, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error
    return folder


def _lock_folder(folder: Path) -> None:
    """Lock the folder: systemd removes old files from /tmp, except from locked folders."""
    _LOCKS.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
    fcntl.flock(_LOCKS[-1], fcntl.LOCK_SH)


@contextlib.contextmanager
def _no_umask() -> Iterator[None]:
    """Create files and folders that all users may write."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def _unusable(path: Path, error: OSError) -> MMLError:
    return MMLError(
        f"the leases of GPUs cannot be kept in {path} ({error.strerror}); let all users write there, or set {FOLDER} "
        "to a folder where they may"
    )


@contextlib.contextmanager
def _lock_states(folder: Path) -> Iterator[None]:
    """Hold the lock for reading and changing the states of GPUs."""
    with contextlib.ExitStack() as stack:
        fcntl.flock(_open(folder / "looking", stack), fcntl.LOCK_EX)
        yield


def _open(path: Path, stack: contextlib.ExitStack) -> int:
    """Open a file that all users share. The stack closes it, unless it is the file of a lease."""
    try:
        file = _open_shared(path)
    except OSError as error:
        raise _unusable(path, error) from error

    def close() -> None:
        if file not in _LOCKS:
            os.close(file)

    stack.callback(close)
    return file


def _open_shared(path: Path) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW
    try:
        # Not O_CREAT: Linux refuses it for other users' files in a folder that all may write to.
        low = os.open(path, flags)
    except FileNotFoundError:
        try:
            with _no_umask():
                low = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            low = os.open(path, flags)
    high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, MIN_FILE_NUMBER)
    os.close(low)
    return high
