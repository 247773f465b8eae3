"""Durations of several pieces of work that take turns, so that what else the machine does slows down all of them."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def take_turns(
    work: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Return the seconds of each piece of work in each round, after one that warms up.

    Args:
        work: pieces of work by name.
        rounds: how often each is done.
        clock: processor time, or time by the clock.
    """
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(1 + rounds):
        for name, function in work.items():
            started = clock()
            function()
            seconds[name].append(clock() - started)
    return {name: values[1:] for name, values in seconds.items()}


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """Return the median of the ratios of all rounds."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


MEASURED = """
import ctypes, json, os, resource, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: processes that outlive their parent count, too
started = time.monotonic()
status = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
seconds = time.monotonic() - started
while status == 0:
    try:
        os.wait()
    except ChildProcessError:
        break
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([usage.ru_utime + usage.ru_stime, seconds, status]))
"""


def run_measured(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """Run a command, and return the seconds of processors of all its processes, and by the clock.

    Args:
        command: program and arguments.
        folder: working folder.
        environment: variables beside those of this process.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        cwd=folder,
        env=os.environ | dict(environment),
        capture_output=True,
        text=True,
    )
    computed, seconds, status = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done.stderr[-3000:]
    return computed, seconds
