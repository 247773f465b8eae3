"""Warm start: a step continues in a fork of a process that has imported torch, Lightning and the modules of scripts.

`steps.warm_process` is this process; its clients import this module. A client sends its script, arguments, environment,
working folder and streams. It waits for its fork, forwards signals, and ends with the fork's exit status. If anything
fails, the step runs in the client itself.

Most of a client's time is the start of Python, so this module imports little.
"""

import contextlib
import fcntl
import io
import json
import math
import os
import signal
import socket
import sys
import time
from array import array
from collections.abc import Iterable

FOLDER = "MML_WARM_START"
"""Environment variable with the folder of the warm process, for steps."""

SCRIPTS = "MML_WARM_SCRIPTS"
"""Environment variable with the paths of the planned scripts, whose modules the warm process imports."""

PROCESS = "mml_lib.steps.warm_process"
RELAY = "mml_lib.machine.signal_relay"

LIGHT = "MML_WARM_LIGHT"
"""Environment variable that is set if the warm process imports the modules of the planned scripts only."""

RELAYED = "relayed"
"""File in the folder of the warm process that exists while the relay is connected."""

TIMEOUT = 120
"""Seconds to wait for the imports of the warm process."""

RECENT = 10
"""Seconds for which Snakemake caches the state of the library: hundreds of files, often on a shared disk."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
READ_AT_IMPORT = ("LD_", "PYTHON", "TORCH", "PYTORCH", "MKL_", "KMP_", "OPENBLAS_", "NCCL_", "CUDA_LAUNCH")
"""Prefixes of environment variables that libraries read once. Thread counts are an exception: forks set them."""


def offer_warm_start() -> None:
    """Let the steps of this process use a warm process, if the system supports it."""
    import tempfile

    os.environ.pop(LIGHT, None)
    if sys.platform == "linux":
        os.environ[FOLDER] = os.path.join(tempfile.gettempdir(), f"mml-{os.urandom(8).hex()}")


def withdraw_warm_start() -> None:
    """Let the steps of this process import their own modules, as on clusters: each runs on another machine."""
    import tempfile

    os.environ.pop(FOLDER, None)
    tempfile.tempdir = None  # imports may have cached that of the previous environment


def launch_warm_process(scripts: Iterable[str], light: bool = False) -> None:
    """Start the warm process of a run before its first step, if `offer_warm_start` has been called.

    Args:
        scripts: paths of the planned scripts.
        light: True if no script needs torch: it imports the modules of the scripts only, and all steps wait for it.
    """
    if FOLDER in os.environ:
        os.environ[SCRIPTS] = os.pathsep.join(scripts)
        if light:
            os.environ[LIGHT] = "1"
        _launch(os.environ[FOLDER])


def launch_relay() -> None:
    """Start the relay of signals to forks that this process requests, after the launch of the warm process."""
    import subprocess

    if FOLDER in os.environ:
        devnull = subprocess.DEVNULL
        subprocess.Popen(
            [sys.executable, "-m", RELAY, os.environ[FOLDER]], stdin=devnull, stdout=devnull, stderr=devnull
        )


def start_warm(wait: bool = True) -> None:
    """Continue in a fork of the warm process, if there is one. This process then ends with the fork's exit status.

    Args:
        wait: True: start the warm process if necessary, and wait for its imports; False: use it if it is ready or
            light.
    """
    folder = os.environ.get(FOLDER)
    if not folder or int(os.environ.get("LOCAL_RANK", 0)):
        return
    try:
        if wait or LIGHT in os.environ:
            wait_for_socket(folder, _launch(folder))
        pid, answers = _fork(folder, sys.argv, dict(os.environ))
    except (OSError, ValueError, KeyError):
        return

    def forward(number: int, frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in SIGNALS:
        signal.signal(number, forward)
    _end_as(answers.readline(), pid)


def run_in_fork(script: str, environment: dict[str, str], wait: bool) -> dict[str, float] | None:
    """Run a script in a fork of the warm process, without a client, and wait until it ends.

    Args:
        script: path of the script.
        environment: environment variables of the fork.
        wait: True: start the warm process if necessary, and wait for its imports. A light one is always awaited.

    Returns:
        `status`, negative for a signal, processor time in `seconds`, and peak memory in `kib`. None if the script has
        not run: there is no warm process, its code differs, or signals would not reach the fork.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    try:
        if wait or LIGHT in os.environ:
            wait_for_socket(folder, _launch(folder))
        if LIGHT in os.environ:
            _wait_for_relay(folder)
        if not os.path.exists(os.path.join(folder, RELAYED)):
            return None
        pid, answers = _fork(folder, [script], environment, direct=True)
    except (OSError, ValueError, KeyError):
        return None
    result: dict[str, float] = _result(answers.readline(), pid)
    return result


