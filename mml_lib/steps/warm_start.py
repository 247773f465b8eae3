"""Warm start: a process that has imported torch, Lightning and timm forks off each step that needs them.

Importing them takes seconds, which small steps pay again and again. The first such step of a run starts the process,
which ends with the run's Snakemake. A step hands itself over: same script, arguments, environment, working folder and
streams; it waits for the fork, hands signals on, and ends as the fork ends. Whatever does not work falls back to a
plain start.

The process computes nothing itself, so that what it forks has touched no GPU and has no threads.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import mml_lib
from mml_lib.machine.locks import process_rank, supervisor_lives

FOLDER = "MML_WARM_START"
"""Environment variable by which a Snakemake tells its steps where the process listens."""

IMPORTED = (
    "mml_lib.steps.open_step",
    "mml_lib.schedulers.transfer",
    "mml_lib.training.trainer",
    "mml_lib.inference.prediction",
    "mml_lib.training.watching",
)
PATIENCE = 120
"""Seconds to wait for the process to have imported all."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
READ_WHEN_IMPORTED = ("LD_", "PYTHON", "TORCH", "PYTORCH", "MKL_", "KMP_", "OPENBLAS_", "NCCL_", "CUDA_LAUNCH")
"""Prefixes of environment variables that libraries read once; thread counts are set again."""


def offer_warm_start() -> None:
    """Let the steps that this process starts share a warm one, where the system can."""
    if sys.platform == "linux":
        os.environ[FOLDER] = str(Path(tempfile.gettempdir()) / f"mml-{secrets.token_hex(8)}")


def withdraw_warm_start() -> None:
    """Let the steps that this process starts import their modules: on a cluster each runs on another machine."""
    os.environ.pop(FOLDER, None)
    tempfile.tempdir = None  # of this environment, not of the one in which the imports asked for it


def start_warm() -> None:
    """Go on in a fork of the warm process, where there is one: this process then ends as the fork does."""
    folder = os.environ.get(FOLDER)
    if not folder or process_rank():
        return
    request = {"code": _code(), "argv": sys.argv, "cwd": os.getcwd(), "environment": dict(os.environ)}
    try:
        connection = _connect(Path(folder))
        socket.send_fds(connection, [b"."], [0, 1, 2])
        connection.sendall(json.dumps(request).encode() + b"\n")
        answers = connection.makefile("r", encoding="utf-8")
        pid = json.loads(answers.readline())["pid"]
    except (OSError, ValueError, KeyError):
        return

    def hand_on(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in SIGNALS:
        signal.signal(number, hand_on)
    _end_as(answers.readline(), pid)


def _end_as(answer: str, pid: int) -> None:
    """End this process with the exit status of a fork, or by the signal that ended it."""
    if not answer:  # the warm process was killed
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os._exit(1)
    status = json.loads(answer)["status"]
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)


