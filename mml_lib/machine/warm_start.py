"""Warm start: a step goes on in a fork of a process that has imported torch, Lightning and the modules of the scripts.

`steps.warm_process` is that process; this module is what its clients import. They hand themselves over: script,
arguments, environment, working folder and streams. A client waits for its fork, hands signals on, and ends as the fork
ends. Whatever does not work falls back to a plain start.

Most of a client's time is the start of Python, so it imports little.
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
"""Environment variable by which a Snakemake tells its steps where the process listens."""

SCRIPTS = "MML_WARM_SCRIPTS"
"""Environment variable with the paths of the planned scripts, whose modules the process imports when it is idle."""

PROCESS = "mml_lib.steps.warm_process"
RELAY = "mml_lib.machine.signal_relay"

LIGHT = "MML_WARM_LIGHT"
"""Environment variable of runs whose process imports the modules of the scripts alone, and all of them at once."""

RELAYED = "relayed"
"""File in the folder of the process while the signals of Snakemake's process group reach forks without a client."""

PATIENCE = 120
"""Seconds to wait for the process to have imported all."""

RECENT = 10
"""Seconds for which a Snakemake takes the library for unchanged; it has hundreds of files, often on a shared disk."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
READ_WHEN_IMPORTED = ("LD_", "PYTHON", "TORCH", "PYTORCH", "MKL_", "KMP_", "OPENBLAS_", "NCCL_", "CUDA_LAUNCH")
"""Prefixes of environment variables that libraries read once; thread counts are set again."""


def offer_warm_start() -> None:
    """Let the steps that this process starts share a warm one, where the system can."""
    import tempfile

    os.environ.pop(LIGHT, None)
    if sys.platform == "linux":
        os.environ[FOLDER] = os.path.join(tempfile.gettempdir(), f"mml-{os.urandom(8).hex()}")


def withdraw_warm_start() -> None:
    """Let the steps that this process starts import their modules: on a cluster each runs on another machine."""
    import tempfile

    os.environ.pop(FOLDER, None)
    tempfile.tempdir = None  # of this environment, not of the one in which the imports asked for it


def launch_warm_process(scripts: Iterable[str], light: bool = False) -> None:
    """Start the warm process of a run, where it is offered, before the first step needs it.

    Args:
        scripts: paths of the planned scripts.
        light: no script needs torch: the process imports the modules of the scripts alone, and all steps wait for it.
    """
    if FOLDER in os.environ:
        os.environ[SCRIPTS] = os.pathsep.join(scripts)
        if light:
            os.environ[LIGHT] = "1"
        _launch(os.environ[FOLDER])


def launch_relay() -> None:
    """Start the relay of signals to forks that this process asks for, once the warm process is launched."""
    import subprocess

    if FOLDER in os.environ:
        none = subprocess.DEVNULL
        subprocess.Popen([sys.executable, "-m", RELAY, os.environ[FOLDER]], stdin=none, stdout=none, stderr=none)


def start_warm(wait: bool = True) -> None:
    """Go on in a fork of the warm process, where there is one: this process then ends as the fork does.

    Args:
        wait: start the process if there is none, and wait until it has imported all; False: use it if it is ready,
            or light.
    """
    folder = os.environ.get(FOLDER)
    if not folder or int(os.environ.get("LOCAL_RANK", 0)):
        return
    try:
        if wait or LIGHT in os.environ:
            wait_until_it_listens(folder, _launch(folder))
        pid, answers = _fork(folder, sys.argv, dict(os.environ))
    except (OSError, ValueError, KeyError):
        return

    def hand_on(number: int, frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in SIGNALS:
        signal.signal(number, hand_on)
    _end_as(answers.readline(), pid)


def run_in_fork(script: str, environment: dict[str, str], wait: bool) -> dict[str, float] | None:
    """Run a script in a fork of the warm process, without a client, and wait until it ends.

    Args:
        script: path of the script.
        environment: of the fork.
        wait: start the process if there is none, and wait until it has imported all. The light one is waited for.

    Returns:
        `status`, negative for a signal, and the used `seconds` of processors and `kib` of memory; None if the script
        has not run: there is no such process, it has another library, or signals would not reach the fork.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    try:
        if wait or LIGHT in os.environ:
            wait_until_it_listens(folder, _launch(folder))
        if LIGHT in os.environ:
            _wait_for_relay(folder)
        if not os.path.exists(os.path.join(folder, RELAYED)):
            return None
        pid, answers = _fork(folder, [script], environment, direct=True)
    except (OSError, ValueError, KeyError):
        return None
    ended: dict[str, float] = _ended(answers.readline(), pid)
    return ended


def connect(folder: str, request: dict[str, object], streams: Iterable[int] = ()) -> socket.socket:
    """Send a request to the warm process in a folder, and return the connection."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.path.join(folder, "socket"))
    handed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", streams))] if streams else []
    connection.sendmsg([b"."], handed)
    connection.sendall(json.dumps(request).encode() + b"\n")
    return connection


def _fork(
    folder: str, argv: list[str], environment: dict[str, str], direct: bool = False
) -> tuple[int, io.TextIOWrapper]:
    """Return the PID of a new fork of the warm process, and what the process answers."""
    code = code_key(RECENT if direct else 0)
    request = {"code": code, "argv": argv, "cwd": os.getcwd(), "environment": environment, "direct": direct}
    answers = connect(folder, request, (0, 1, 2)).makefile("r", encoding="utf-8")
    return json.loads(answers.readline())["pid"], answers


def _ended(answer: str, pid: int) -> dict[str, float]:
    """Return how a fork ended. If the warm process was killed, the fork is killed, too."""
    if answer:
        ended: dict[str, float] = json.loads(answer)
        return ended
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return {"status": -signal.SIGKILL}


def _end_as(answer: str, pid: int) -> None:
    """End this process with the exit status of a fork, or by the signal that ended it."""
    status = int(_ended(answer, pid)["status"])
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


def wait_until_it_listens(folder: str, pid: int) -> None:
    """Wait until the warm process listens, has ended, or has had its time."""
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(os.path.join(folder, "socket")) and _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def _wait_for_relay(folder: str) -> None:
    """Wait a moment for the relay, which connects when the process begins to listen. It may have been killed."""
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


def code_key(patience: float = 0) -> list[object]:
    """Return a key that is equal for two processes with the same library and environment.

    Args:
        patience: seconds for which the state of the library's files, which are hundreds, is not looked at again.
    """
    global _looked_up
    if time.monotonic() >= _looked_up[0] + patience:
        _looked_up = time.monotonic(), _library_files()
    read = {key: value for key, value in sorted(os.environ.items()) if key.startswith(READ_WHEN_IMPORTED)}
    threads = [key for key in read if key.endswith("_NUM_THREADS")]
    return [sys.executable, sys.version, _looked_up[1], {key: read[key] for key in read if key not in threads}]


_looked_up: tuple[float, list[tuple[str, int]]] = (-math.inf, [])
"""When the files of the library were looked at, and their state then."""


def _library_files() -> list[tuple[str, int]]:
    """Return the modules of the library with the time of their last change."""
    import mml_lib

    root = os.path.dirname(mml_lib.__file__ or "")
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names if name.endswith(".py")]
    return [(path, os.stat(path).st_mtime_ns) for path in sorted(paths)]
