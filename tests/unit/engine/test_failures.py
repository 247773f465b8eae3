"""Causes of failures that a cluster tells of: submissions that are refused, and jobs that end."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mml_lib.engine.failures import BOILERPLATE, Failures


def step(number: int = 1, log: str = "none.log", **wildcards: Any) -> Any:
    rule = SimpleNamespace(name="train_fold")
    return SimpleNamespace(jobid=number, rule=rule, wildcards=wildcards, log=[log], is_group=lambda: False)


def failed(number: int, message: str, log: list[str] | None = None, **aux: Any) -> logging.LogRecord:
    about = {"event": "job_error", "jobid": number, "rule_msg": message, "aux": aux, "log": log or [], "shellcmd": None}
    return logging.makeLogRecord({"levelno": logging.ERROR, "levelname": "ERROR", "msg": "Error in rule", **about})


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> Failures:
    monkeypatch.setattr("mml_lib.engine.failures.snakemake_logger", logging.getLogger("of a test"))
    return Failures()


REFUSED = "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified"

CLUSTER = {
    "SLURM sbatch failed. The error message was 'sbatch: error: Invalid qos\nsbatch: error: Try again'.\n": (
        "SLURM rejected it: Invalid qos, Try again"
    ),
    f"SLURM sbatch failed. The error message was '{REFUSED}'.\n    sbatch call:\n        sbatch x": (
        "SLURM rejected it: Batch job submission failed: Invalid account or account/partition combination specified"
    ),
    "Job submission failed with exception: no account\nwas found": ("it could not be submitted: no account was found"),
    "Array job submission failed with exception: [Errno 2] sbatch": "it could not be submitted: [Errno 2] sbatch",
    "Part of failed array sbatch submission (tasks 1-3); see log for details.": (
        "Part of failed array sbatch submission (tasks 1-3); see log for details."
    ),
}


@pytest.mark.parametrize("message", CLUSTER)
def test_submission_that_fails_is_told_in_the_words_of_the_cluster(failures: Failures, message: str):
    failures.emit(failed(1, message + BOILERPLATE))
    assert failures.summary([step()]).splitlines()[1] == f"  train_fold: {CLUSTER[message]}"


def test_job_that_its_node_ended_is_told_in_the_words_of_the_node(failures: Failures, tmp_path: Path):
    log = tmp_path / "5.log"
    log.write_text("Building DAG of jobs...\nslurmstepd: error: Detected 1 oom_kill event in StepId=5.0.\nExiting\n")
    message = "SLURM-job '5' failed, SLURM status is: 'OUT_OF_MEMORY'. "
    failures.emit(failed(1, message, [str(log)], external_jobid="5"))
    line = failures.summary([step(fold=0)]).splitlines()[1]
    assert line == (
        f"  train_fold fold=0: SLURM job 5 out of memory; Detected 1 oom_kill event in StepId=5.0. (log: {log})"
    )


def test_error_before_a_failure_tells_its_cause(failures: Failures):
    words = "CalledProcessError in file \"a.smk\", line 3:\nCommand 'x' died with <Signals.SIGTERM: 15>."
    failures.emit(logging.makeLogRecord({"levelno": logging.ERROR, "msg": words}))
    failures.emit(failed(1, ""))
    failures.emit(failed(2, ""))
    assert failures.summary([step(1)]).endswith("  train_fold: ended by SIGTERM")
    assert failures.summary([step(2)]).endswith("  train_fold: it ended without a message")


def test_log_of_an_earlier_run_tells_nothing_of_this_one(failures: Failures, tmp_path: Path):
    log = tmp_path / "a.log"
    log.write_text("error in train_fold: of yesterday\n")
    failures.started += 3600
    failures.emit(failed(1, "Job submission failed with exception: no account" + BOILERPLATE))
    assert "yesterday" not in failures.summary([step(log=str(log))])


def test_many_failures_of_one_cause_are_one_line(failures: Failures):
    for number in range(30):
        failures.emit(failed(number, "Job submission failed with exception: no account" + BOILERPLATE))
    failures.emit(failed(30, "Job submission failed with exception: no node" + BOILERPLATE))
    lines = failures.summary([step(number, fold=number) for number in range(31)]).splitlines()
    assert lines == [
        "failed: 31 steps; all steps that do not depend on them are done",
        "  train_fold fold=0 and 29 more like it: it could not be submitted: no account",
        "  train_fold fold=30: it could not be submitted: no node",
    ]


def test_an_interrupted_run_does_not_claim_that_other_steps_are_done(failures: Failures):
    failures.emit(failed(0, "Job submission failed with exception: no account" + BOILERPLATE))
    (first, _) = failures.summary([step(0, fold=0)], is_interrupted=True).splitlines()
    assert first == "failed: 1 step; the run was interrupted"
