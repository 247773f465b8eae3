"""Leases: each step that computes on a GPU has one of its own, or its share of the memory of one.

All users of a machine share a folder with a file for each GPU. A lease is a lock of the kernel's on its bytes: on as
many as the GPU has MB for a whole GPU, on fewer for a share. So shares never exceed the memory, whatever
project they are of, and a lease dies with its process. Unlike those of `flock`, these locks are not inherited by forks,
so that none outlives its step in a process that feeds it.
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
"""Environment variable that names the folder: for containers, which share it as a volume."""

SHARE = "MML_GPU_SHARE"
"""Environment variable by which a step tells the processes that train with it how many MB of a GPU are theirs."""

COMMON = (Path("/run/lock"), Path("/tmp"))
"""Where all users of a machine may write; what is there for locks comes first."""

FILLED = 0.25
"""Share of a GPU's memory from which on, where others use it, no step has it as a whole: a desktop needs less."""

INTERVAL = 2.0
"""Seconds between two looks at GPUs that are not free."""

HIGH = 500
"""Lowest file number of leases: a process that ends closes the files of its GPU first, which have lower numbers."""

_HELD: list[int] = []  # open files, whose locks live as long as the process


@dataclass(frozen=True)
class _Offer:
    """A GPU as it is at the moment, the open file of its leases, how many MB are leased and how many others use."""

    gpu: Gpu
    file: int
    leased: int
    others: int

    def room(self, mem_mb: int | None) -> bool:
        """Return True if a step fits that requests some MB or a whole GPU."""
        if mem_mb is None:
            return not self.leased and not self.filled(None)
        return self.leased + self.others + mem_mb <= self.gpu.memory

    def filled(self, mem_mb: int | None) -> bool:
        """Return True if other programs alone leave too little."""
        return self.others > (FILLED * self.gpu.memory if mem_mb is None else self.gpu.memory - mem_mb)


def own_share() -> int:
    """Return the MB of a GPU that this step may use; 0 for whole GPUs, or none."""
    return int(os.environ.get(SHARE, 0))


def lease_gpus(number: int, mem_mb: int | None, patience: float, report: Callable[[str], None]) -> list[Gpu]:
    """Lease GPUs for this process as soon as enough are free, name them in CUDA_VISIBLE_DEVICES, and return them.

    Other leases are waited for without limit, programs without a lease at most for `patience`.

    Args:
        number: number of GPUs.
        mem_mb: memory on each of them, whose rest other steps may use; None: the whole GPUs.
        patience: seconds to wait for other programs.
        report: called with the reason for waiting, whenever it changes.

    Raises:
        MMLError: there are fewer, or other programs fill them for too long.
    """
    reported, since = None, None
    while True:
        gpus = visible_gpus()
        enough = [gpu for gpu in gpus if gpu.memory >= (mem_mb or 0)]
        if len(enough) < number:
            raise MMLError(_too_few(number, mem_mb, gpus))
        taken, offers = _take(enough, number, mem_mb)
        if taken:
            return taken
        filled = [offer for offer in offers if offer.filled(mem_mb)]
        hopeless = len(offers) - len(filled) < number
        since = (since or time.monotonic()) if hopeless else None
        if since is not None and time.monotonic() - since > patience:
            raise MMLError(
                f"other programs have filled the GPUs for {patience / 60:g} minutes: {_words(filled)}; end them, set a "
                f"longer gpu_timeout, or leave these GPUs out by {VISIBLE}"
            )
        if hopeless is not reported:
            reported = hopeless
            whom = f"other programs to leave {_words(filled)}" if hopeless else "other steps to leave a GPU"
            report(f"waiting for {whom}")
        time.sleep(INTERVAL)


def _too_few(number: int, mem_mb: int | None, gpus: Sequence[Gpu]) -> str:
    memory = f" with {mem_mb} MB" if mem_mb else ""
    return (
        f"this step needs {number} GPU{'s' * (number > 1)}{memory}, but here are {len(gpus)}"
        f"{''.join(f', {gpu.uuid} with {gpu.memory} MB' for gpu in gpus)}; set trainer.devices, "
        f"resources.<rule>.gpu_mem_mb or {VISIBLE}"
    )


def _words(offers: Sequence[_Offer]) -> str:
    return ", ".join(f"{offer.others} of {offer.gpu.memory} MB of {offer.gpu.uuid}" for offer in offers)


