"""Calls that forks share among them."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from mml_lib.config.pipeline_folder import LIBRARY
from mml_lib.errors import MMLError
from mml_lib.machine.forked_calls import ForkedCalls


def note(folder: Path, name: str) -> None:
    (folder / name).write_text(str(os.getpid()))
    time.sleep(0.2)


def test_calls_are_made_by_forks(tmp_path: Path):
    calls = ForkedCalls(2)
    for name in "abcd":
        calls.add(partial(note, tmp_path, name))
    assert not list(tmp_path.iterdir())
    calls.finish()
    processes = {path.read_text() for path in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == 4
    assert len(processes) == 2
    assert str(os.getpid()) not in processes


def test_one_process_makes_its_calls_at_once(tmp_path: Path):
    ForkedCalls(1).add(partial(note, tmp_path, "a"))
    assert (tmp_path / "a").read_text() == str(os.getpid())


def fail() -> None:
    raise MMLError("no room")


def test_error_of_a_fork_is_raised(tmp_path: Path):
    calls = ForkedCalls(2)
    calls.add(fail)
    calls.add(partial(note, tmp_path, "a"))
    with pytest.raises(MMLError, match="no room"):
        calls.finish()


PARENT = """
import os, sys, time
from mml_lib.machine.forked_calls import ForkedCalls
calls = ForkedCalls(2)
for _ in range(2):
    calls.add(lambda: (print(os.getpid(), flush=True), time.sleep(60)))
calls.finish()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_forks_end_with_the_process_that_has_forked_them():
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT], env=environment, stdout=subprocess.PIPE, text=True)
    forks = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _, left = psutil.wait_procs(forks, timeout=20)
    assert not left
