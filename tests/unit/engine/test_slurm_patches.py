"""Patches of the executor for SLURM: a test here fails once a patch is needed no more."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import snakemake_executor_plugin_slurm as plugin

from mml_lib.engine.cluster.slurm_patches import (
    keep_jobs_without_state,
    start_as_step,
    submit_after_outage,
    submit_lost_again,
)

REPORTS = ("run_job", "_report_job_error_threadsafe", "_report_job_submission_threadsafe")
PATCHED = (*REPORTS, "check_active_jobs", "format_job_exec")

UNREACHABLE = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
TIMED_OUT = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
REFUSED = "sbatch: error: Batch job submission failed: Requested node configuration is not available"


@pytest.fixture(autouse=True)
def _unpatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the executor as it was before, in the end."""
    for name in PATCHED:
        monkeypatch.setattr(plugin.Executor, name, getattr(plugin.Executor, name))


def still_active(
    monkeypatch: pytest.MonkeyPatch, state: str | None, *patches: Callable[[], None]
) -> tuple[list[Any], Any]:
    """Return the jobs that the executor goes on to wait for if SLURM gives one a state or none, and the executor."""
    job = SimpleNamespace(external_jobid="17", job="the job", aux={"slurm_logfile": MagicMock()})

    async def query(*_: Any) -> tuple[dict[str, str] | None, float | None]:
        return ({"17": state}, 0.1) if state else (None, None)

    monkeypatch.setattr(plugin, "query_job_status", query)
    monkeypatch.setattr(plugin, "is_query_tool_available", lambda name: True)
    monkeypatch.setattr(plugin, "get_min_job_age", lambda: 300)
    executor = MagicMock()
    executor.get_status_command.return_value = "sacct"
    executor.workflow.executor_settings.status_attempts = 1
    executor.workflow.executor_settings.init_seconds_before_status_checks = 40
    executor._status_query_min_seconds, executor._status_query_max_seconds = None, 0.0
    executor.next_seconds_between_status_checks = 40

    async def collect() -> list[Any]:
        return [active async for active in plugin.Executor.check_active_jobs(executor, [job])]

    for patch in patches:
        patch()
    return asyncio.run(collect()), executor


def test_executor_still_waits_for_preempted_jobs_that_do_not_come_back(monkeypatch: pytest.MonkeyPatch):
    active, executor = still_active(monkeypatch, "PREEMPTED")
    assert len(active) == 1
    assert not executor.report_job_error.called

    lost = lambda: submit_lost_again(lambda numbers: dict.fromkeys(numbers, "PREEMPTED"))  # noqa: E731
    active, executor = still_active(monkeypatch, "PREEMPTED", lost)
    assert not active
    executor.run_job.assert_called_once_with("the job")


def test_executor_still_forgets_its_jobs_while_slurm_does_not_answer(monkeypatch: pytest.MonkeyPatch):
    active, executor = still_active(monkeypatch, None)
    assert active == []
    assert not executor.report_job_error.called

    active, _ = still_active(monkeypatch, None, keep_jobs_without_state)
    assert [job.external_jobid for job in active] == ["17"]


def test_finished_jobs_are_no_longer_waited_for(monkeypatch: pytest.MonkeyPatch):
    active, executor = still_active(monkeypatch, "COMPLETED", keep_jobs_without_state)
    assert active == []
    executor.report_job_success.assert_called_once()