def _take(gpus: Sequence[Gpu], number: int, mem_mb: int | None) -> tuple[list[Gpu], list[_Offer]]:
    """Lock so many of the GPUs, all at once, or none; return them, and how all are."""
    folder = _folder()
    with _alone(folder), contextlib.ExitStack() as stack:
        offers = [_offer(gpu, _open(folder / gpu.uuid, stack)) for gpu in gpus]
        fitting = [offer for offer in offers if offer.room(mem_mb)]
        if len(fitting) < number:
            return [], offers
        # The emptiest: steps that share GPUs divide themselves among them.
        chosen = sorted(fitting, key=lambda offer: offer.leased + offer.others - offer.gpu.memory)[:number]
        for offer in chosen:
            _lock(offer, offer.gpu.memory if mem_mb is None else mem_mb)
            _HELD.append(offer.file)
        _keep(folder)
        os.environ[VISIBLE] = ",".join(offer.gpu.uuid for offer in chosen)
        return [offer.gpu for offer in chosen], offers


def _offer(gpu: Gpu, file: int) -> _Offer:
    """Return the state of a GPU; the caller holds the lock of the folder.

    What others use is noted in the file, or it would pass for that of steps which do not use yet what they have leased.
    """
    free = _free(file, 0, _length(gpu))
    for low, high in free:
        fcntl.lockf(file, fcntl.LOCK_UN, high - low, low)
    leased = _length(gpu) - sum(high - low for low, high in free)
    noted = os.pread(file, 32, 0).split()
    others = min(gpu.used, max(gpu.used - leased, int(noted[0]) if noted and noted[0].isdigit() else 0))
    os.pwrite(file, f"{others:<32}".encode(), 0)
    return _Offer(gpu, file, leased, others)


def _length(gpu: Gpu) -> int:
    return max(gpu.memory, 1)  # of a part of a GPU the memory is not known; it is leased as a whole


def _lock(offer: _Offer, mem_mb: int) -> None:
    """Lock as many bytes as MB, wherever they are free."""
    missing = max(mem_mb, 1)
    for low, high in _free(offer.file, 0, _length(offer.gpu)):
        kept = min(high - low, missing)
        missing -= kept
        if kept < high - low:
            fcntl.lockf(offer.file, fcntl.LOCK_UN, high - low - kept, low + kept)


def _free(file: int, low: int, high: int) -> list[tuple[int, int]]:
    """Lock all bytes between two that nobody has; return which."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, high - low, low)
    except (BlockingIOError, PermissionError):  # systems differ in what they say
        if high - low == 1:
            return []
        middle = (low + high) // 2
        return _free(file, low, middle) + _free(file, middle, high)
    return [(low, high)]


def _folder() -> Path:
    """Return the folder that all users of the machine share, made if need be."""
    chosen = os.environ.get(FOLDER)
    common = [path for path in COMMON if path.is_dir() and path.stat().st_mode & stat.S_IWOTH]
    folder = Path(chosen) if chosen else (*common, Path(tempfile.gettempdir()))[0] / "mml-gpus"
    try:
        with _all_may_write():
            folder.mkdir(0o1777, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error
    return folder


def _keep(folder: Path) -> None:
    """Hold the folder too: systemd removes what lies in /tmp for days, but not in a folder that is locked."""
    _HELD.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
    fcntl.flock(_HELD[-1], fcntl.LOCK_SH)


@contextlib.contextmanager
def _all_may_write() -> Iterator[None]:
    """Make files and folders for all users, at once."""
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
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock under which the state of GPUs is read and changed."""
    with contextlib.ExitStack() as stack:
        fcntl.flock(_open(folder / "looking", stack), fcntl.LOCK_EX)
        yield


def _open(path: Path, stack: contextlib.ExitStack) -> int:
    """Open a file that all users share; it is closed with the stack, unless it is held."""
    try:
        file = _number(path)
    except OSError as error:
        raise _unusable(path, error) from error

    def close() -> None:
        if file not in _HELD:
            os.close(file)

    stack.callback(close)
    return file


def _number(path: Path) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW
    try:
        # Not O_CREAT: in a folder that all may write to, Linux refuses it for files of others.
        low = os.open(path, flags)
    except FileNotFoundError:
        try:
            with _all_may_write():
                low = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            low = os.open(path, flags)
    high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(low)
    return high
