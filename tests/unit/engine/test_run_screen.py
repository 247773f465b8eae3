"""Events of Snakemake's log as lines."""

import io
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from mml_lib.engine.failures import Failures
from mml_lib.engine.screen.line_printer import LinePrinter, duration
from mml_lib.engine.screen.output_style import Style, output_style
from mml_lib.engine.screen.run_screen import RunScreen
from mml_lib.engine.screen.step_progress import Progress
from mml_lib.engine.screen.training_logs import read_epoch, read_gpu

EPOCHS = """2026-11-28 17:28:17 --- train_fold
2026-11-28 17:28:17 on GPU GPU-12345678-90ab-cdef, 6000 MB
2026-11-28 17:28:18 epoch 1 of 10: lr 0.0007913  train/loss 2.186  val/loss 2.389  val/accuracy 0.1667  val/f1 0.0702
2026-11-28 17:28:19 epoch 2 of 10: lr 1.2e-08  train/loss 1.318  val/loss 1.946  val/accuracy 0.3368  val/f1 0.2348
"""


class Run:
    """A run whose events are logged as Snakemake logs them."""

    def __init__(self, log: Path, quiet: bool = False):
        self.log = log
        self.stream = io.StringIO()
        self.logger = logging.Logger("run")
        self.failures = Failures()
        self.progress = Progress({"all", "train"})
        printer = LinePrinter(self.stream, prints_steps=not quiet)
        self.logger.addHandler(self.failures)
        self.logger.addHandler(RunScreen(printer, self.progress, self.failures, logging.Formatter()))
        self.event("workflow_started")
        self.event("run_info", stats={"train_fold": 2, "all": 1, "total": 3})

    def event(self, name: str, level: int = logging.INFO, **values: Any) -> None:
        self.logger.log(level, None, extra={"event": name, **values})

    def start(self, jobid: int, rule: str = "train_fold", message: str | None = "train moles fold 0") -> None:
        values = {"rule_name": rule, "rule_msg": message, "wildcards": {"fold": "0"}, "log": [str(self.log)]}
        self.event("job_info", jobid=jobid, threads=2, resources={"gpu": 1}, local=True, reason="x" * 600, **values)

    def finish(self, jobid: int) -> None:
        self.event("job_finished", job_id=jobid)

    def fail(self, jobid: int) -> None:
        self.logger.error("Command 'python x.py' returned non-zero exit status 1.")
        values = {"rule_msg": None, "aux": {}, "log": [str(self.log)], "shellcmd": None}
        self.event("job_error", logging.ERROR, jobid=jobid, **values)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    log = tmp_path / "step.log"
    log.write_text("")
    return Run(log)


def test_each_finished_step_has_one_short_line(run: Run):
    run.start(1)
    assert not run.lines
    run.finish(1)
    (line,) = run.lines
    assert "1/2  train moles fold 0 (0 s)" in line


def test_targets_are_no_steps(run: Run):
    run.start(3, rule="all", message=None)
    run.finish(3)
    assert not run.lines
    assert run.progress.total == 2


def test_a_step_without_a_message_has_its_rule_and_wildcards(run: Run):
    run.start(1, rule="own_rule", message=None)
    run.finish(1)
    assert "own_rule fold=0" in run.lines[0]


def test_a_training_ends_with_loss_and_main_metric(run: Run):
    run.log.write_text(EPOCHS)
    run.start(1)
    run.finish(1)
    assert "train moles fold 0: loss 1.946, accuracy 0.3368 (" in run.lines[0]


def test_a_failure_is_printed_at_once_with_cause_and_log(run: Run):
    run.log.write_text("error in train_fold: the disk is full\n")
    run.start(1)
    run.fail(1)
    (line,) = run.lines
    assert "FAILED  train moles fold 0: the disk is full (log: " in line
    assert str(run.log) in line
    assert not run.progress.steps()


def test_each_step_of_a_failed_group_fails(run: Run):
    for jobid in (1, 2):
        run.start(jobid, message=f"train moles fold {jobid}")
    jobs = [{"jobid": jobid, "rule_name": "train_fold", "output": [], "log": []} for jobid in (1, 2)]
    run.event("group_error", logging.ERROR, job_error_info=jobs, aux_logs=[])
    assert [re.search(r"FAILED  train moles fold (\d)", line)[1] for line in run.lines] == ["1", "2"]
    assert not run.progress.steps()


