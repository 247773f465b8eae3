"""Trainings that are told to go: when they return to the queue, when they fail. SLURM's commands are scripts here."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from mml_lib.errors import MMLError
from mml_lib.machine import slurm
from mml_lib.training.checkpoint_files import checkpoint_path
from mml_lib.training.requeueing import MARGIN, Requeue

TRAINER = SimpleNamespace()
"""Nothing of a trainer is asked."""


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Return a function that puts a command of SLURM in place; the result has a line for each call."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def build(command: str, script: str) -> Path:
        calls = tmp_path / f"{command}.calls"
        (tmp_path / command).write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{script}\n')
        (tmp_path / command).chmod(0o755)
        return calls

    return build


@pytest.fixture
def callback(tmp_path: Path, answer):
    answer("squeue", "echo 1:00")
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    checkpoint_path(folder, 3).touch()
    before = signal.getsignal(signal.SIGTERM)
    built = Requeue("12", folder)
    built.on_train_start(TRAINER, TRAINER)
    yield built
    built.on_train_end(TRAINER, TRAINER)
    assert signal.getsignal(signal.SIGTERM) in (before, signal.SIG_DFL)


def batch(callback: Requeue) -> None:
    callback.on_train_batch_end(TRAINER, TRAINER, None, None, 0)


@pytest.mark.parametrize("announcing", [signal.SIGURG, signal.SIGUSR1])
def test_training_with_a_further_epoch_is_requeued_between_epochs_after_the_announcement(callback, answer, announcing):
    answer("squeue", "echo 3:00")
    calls = answer("scontrol", "")
    os.kill(os.getpid(), announcing)
    batch(callback)
    callback.on_train_epoch_start(TRAINER, TRAINER)  # of the epoch that it resumed with
    checkpoint_path(callback.folder, 4).touch()
    with pytest.raises(SystemExit):
        callback.on_train_epoch_start(TRAINER, TRAINER)
    assert calls.read_text() == "requeue 12\n"


def test_training_whose_epoch_lasts_beyond_the_limit_goes_before_it(callback, answer):
    answer("squeue", f"echo 0:{MARGIN}")
    calls = answer("scontrol", "")
    checkpoint_path(callback.folder, 4).touch()
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.01)
    with pytest.raises(SystemExit):
        batch(callback)
    assert calls.read_text() == "requeue 12\n"


@pytest.mark.parametrize(("seconds", "fits"), [(14, True), (16, False)])
def test_training_goes_between_epochs_where_another_would_not_fit(callback, answer, monkeypatch, seconds, fits):
    calls = answer("scontrol", "")
    now = time.monotonic()
    monkeypatch.setattr("mml_lib.training.requeueing.time", SimpleNamespace(monotonic=lambda: now))
    callback.on_train_epoch_start(TRAINER, TRAINER)
    now += seconds
    checkpoint_path(callback.folder, 4).touch()
    with nullcontext() if fits else pytest.raises(SystemExit):
        callback.on_train_epoch_start(TRAINER, TRAINER)
    assert calls.exists() != fits


def test_training_without_progress_since_its_start_fails(callback, answer):
    answer("squeue", "echo RUNNING")
    calls = answer("scontrol", "")
    with pytest.raises(MMLError, match=r"SLURM job 12 was.*set a longer"):
        os.kill(os.getpid(), signal.SIGTERM)
    assert not calls.exists()


def test_training_without_progress_is_requeued_where_its_job_has_done_other_steps(callback, answer, monkeypatch):
    answer("squeue", "echo RUNNING")
    calls = answer("scontrol", "")
    monkeypatch.setenv(slurm.STEPS_DONE, "2")
    with pytest.raises(SystemExit):
        os.kill(os.getpid(), signal.SIGTERM)
    assert calls.read_text() == "requeue 12\n"


@pytest.mark.parametrize("output", ["echo RUNNING", "echo SIGNALING", "echo Unable to contact >&2; exit 1"])
def test_pre_empted_training_is_requeued_at_once(callback, answer, output: str):
    answer("squeue", output)
    calls = answer("scontrol", "")
    checkpoint_path(callback.folder, 4).touch()
    with pytest.raises(SystemExit):
        os.kill(os.getpid(), signal.SIGTERM)
    assert calls.read_text() == "requeue 12\n"


def test_cancelled_training_does_not_come_back(callback, answer):
    answer("squeue", "echo COMPLETING")
    calls = answer("scontrol", "")
    checkpoint_path(callback.folder, 4).touch()
    with pytest.raises(SystemExit):
        os.kill(os.getpid(), signal.SIGTERM)
    assert not calls.exists()


def test_refusal_of_slurm_is_told(callback, answer):
    answer("squeue", "echo RUNNING")
    answer("scontrol", "exit 1")
    checkpoint_path(callback.folder, 4).touch()
    with pytest.raises(MMLError, match=r"SLURM does not requeue it; submit with slurm-requeue: true"):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("output", "seconds"), [("1-02:03:04", 93784), ("2:03:04", 7384), ("0:07", 7), ("UNLIMITED", float("inf"))]
)
def test_time_left_is_read_as_squeue_writes_it(answer, output: str, seconds: float):
    answer("squeue", f"echo {output}")
    assert slurm.seconds_left("12") == seconds


def test_unfinished_jobs_are_those_that_squeue_lists(answer):
    answer("squeue", "echo '7|PENDING'; echo '9|RUNNING'")
    assert slurm.unfinished(["7", "8"]) == {"7": "PENDING"}


def test_silent_controller_is_an_error_and_not_the_end_of_all_jobs(answer):
    answer("squeue", "echo Unable to contact >&2; exit 1")
    with pytest.raises(MMLError, match=r"squeue cannot list running jobs \(Unable to contact\)"):
        slurm.unfinished(["7"])
