"""Run Snakemake in a fork of a process that has imported it already.

Importing Snakemake takes 1.5 of the 2 seconds of processor time of a dry run, which hundreds of runs would pay each.
A fork is otherwise the command `python -m snakemake`: a process of its own, with its own arguments, working folder,
environment, streams and exit status. The server imports what every plan needs, hence no torch, and parses the rules. A
fork ends without taking apart what was imported, which took more than half of the time of a dry run.

Tests that signal a Snakemake start the command itself, by `Workplace.start`.
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
from pathlib import Path
from typing import Any

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


def run_snakemake(arguments: list[str], folder: Path, **environment: str) -> tuple[int, str]:
    """Return the exit status and the output of `python -m snakemake` with arguments in a folder.

    Args:
        arguments: of the command line.
        folder: the working folder.
        environment: variables in addition to those of this process.
    """
    with tempfile.NamedTemporaryFile() as output:
        request = {"arguments": arguments, "folder": str(folder), "output": output.name}
        request |= {"environment": os.environ | environment, "python": str(warm_python())}
        server = _running_server()
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = json.loads(server.stdout.readline())
        output.seek(0)
        return status, output.read().decode("utf-8", "replace")


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
    """Fork for each request; return the request in a fork, nothing at the end of the requests."""
    for module in IMPORTED:
        importlib.import_module(module)
    sys.modules["snakemake.cli"].get_argument_parser()  # imports Snakemake's plugins
    importlib.import_module("tests.support.parsed_rules").parse_rules_once()
    gc.collect()
    gc.freeze()  # collecting would copy every page that is shared
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            return json.loads(line)
        _, status = os.waitpid(pid, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
    return None


def become_snakemake(request: dict[str, Any]) -> None:
    """Turn this process into the command that a request describes."""
    signal.alarm(SECONDS)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # found anew, by this environment
    output = os.open(request["output"], os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
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