def connect(folder: str, request: dict[str, object], streams: Iterable[int] = ()) -> socket.socket:
    """Send a request to the warm process in a folder, and return the connection."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.path.join(folder, "socket"))
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", streams))] if streams else []
    connection.sendmsg([b"."], ancillary)
    connection.sendall(json.dumps(request).encode() + b"\n")
    return connection


def _fork(
    folder: str, argv: list[str], environment: dict[str, str], direct: bool = False
) -> tuple[int, io.TextIOWrapper]:
    """Return the PID of a new fork of the warm process, and the stream of the answers."""
    code = code_key(RECENT if direct else 0)
    request = {"code": code, "argv": argv, "cwd": os.getcwd(), "environment": environment, "direct": direct}
    answers = connect(folder, request, (0, 1, 2)).makefile("r", encoding="utf-8")
    return json.loads(answers.readline())["pid"], answers


def _result(answer: str, pid: int) -> dict[str, float]:
    """Return the result of a fork. If the warm process was killed, kill the fork as well."""
    if answer:
        result: dict[str, float] = json.loads(answer)
        return result
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return {"status": -signal.SIGKILL}


def _end_as(answer: str, pid: int) -> None:
    """End this process with the exit status of a fork, or by the signal that ended it."""
    status = int(_result(answer, pid)["status"])
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)


def _launch(folder: str) -> int:
    """Start the warm process unless it was started, and return its PID.

    Raises:
        OSError: the folder cannot be made or written.
    """
    import subprocess

    os.makedirs(folder, mode=0o700, exist_ok=True)
    with open(os.path.join(folder, "started"), "a+", encoding="ascii") as started:
        fcntl.flock(started, fcntl.LOCK_EX)
        started.seek(0)
        if pid := started.read():
            return int(pid)
        with open(os.path.join(folder, "log"), "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", PROCESS, folder],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.write(str(process.pid))
        return process.pid


def wait_for_socket(folder: str, pid: int) -> None:
    """Wait until the warm process listens or has ended, at most `TIMEOUT` seconds."""
    deadline = time.monotonic() + TIMEOUT
    while not os.path.exists(os.path.join(folder, "socket")) and _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def _wait_for_relay(folder: str) -> None:
    """Wait for the relay to connect, at most half a second: it may have been killed."""
    deadline = time.monotonic() + 0.5
    while not os.path.exists(os.path.join(folder, RELAYED)) and time.monotonic() < deadline:
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    """Return True if a process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def code_key(max_age: float = 0) -> list[object]:
    """Return a key that is equal for two processes with the same library and environment.

    Args:
        max_age: seconds for which the state of the library's hundreds of files is cached.
    """
    global _library_state
    if time.monotonic() >= _library_state[0] + max_age:
        _library_state = time.monotonic(), _library_files()
    variables = {key: value for key, value in sorted(os.environ.items()) if key.startswith(READ_AT_IMPORT)}
    without_threads = {key: value for key, value in variables.items() if not key.endswith("_NUM_THREADS")}
    return [sys.executable, sys.version, _library_state[1], without_threads]


_library_state: tuple[float, list[tuple[str, int]]] = (-math.inf, [])
"""Time of the latest look at the files of the library, and their state at that time."""


def _library_files() -> list[tuple[str, int]]:
    """Return the modules of the library with the time of their last change."""
    import mml_lib

    root = os.path.dirname(mml_lib.__file__ or "")
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names if name.endswith(".py")]
    return [(path, os.stat(path).st_mtime_ns) for path in sorted(paths)]
