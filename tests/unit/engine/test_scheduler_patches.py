"""Patches of Snakemake's scheduler: a test here fails once a patch is needed no more."""

import asyncio
import inspect
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan

from mml_lib.engine import scheduler_patches as patches
from tests.support.simulated_schedule import greedy, networks


def test_snakemake_still_takes_a_lock_in_its_handler_of_sigterm():
    # Of the module's file: other tests of this process may have patched the class.
    source = Path(inspect.getsourcefile(JobScheduler)).read_text()
    assert "with self._lock:" in source[source.index("def exit_gracefully(") :][:100]


def test_sigterm_ends_a_snakemake_that_is_selecting_jobs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(JobScheduler, "exit_gracefully", JobScheduler.exit_gracefully)
    patches.end_on_sigterm()
    scheduler = SimpleNamespace(_lock=threading.Lock(), _open_jobs=threading.Semaphore(0), _user_kill=None)
    with scheduler._lock:
        JobScheduler.exit_gracefully(scheduler, signal.SIGTERM, None)
    assert scheduler._open_jobs.acquire(timeout=30)
    assert scheduler._user_kill == "graceful"


def scheduler_of(jobs: list[Any]) -> Any:
    """Return the parts of Snakemake's scheduler that select jobs."""
    plan = SimpleNamespace(needrun_jobs=lambda: read.append("plan") or jobs, finished=lambda job: False)
    read: list[str] = []

    async def input_sizes(selectable: list[Any]) -> None:
        read.append(f"{len(selectable)} sizes")

    scheduler = SimpleNamespace(
        workflow=SimpleNamespace(dag=plan, async_run=asyncio.run),
        update_input_sizes=input_sizes,
        validate_job=lambda job: None,
        resources={"_cores": 1, "_job_count": sys.maxsize},
        job_rate_limiter=None,
        _input_sizes={},
        _lock=threading.Lock(),
        _scheduler=greedy(),
        running=set(),
        failed=set(),
        read=read,
    )
    scheduler._job_selector = scheduler._scheduler.select_jobs
    scheduler.update_available_resources = lambda selected: None
    return scheduler


def test_snakemake_still_compares_all_ready_jobs_before_each_step(monkeypatch: pytest.MonkeyPatch):
    source = inspect.getsource(inspect.unwrap(JobScheduler.job_selector))
    assert "self.update_input_sizes(jobs)" in source
    assert source.index("self.remaining_jobs") < source.index("self.resources, self._input_sizes")
    monkeypatch.setattr(JobScheduler, "job_selector", inspect.unwrap(JobScheduler.job_selector))
    monkeypatch.setattr(JobScheduler, "remaining_jobs", JobScheduler.remaining_jobs)
    patches.select_in_order(lambda jobs, free, running: list(jobs)[-1:])
    jobs = networks(2, 1)

    class SmallScheduler(SimpleNamespace):
        remaining_jobs = JobScheduler.remaining_jobs

    scheduler = SmallScheduler(**vars(scheduler_of(jobs)))
    assert JobScheduler.job_selector(scheduler, jobs) == jobs[-1:]
    assert scheduler.read == ["1 sizes"]
    assert scheduler.remaining_jobs == jobs


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The timers that a Snakemake with the patch sets: they have `seconds`, and `ring` when a test wants it."""
    monkeypatch.setattr(JobScheduler, "_schedule_reevalutation", inspect.unwrap(JobScheduler._schedule_reevalutation))
    patches.set_timers_at_limit()
    timers: list[Any] = []

    def timer(seconds: float, call: Callable[..., None], arguments: Sequence[Any] = ()) -> Any:
        new = SimpleNamespace(seconds=seconds, ring=lambda: call(*arguments), start=lambda: timers.append(new))
        return new

    monkeypatch.setattr(threading, "Timer", timer)
    return timers


def limited(waits_for_queue: bool = False) -> Any:
    """Return a scheduler that may start two steps a minute."""
    dag = SimpleNamespace(has_unfinished_queue_input_jobs=lambda: waits_for_queue)
    return SimpleNamespace(
        job_rate_limiter=JobRateLimiter(MaxJobsPerTimespan(2, "1m")),
        workflow=SimpleNamespace(dag=dag),
        _open_jobs=threading.Semaphore(0),
    )


def test_snakemake_still_sets_a_timer_whenever_it_chooses_steps():
    source = inspect.getsource(JobScheduler.schedule)
    rest = source[source.index("run = self.job_selector(needrun)") :]
    assert "if self.job_rate_limiter is not None:" in rest
    assert "self._schedule_reevalutation(self.job_rate_limiter.timespan)" in rest


def test_no_timer_is_set_below_the_limit(timers: list[Any]):
    scheduler = limited()
    JobScheduler._schedule_reevalutation(scheduler, 60)
    scheduler.job_rate_limiter.register_jobs(1)
    JobScheduler._schedule_reevalutation(scheduler, 60)
    assert timers == []


def test_one_timer_at_the_limit_rings_when_the_next_step_may_start(timers: list[Any]):
    scheduler = limited()
    scheduler.job_rate_limiter._jobs = deque([time.time() - 50, time.time()])
    for _ in range(10):
        JobScheduler._schedule_reevalutation(scheduler, 60)
    assert [round(timer.seconds) for timer in timers] == [10]
    assert timers[0].daemon, "Snakemake would not end before"
    timers[0].ring()
    assert scheduler._open_jobs.acquire(blocking=False)
    JobScheduler._schedule_reevalutation(scheduler, 60)
    assert len(timers) == 2


def test_timers_for_files_of_a_queue_stay(timers: list[Any]):
    JobScheduler._schedule_reevalutation(limited(waits_for_queue=True), 10)
    assert [timer.seconds for timer in timers] == [10]
