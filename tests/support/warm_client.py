"""A `python` that runs a script in a fork of a warm process, and ends as the fork does.

`warm_steps.py` copies this file to the folder in which that process listens. It imports little: the start of Python is
most of what it takes.
"""

import json
import os
import signal
import socket
import sys
from array import array
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def main(folder: str) -> None:
    """Run what the arguments of `python` name: in a fork of the process in a folder, or by the real `python`."""
    with open(f"{folder}/common.json") as file:
        common = json.load(file)
    arguments = sys.argv[1:]
    if arguments[:1] == ["-m"]:
        module, *arguments = arguments[1:]
        arguments = [*_script_of(module, common), *arguments]
    is_common = _is_common(common)
    if sys.argv[1] == "-m" and sys.argv[2] in common["processes"] and is_common:
        return  # steps are forks of the session's warm process, and need no other, nor its relay
    if not arguments[0].endswith(".py") or not is_common:
        os.execv(common["python"], [common["python"], *sys.argv[1:]])
    request = {"code": common["code"], "argv": arguments, "cwd": os.getcwd(), "environment": dict(os.environ)}
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"{folder}/socket")
    connection.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [0, 1, 2]))])
    connection.sendall(json.dumps(request).encode() + b"\n")
    answers = connection.makefile("r", encoding="utf-8")
    pid = json.loads(answers.readline())["pid"]
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: os.kill(pid, number))
    _end_as(json.loads(answers.readline())["status"])


def _script_of(module: str, common: dict[str, Any]) -> list[str]:
    """Return the script that does in a fork what a module does, with the arguments that it needs; empty if none."""
    warm = module == "snakemake" and "SLURM_JOB_ID" in os.environ and common["warm_jobs"] in os.environ
    if warm or module in common["kinds_of_snakemake"]:
        return [common["snakemake"], sys.argv[0], module]
    return [common["modules"].get(module, "")]


def _is_common(common: dict[str, Any]) -> bool:
    """Return True if this environment and the library are those that the process has imported."""
    environment = {key: value for key, value in os.environ.items() if key.startswith(tuple(common["prefixes"]))}
    for key in [key for key in environment if key.endswith(tuple(common["set_later"]))]:
        del environment[key]
    path = environment.get("PYTHONPATH", "").split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))  # a study adds the library once more
    files = common["code"][2]
    return environment == common["environment"] and all(os.stat(file).st_mtime_ns == time for file, time in files)


def _end_as(status: int) -> None:
    """End this process with the exit status of a fork, or by the signal that ended it."""
    if status < 0:
        if status != -signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main(os.path.dirname(sys.argv[0]))