def _connect(folder: Path) -> socket.socket:
    """Return a connection to the warm process, which the first step starts and waits for.

    Raises:
        OSError: there is none.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "started").exists():
            (folder / "started").touch()
            _start(folder)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(folder / "socket"))
    return connection


def _start(folder: Path) -> None:
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + PATIENCE
    while not (folder / "socket").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def _code() -> list[Any]:
    """Return a key that is equal for two processes with the same library and environment."""
    root = Path(mml_lib.__file__).parent
    files = [(str(file), file.stat().st_mtime_ns) for file in sorted(root.rglob("*.py"))]
    read = {key: value for key, value in sorted(os.environ.items()) if key.startswith(READ_WHEN_IMPORTED)}
    threads = [key for key in read if key.endswith("_NUM_THREADS")]
    return [sys.executable, sys.version, files, {key: read[key] for key in read if key not in threads}]


# --- the warm process -------------------------------------------------------------------------------------------


class WarmProcess:
    """Listens, forks, and tells each client how its fork ended.

    Args:
        folder: where the socket is made.
        code: what `_code` said before anything was imported, which sets variables.
    """

    def __init__(self, folder: Path, code: Any):
        self.code = json.loads(json.dumps(code))
        self.clients: dict[socket.socket, int] = {}
        self.selector = selectors.DefaultSelector()
        self.ended, self.ending = socket.socketpair()
        for stream in (self.ended, self.ending):
            stream.setblocking(False)
        signal.set_wakeup_fd(self.ending.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "binding"))
        self.listener.listen(64)
        for stream in (self.listener, self.ended):
            self.selector.register(stream, selectors.EVENT_READ)
        os.rename(folder / "binding", folder / "socket")

    def serve(self) -> dict[str, Any] | None:
        """Return a request to run in a fork; in the process itself return None, when its Snakemake has ended."""
        while supervisor_lives() or self.clients:
            for key, _ in self.selector.select(timeout=0.5):
                if key.fileobj is self.listener:
                    if request := self._accept():
                        return request
                elif key.fileobj is self.ended:
                    self.ended.recv(4096)
                elif isinstance(client := key.fileobj, socket.socket) and is_gone(client):  # it was killed
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self.clients[client], signal.SIGKILL)
                    self.selector.unregister(client)
            self._reap()
        return None

    def _accept(self) -> dict[str, Any] | None:
        """Take a request; return it in the fork, None in this process."""
        connection, _ = self.listener.accept()
        try:
            _, streams, _, _ = socket.recv_fds(connection, 1, 3)
            request = json.loads(connection.makefile("r", encoding="utf-8").readline())
        except (OSError, ValueError):
            connection.close()
            return None
        if request["code"] != self.code:
            connection.close()
            pid = None
        else:
            pid = os.fork()
        if pid == 0:
            return request | {"streams": streams}
        for stream in streams:
            os.close(stream)
        if pid is not None:
            self.clients[connection] = pid
            self.selector.register(connection, selectors.EVENT_READ)
            _tell(connection, pid=pid)
        return None

    def _reap(self) -> None:
        """Tell clients whose fork has ended."""
        for connection, pid in list(self.clients.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                _tell(connection, status=os.waitstatus_to_exitcode(status))
                with contextlib.suppress(KeyError):
                    self.selector.unregister(connection)
                connection.close()
                del self.clients[connection]

    def leave(self) -> None:
        """Close the streams that a fork does not need."""
        signal.set_wakeup_fd(-1)
        for number in (*SIGNALS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.selector.close()
        for stream in (self.listener, self.ended, self.ending, *self.clients):
            stream.close()


def is_gone(connection: socket.socket) -> bool:
    """Return True if the other end is closed. If it was killed with an unread answer, it leaves an error."""
    try:
        return not connection.recv(4096)
    except OSError:
        return True


def _tell(connection: socket.socket, **answer: int) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(answer).encode() + b"\n")


def _become(request: dict[str, Any]) -> None:
    """Give this process the streams, environment, folder, arguments and threads of the client."""
    for number, stream in enumerate(request["streams"]):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.environ.pop(FOLDER, None)
    tempfile.tempdir = None  # of this environment, not of the one in which the imports asked for it
    os.chdir(request["cwd"])
    sys.argv = request["argv"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    if threads := os.environ.get("OMP_NUM_THREADS"):
        import torch
        from threadpoolctl import threadpool_limits

        torch.set_num_threads(int(threads))
        threadpool_limits(int(threads))


def main(folder: Path) -> None:
    """Import, serve, and in each fork run the script of its client."""
    code = _code()
    for module in IMPORTED:
        importlib.import_module(module)
    import torch

    if torch.cuda.is_initialized():
        sys.exit("a GPU is in use already, which forks could not use then")
    gc.freeze()  # collecting would copy every page that is shared
    process = WarmProcess(folder, code)
    request = process.serve()
    if request is None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)  # taking apart all that was imported would take a second
    process.leave()
    _become(request)
    os._exit(_run(sys.argv[0]))


def _run(script: str) -> int:
    """Run a script as Python does, up to the functions that are registered for its end; return its exit status."""
    try:
        runpy.run_path(script, run_name="__main__")
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()  # type: ignore[attr-defined]  # private: waits for threads, as the end of Python does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return status & 0xFF


if __name__ == "__main__":
    main(Path(sys.argv[1]))
