"""View of a run in a terminal, and the capture of what others print there."""

import io
import logging
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from mml_lib.engine.screen.live_view import FOOTER, LiveView
from mml_lib.engine.screen.step_progress import Progress, ScreenStep
from tests.support.terminals import run_in_terminal

EPOCH = "2026-11-28 17:28:18 epoch 3 of 10: lr 0.0007  train/loss 2.1  val/loss 0.718  val/accuracy 0.816\n"


class Drawn:
    """A view, and the lines that it draws on a terminal of some size."""

    def __init__(self, width: int = 100, height: int = 30, left: str = "about 2:00 min left"):
        self.stream = io.StringIO()
        self.console = Console(file=self.stream, force_terminal=True, width=width, height=height, color_system=None)
        self.progress = Progress({"all"})
        self.progress.plan({"train_fold": 5, "predict_fold": 5, "all": 1, "total": 11})
        self.view = LiveView(self.console, "moles, train", self.progress, lambda: left)

    def start(self, jobid: int, rule: str = "train_fold", name: str = "train moles fold 0", **values) -> ScreenStep:
        step = ScreenStep(jobid, rule, name, time.time() - 5, **values)
        self.progress.start(step)
        return step

    @property
    def lines(self) -> list[str]:
        self.stream.seek(0)
        self.stream.truncate()
        self.console.print(self.view.render())
        return [line.rstrip() for line in self.stream.getvalue().splitlines() if line.strip()]


def test_progress_time_left_and_rules_are_drawn():
    drawn = Drawn()
    drawn.start(1)
    drawn.progress.finish(1)
    drawn.start(2)
    overall, rules, *_, footer = drawn.lines
    assert overall.startswith("moles, train")
    assert "1/10" in overall
    assert overall.endswith("about 2:00 min left")
    assert rules.split("  ") == ["train_fold 1/5", "predict_fold 0/5"]
    assert footer == FOOTER, "it stays there after a kill, and says how to go on"


def test_trainings_have_epoch_loss_metric_and_threads(tmp_path: Path):
    log = tmp_path / "step.log"
    log.write_text(EPOCH)
    drawn = Drawn()
    drawn.start(1, log=(str(log),), threads=4)
    assert "train moles fold 0  5 s  4 threads  epoch 3/10  loss 0.718, accuracy 0.816" in drawn.lines


def test_the_gpu_of_a_step_is_that_of_its_log(tmp_path: Path):
    log = tmp_path / "step.log"
    log.write_text("2026-11-28 17:28:17 on GPU GPU-12345678-90ab\n")
    drawn = Drawn()
    drawn.start(1, log=(str(log),), gpus=1)
    assert "train moles fold 0  5 s  GPU-12345678" in drawn.lines


def test_a_cluster_job_is_queued_until_it_writes_its_log(tmp_path: Path):
    log = tmp_path / "step.log"
    drawn = Drawn()
    drawn.start(1, log=(str(log),), is_local=False)
    assert "train moles fold 0  5 s  queued" in drawn.lines
    log.write_text(EPOCH)
    drawn.view._logs.clear()
    assert any("epoch 3/10" in line for line in drawn.lines)


@pytest.mark.parametrize(("width", "height"), [(100, 20), (60, 14), (30, 10)])
def test_many_steps_fit_into_the_terminal(tmp_path: Path, width: int, height: int):
    log = tmp_path / "step.log"
    log.write_text(EPOCH)
    drawn = Drawn(width, height)
    for jobid in range(60):
        drawn.start(jobid, name=f"train a task of a very long name, fold {jobid}", log=(str(log),))
    lines = drawn.lines
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert any("more run" in line for line in lines)


def test_failures_stand_above_the_view_and_are_counted():
    drawn = Drawn()
    step = drawn.start(1)
    drawn.progress.fail(1)
    drawn.view.fail(step, "the disk is full (log: a.log)", time.time())
    assert "FAILED  train moles fold 0: the disk is full (log: a.log)" in drawn.stream.getvalue()
    assert "1 failed" in drawn.lines[0]


def test_lines_of_others_are_printed_as_they_are():
    drawn = Drawn()
    drawn.view.print("[bold]5 %[/bold] \x1b[31mred\x1b[0m")
    assert "[bold]5 %[/bold] red" in drawn.stream.getvalue()


def test_the_error_of_a_step_is_printed_once_with_its_name():
    drawn = Drawn()
    drawn.view.print_step_line("error in train_fold: the disk is full")
    drawn.view.print_step_line("moles: images become uint8")
    assert drawn.stream.getvalue() == "moles: images become uint8\n"


def test_no_count_is_parted_from_its_rule():
    drawn = Drawn(width=30)
    drawn.progress.plan({f"rule_{number}": 1000 for number in range(9)})
    lines = drawn.lines[1:]
    assert sum(line.count("rule_") for line in lines) == sum(line.count("0/1000") for line in lines) == 9
    assert all(line.count("rule_") == line.count("0/1000") for line in lines)


CAPTURED = """
import os, subprocess, sys
from mml_lib.engine.screen.terminal_capture import TerminalCapture

lines = []
capture = TerminalCapture(1, lines.append)
capture.start()
print("own line")
subprocess.run([sys.executable, "-c", "print('line of a step'); import sys; print('10 %\\\\r20 %', file=sys.stderr)"])
os.write(1, b"without an end")
capture.stop()
print("after", sorted(lines))
"""


def test_what_steps_print_is_captured_and_the_streams_come_back(tmp_path: Path):
    status, output = run_in_terminal([sys.executable, "-c", CAPTURED], tmp_path)
    lines = sorted(["own line", "line of a step", "10 %", "20 %", "without an end"])
    assert (status, output.strip()) == (0, f"after {lines}")


def test_a_stream_that_is_no_terminal_keeps_what_is_written_to_it(tmp_path: Path):
    command = ["sh", "-c", 'exec "$0" -c "$1" > kept.txt', sys.executable, CAPTURED]
    assert run_in_terminal(command, tmp_path)[0] == 0
    kept = (tmp_path / "kept.txt").read_text()
    assert "own line\nline of a step\nwithout an end" in kept
    assert kept.endswith("after ['10 %', '20 %']\n")


def test_steps_that_run_already_are_drawn_from_the_start():
    drawn = Drawn()
    drawn.start(1)
    again = LiveView(drawn.console, "moles, train", drawn.progress, str)
    assert again.render() is not None


def test_a_view_that_cannot_be_drawn_ends_no_run(monkeypatch: pytest.MonkeyPatch):
    from mml_lib.engine.screen.run_screen import RunScreen

    drawn = Drawn()
    handler = RunScreen(drawn.view, drawn.progress, None, None)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    monkeypatch.setattr(drawn.view, "finish", lambda *_: 1 / 0)
    drawn.start(1)
    handler.handle(logging.makeLogRecord({"levelno": logging.INFO, "event": "job_finished", "job_id": 1}))
    assert drawn.progress.done == 1
