"""Run Snakemake in a fork of a process that has imported it already.

Importing Snakemake takes 1.5 of the 2 seconds of processor time of a dry run, which hundreds of runs would pay each.
A fork is otherwise the command `python -m snakemake`: a process of its own, with its own arguments, working folder,
environment, streams and exit status. The server imports what every plan needs, hence no torch, and parses the rules. A
fork ends without taking apart what was imported, which took more than half of the time of a dry run.

A Snakemake that a test signals is a fork too (`start_snakemake`), with a process id of its own.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from mml_lib.steps.warm_process import _run as run_script
from tests.support.places import REPOSITORY
from tests.support.warm_steps import warm_python

SECONDS = 1200
"""Limit of one run."""

IMPORTED = (
    "snakemake.cli",
    "snakemake.dag",
    "snakemake.notebook",
    "snakemake.scheduling.job_scheduler",
    "snakemake.storage",
    "snakemake.workflow",
    "jsonschema",
    "nbformat",
    "smart_open",
    "mml_lib.engine.failures",
    "mml_lib.engine.hooks",
    "mml_lib.engine.leakage",
    "mml_lib.engine.opening",
    "mml_lib.schedulers.post",
    "mml_lib.schedulers.transfer",
)

_server: subprocess.Popen | None = None
_lock = threading.Lock()


def run_snakemake(arguments: list[str], folder: Path, **environment: str) -> tuple[int, str]:
    """Return the exit status and the output of `python -m snakemake` with arguments in a folder.

    Args:
        arguments: of the command line.
        folder: the working folder.
        environment: variables in addition to those of this process.
    """
    with tempfile.NamedTemporaryFile() as output:
        pid = _ask(**_request(arguments, folder, environment), output=output.name)
        status = _ask(pid=pid)
        output.seek(0)
        return status, output.read().decode("utf-8", "replace")


@dataclass
class RunningSnakemake:
    """A Snakemake that runs beside its test; has what the tests need of `subprocess.Popen`."""

    pid: int
    stdout: TextIO
    """Output of Snakemake and of its steps."""
    returncode: int | None = field(default=None, init=False)

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _ask(pid=self.pid, waits=False)
        return self.returncode

    def wait(self, timeout: float = SECONDS) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            assert time.monotonic() < deadline, f"still running after {timeout} s"
            time.sleep(0.02)
        return self.returncode

    def communicate(self, timeout: float = SECONDS) -> tuple[str, None]:
        """Return the output up to its end, and nothing; a process that takes too long is killed."""
        limit = threading.Timer(timeout, self.kill)
        limit.start()
        output = self.stdout.read()
        limit.cancel()
        self.wait()
        return output, None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start_snakemake(arguments: list[str], folder: Path) -> RunningSnakemake:
    """Start `python -m snakemake` with arguments in a folder."""
    reading, writing = os.pipe()
    pid = _ask(**_request(arguments, folder, {}), output=f"/proc/{os.getpid()}/fd/{writing}")
    os.close(writing)
    return RunningSnakemake(pid, os.fdopen(reading, encoding="utf-8", errors="replace"))


def _request(arguments: list[str], folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    variables = os.environ | environment
    return {"arguments": arguments, "folder": str(folder), "environment": variables, "python": str(warm_python())}


def _ask(**request: Any) -> Any:
    """Return the answer of the server: the process id of a new fork, or the exit status of one."""
    server = _running_server()
    with _lock:
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        return json.loads(server.stdout.readline())


def _running_server() -> subprocess.Popen:
    global _server
    if _server is None or _server.poll() is not None:
        _server = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=REPOSITORY,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # a process that forks has no threads
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        atexit.register(_server.stdin.close)
    return _server


def serve() -> dict[str, Any] | None:
    """Fork for each request that is not about a fork; return the request in a fork, nothing at the end of all."""
    for module in IMPORTED:
        importlib.import_module(module)
    sys.modules["snakemake.cli"].get_argument_parser()  # imports Snakemake's plugins
    importlib.import_module("tests.support.parsed_rules").parse_rules_once()
    gc.collect()
    gc.freeze()  # collecting would copy every page that is shared
    for line in sys.stdin:
        request = json.loads(line)
        if pid := request.get("pid"):
            ended, status = os.waitpid(pid, 0 if request.get("waits", True) else os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        else:
            request["output"] = os.open(request["output"], os.O_WRONLY | os.O_APPEND)
            answer = os.fork()
            if answer == 0:
                return request
            os.close(request["output"])
        print(json.dumps(answer), flush=True)
    return None


def become_snakemake(request: dict[str, Any]) -> None:
    """Turn this process into the command that a request describes."""
    signal.alarm(SECONDS)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # found anew, by this environment
    for stream in (1, 2):
        os.dup2(request["output"], stream)
    os.close(request["output"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv[1:] = request["arguments"]
    sys.orig_argv[:] = [sys.executable, "-m", "snakemake", *request["arguments"]]
    sys.executable = request["python"]  # runs scripts
    sys.path[0] = request["folder"]
    os._exit(run_script(sys.modules["snakemake"].__path__[0] + "/__main__.py"))


if __name__ == "__main__":
    request = serve()
    if request is not None:
        become_snakemake(request)
