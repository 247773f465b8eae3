"""The warm process: it imports torch, Lightning and timm once, and runs each step that needs them in a fork.

These imports take seconds, which each small step would spend again. While the process is idle, it also imports the
modules of the planned scripts. In a run without steps that need torch, the process is light: it imports the modules of
the planned scripts only. It ends with its Snakemake. `machine.warm_start` is the module for its clients.

The process computes nothing itself, so that its forks start without CUDA and without threads.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mml_lib.machine.locks import supervisor_lives
from mml_lib.machine.slurm import own_job
from mml_lib.machine.warm_start import FOLDER, LIGHT, RELAYED, SCRIPTS, SIGNALS, code_key
from mml_lib.steps.warm_imports import (
    IMPORTED,
    IMPORTED_BY_STEPS,
    cache_entry_points,
    modules_of_scripts,
    skip_finalizers,
    thread_pools,
)


class WarmProcess:
    """Accepts requests, forks, and sends each client the exit status of its fork.

    Args:
        folder: folder for the socket.
        code: `code_key` before the imports, which set environment variables.
        modules: modules to import while the process is idle.
    """

    def __init__(self, folder: Path, code: Any, modules: Iterable[str] = ()):
        self.code = json.loads(json.dumps(code))
        self.modules = iter(modules)
        self.has_imported_all = False
        self.clients: dict[socket.socket, int] = {}
        self.direct: set[socket.socket] = set()
        self.relay: socket.socket | None = None
        self.relayed = folder / RELAYED
        self.ignored = {number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN}
        if own_job():  # SLURM signals all processes of a job; steps handle the signal
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
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
        """Serve until Snakemake has ended, then return None. In a fork, return the request to run."""
        while supervisor_lives() or self.clients:
            events = self.selector.select(timeout=0.5 if self.has_imported_all else 0)
            if not events and not self.has_imported_all:
                self._import_one()
            for key, _ in events:
                if key.fileobj is self.listener:
                    if request := self._accept():
                        return request
                elif key.fileobj is self.ended:
                    self.ended.recv(4096)
                elif key.fileobj is self.relay:
                    self._forward_signals()
                elif isinstance(client := key.fileobj, socket.socket) and is_gone(client):  # it was killed
                    if client not in self.direct:  # the forks of a killed Snakemake end by themselves
                        self._signal(client, signal.SIGKILL)
                    self.selector.unregister(client)
            self._report_ended_forks()
        return None

    def _signal(self, client: socket.socket, number: int) -> None:
        """Send a signal to the fork of a client."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.clients[client], number)

    def _forward_signals(self) -> None:
        """Forward signals of the relay to the forks that have no client process."""
        relay, numbers = self.relay, b""
        if relay is not None:
            with contextlib.suppress(OSError):
                numbers = relay.recv(64)
        for number in numbers:
            for client in self.direct:
                self._signal(client, number)
        if not numbers and relay is not None:
            self.relayed.unlink(missing_ok=True)
            self.selector.unregister(relay)
            relay.close()
            self.relay = None

    def _import_one(self) -> None:
        """Import the next module. Errors, such as a missing package, are left to the step that needs it."""
        module = next(self.modules, None)
        if module is None:
            self.has_imported_all = True
            freeze_imports()
            return
        with contextlib.suppress(Exception):
            importlib.import_module(module)

    def _accept(self) -> dict[str, Any] | None:
        """Accept a request; return it in the fork, and None in this process."""
        connection, _ = self.listener.accept()
        try:
            _, streams, _, _ = socket.recv_fds(connection, 1, 3)
            request = json.loads(connection.makefile("r", encoding="utf-8").readline())
        except (OSError, ValueError):
            connection.close()
            return None
        if "relay" in request:
            self.relay = connection
            self.selector.register(connection, selectors.EVENT_READ)
            self.relayed.touch()
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
            if request.get("direct"):
                self.direct.add(connection)
            self.selector.register(connection, selectors.EVENT_READ)
            _answer(connection, pid=pid)
        return None

    def _report_ended_forks(self) -> None:
        """Send clients the exit status, time and memory of forks that have ended."""
        for connection, pid in list(self.clients.items()):
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                seconds = usage.ru_utime + usage.ru_stime
                _answer(connection, status=os.waitstatus_to_exitcode(status), seconds=seconds, kib=usage.ru_maxrss)
                with contextlib.suppress(KeyError):
                    self.selector.unregister(connection)
                connection.close()
                del self.clients[connection]
                self.direct.discard(connection)

    def close_streams(self) -> None:
        """Close the streams that a fork does not need."""
        signal.set_wakeup_fd(-1)
        for number in (*SIGNALS, signal.SIGCHLD):
            if number not in self.ignored:
                signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.selector.close()
        for stream in (self.listener, self.ended, self.ending, self.relay, *self.clients):
            if stream is not None:
                stream.close()


def is_gone(connection: socket.socket) -> bool:
    """Return True if the client has closed the connection, or was killed."""
    try:
        return not connection.recv(4096)
    except OSError:
        return True


def _answer(connection: socket.socket, **answer: float) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(answer).encode() + b"\n")


def _adopt_client(request: dict[str, Any]) -> None:
    """Set streams, environment, working folder, arguments and number of threads to those of the client."""
    for number, stream in enumerate(request["streams"]):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.environ.pop(FOLDER, None)
    tempfile.tempdir = None  # imports may have cached that of the previous environment
    os.chdir(request["cwd"])
    sys.argv = request["argv"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    if threads := os.environ.get("OMP_NUM_THREADS"):
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(int(threads))
        thread_pools().limit(limits=int(threads))


def freeze_imports() -> None:
    """Prepare imported modules for forks, so that they write to few memory pages of this process."""
    skip_finalizers()
    cache_entry_points()
    thread_pools.cache_clear()
    thread_pools()
    gc.collect()
    gc.freeze()


def main(folder: Path) -> None:
    """Import modules, serve requests, and run the script of each request in a fork."""
    code = code_key()
    modules = modules_of_scripts(filter(None, os.environ.get(SCRIPTS, "").split(os.pathsep)))
    if LIGHT in os.environ:
        for module in (*IMPORTED_BY_STEPS, *modules):
            with contextlib.suppress(Exception):
                importlib.import_module(module)
    else:
        for module in IMPORTED:
            importlib.import_module(module)
        import torch

        if torch.cuda.is_initialized():
            sys.exit("CUDA was initialised before forking; forks could not use it")
    freeze_imports()
    process = WarmProcess(folder, code, modules)
    request = process.serve()
    if request is None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)  # finalizers of imported libraries would take a second
    process.close_streams()
    _adopt_client(request)
    os._exit(_run(sys.argv[0]))


def _run(script: str) -> int:
    """Run a script and its exit functions like the Python interpreter; return its exit status."""
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