def test_missing_outputs_are_a_failure_of_their_step(run: Run):
    run.start(4)
    message = (
        "Job 4  completed successfully, but some output files are missing. Missing files after 5 seconds:\na.npz (x)"
    )
    run.logger.error(message)
    (line,) = run.lines
    assert "FAILED  train moles fold 0: it did not write a.npz" in line


def test_a_step_that_is_tried_again_counts_once(run: Run):
    run.start(1)
    run.fail(1)
    run.logger.info("Trying to restart job 1.")
    run.start(1)
    run.finish(1)
    assert run.progress.done == 1
    assert [line.split("  ")[-1] for line in run.lines][1] == "trying again: train moles fold 0"
    assert len(run.lines) == 3


def test_chatter_is_left_to_the_log_and_warnings_are_printed(run: Run):
    run.logger.info("Select jobs to execute...")
    run.logger.warning("the file system is slow")
    run.logger.error("Exiting because a job execution failed. Look above for error message")
    assert run.lines == ["the file system is slow"]


def test_an_interruption_that_snakemake_logs_several_times_is_printed_once(run: Run):
    for _ in range(3):
        run.logger.info("Will exit after finishing currently running jobs (scheduler).")
    run.logger.info("Terminating processes on user request, this might take some time.")
    assert [line.split(" ")[0] for line in run.lines] == ["Will", "Terminating"]


def test_other_errands_than_a_run_keep_the_messages_of_snakemake(run: Run):
    handler = run.logger.handlers[-1]
    handler.is_running = False
    run.logger.info("Report created: report.html.")
    assert run.lines == ["Report created: report.html."]


def test_quiet_runs_print_failures_only(run: Run):
    quiet = Run(run.log, quiet=True)
    quiet.start(1)
    quiet.finish(1)
    quiet.start(2)
    quiet.fail(2)
    assert len(quiet.lines) == 1


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "0 s"), (59, "59 s"), (125, "2:05 min"), (12000, "3:20 h")])
def test_durations(seconds: float, words: str):
    assert duration(seconds) == words


def test_the_latest_epoch_of_a_log_is_read(run: Run):
    run.log.write_text("x" * 10_000 + "\n" + EPOCHS)
    epoch = read_epoch(str(run.log))
    assert (epoch.epoch, epoch.epochs, epoch.loss, epoch.metric) == (2, 10, "1.946", "accuracy 0.3368")


def test_logs_of_earlier_runs_and_missing_ones_tell_nothing(run: Run):
    run.log.write_text(EPOCHS)
    assert read_epoch(str(run.log), since=run.log.stat().st_mtime + 1) is None
    assert read_epoch(str(run.log.with_name("other.log"))) is None
    assert read_gpu(str(run.log.with_name("other.log"))) == ""


def test_gpus_of_a_step_are_named_as_in_its_log(run: Run):
    run.log.write_text(EPOCHS)
    assert read_gpu(str(run.log)) == "GPU-12345678, 6000 MB"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("changes", "environment", "style"),
    [
        ({}, {}, Style.LIVE),
        ({}, {"NO_COLOR": "1"}, Style.LINES),
        ({}, {"CI": "true"}, Style.LINES),
        ({}, {"TERM": "dumb"}, Style.LINES),
        ({"nocolor": True}, {}, Style.LINES),
        ({"dryrun": True}, {}, Style.LINES),
        ({"quiet": {"rules", "progress"}}, {}, Style.QUIET),
        ({"quiet": {"host"}}, {}, Style.LIVE),
        ({"quiet": {"all"}}, {}, Style.FULL),
        ({"verbose": True}, {"NO_COLOR": "1"}, Style.FULL),
        ({"printshellcmds": True}, {}, Style.FULL),
        ({"debug_dag": True}, {}, Style.FULL),
        ({"show_failed_logs": True}, {}, Style.FULL),
    ],
)
def test_style_follows_options_and_environment(changes: dict, environment: dict[str, str], style: Style):
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import OutputSettings

    quiet = {Quietness.parse_choice(name) for name in changes.get("quiet", ())}
    settings = OutputSettings(**changes | {"quiet": quiet})
    assert output_style(settings, Terminal(), {"TERM": "xterm"} | environment) is style


def test_a_pipe_has_lines():
    from snakemake.settings.types import OutputSettings

    assert output_style(OutputSettings(), io.StringIO(), {"TERM": "xterm"}) is Style.LINES