class Submitting:
    """An executor that submits one job.

    Args:
        monkeypatch: puts back what this replaces.
        answers: what each `sbatch` prints, an error if it fails.
        queried: what SLURM states about jobs of the step, at each query.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: list[str], *queried: list[str] | None):
        self.answers, self.queried = answers, list(queried)
        self.executor = MagicMock(run_uuid="uuid", slurm_logdir=Path("logs"), _main_event_loop=None)
        self.executor._job_submission_executor._shutdown = False
        self.executor.get_account_arg = lambda job: iter([""])
        self.executor.format_job_exec = lambda job: ""
        monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
        for name in ("get_submit_command", "validate_slurm_extra", "set_gres_string", "get_job_wildcards"):
            monkeypatch.setattr(plugin, name, lambda *_, **__: "")
        monkeypatch.setattr(plugin.subprocess, "Popen", self._sbatch)

    def _sbatch(self, *_: Any, **__: Any) -> SimpleNamespace:
        answer = self.answers.pop(0)
        failed = "error" in answer
        output = ("", answer) if failed else (answer, "")
        return SimpleNamespace(returncode=int(failed), communicate=lambda input: output)

    def _query(self, name: str, comment: str) -> list[str] | None:
        assert (name, comment) == ("uuid", "rule_train_fold")
        return self.queried.pop(0)

    def submitted(self, *, patched: bool) -> list[str]:
        """Return the numbers of the jobs that the executor has submitted; the message of one that failed."""
        if patched:
            submit_after_outage(self._query, every=0)
        for name in REPORTS:
            method = getattr(plugin.Executor, name)
            setattr(self.executor, name, lambda *arguments, method=method: method(self.executor, *arguments))
        job = MagicMock(**{"is_group.return_value": False})
        job.name = "train_fold"
        self.executor.run_job(job)
        numbers = [call.args[0].external_jobid for call in self.executor.report_job_submission.call_args_list]
        return numbers + [call.kwargs["msg"] for call in self.executor.report_job_error.call_args_list]


def test_outage_still_is_a_failure_of_a_step(monkeypatch: pytest.MonkeyPatch):
    (failure,) = Submitting(monkeypatch, [UNREACHABLE]).submitted(patched=False)
    assert UNREACHABLE in failure


def test_job_is_submitted_once_the_controller_answers(monkeypatch: pytest.MonkeyPatch):
    submitting = Submitting(monkeypatch, [UNREACHABLE, "18"], None, None, [])
    assert submitting.submitted(patched=True) == ["18"]
    assert submitting.queried == []


def test_job_that_slurm_took_without_an_answer_is_not_submitted_twice(monkeypatch: pytest.MonkeyPatch):
    submitting = Submitting(monkeypatch, [TIMED_OUT], ["17"])
    assert submitting.submitted(patched=True) == ["17"]
    (info,) = submitting.executor.report_job_submission.call_args.args
    assert info.aux["slurm_logfile"] == Path("logs/rule_train_fold/17.log")


def test_job_that_slurm_refuses_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    (failure,) = Submitting(monkeypatch, [REFUSED]).submitted(patched=True)
    assert REFUSED in failure


def test_submission_ends_with_snakemake(monkeypatch: pytest.MonkeyPatch):
    submitting = Submitting(monkeypatch, [UNREACHABLE], None)
    submitting.executor._job_submission_executor._shutdown = True
    (failure,) = submitting.submitted(patched=True)
    assert UNREACHABLE in failure


COMMAND = "echo --name 'a b' --executor slurm-jobstep --jobs 1 --slurm-jobstep-pass-command-as-script --mode remote"


def script_of(monkeypatch: pytest.MonkeyPatch, is_own: bool = True, **resources: Any) -> str:
    """Return the script of a job by the patched executor."""
    monkeypatch.setattr(plugin.Executor, "format_job_exec", lambda *_: COMMAND)
    start_as_step(lambda job: is_own)
    executor = MagicMock(array_jobs=set())
    executor.additional_general_args = lambda: plugin.Executor.additional_general_args(executor)
    return plugin.Executor.format_job_exec(executor, MagicMock(threads=3, resources=resources))


def test_executor_still_starts_a_snakemake_around_that_of_the_steps():
    executor = MagicMock()
    assert plugin.Executor.additional_general_args(executor) in COMMAND


def test_script_of_a_job_starts_its_snakemake_as_a_step_of_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    script = script_of(monkeypatch, gpu=2)
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\necho "$@"\nenv | grep -E "^S(LURM|RUN)_" | sort\nexec sh -s\n')
    srun.chmod(0o755)
    kept = {"SLURM_JOB_ID": "17", "SLURM_RESTART_COUNT": "1"}
    dropped = {"SLURM_MEM_PER_NODE": "1", "SRUN_DEBUG": "3", "SLURM_TRES_PER_TASK": "cpu:1\nSLURM_X=2"}
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **kept, **dropped}
    process = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True)
    assert process.stderr == ""
    options, *variables, last = process.stdout.splitlines()
    assert options.split() == ["-n1", "--cpu-bind=q", "--cpus-per-task=3", "--gpus=2", "--nodes=1", "sh", "-s"]
    assert variables == [f"{key}={value}" for key, value in kept.items()]
    assert last == "--name a b --mode remote"


def test_jobs_of_mpi_and_of_an_outer_pipeline_start_as_the_executor_starts_them(monkeypatch: pytest.MonkeyPatch):
    assert script_of(monkeypatch, mpi="srun") == COMMAND
    assert script_of(monkeypatch, is_own=False) == COMMAND
