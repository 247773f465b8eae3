"""Patches of Snakemake's scheduler, each with its reason and the condition for its removal.

`tests/unit/engine/test_scheduler_patches.py` has a test for each that fails when the installed version no longer needs
it.
"""

import _thread
import functools
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snakemake.jobs import AbstractJob


def end_on_sigterm() -> None:
    """Avoid a deadlock of Snakemake at SIGTERM, by calling its handler in a separate thread.

    The handler acquires the lock of the scheduler. If the interrupted thread holds it, to select jobs, Snakemake hangs.
    This can go when the handler acquires no lock.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    handler = JobScheduler.exit_gracefully
    if handler.__module__ != __name__:
        JobScheduler.exit_gracefully = lambda self, *_: _thread.start_new_thread(handler, (self,))


def select_in_order(first: Callable[..., Sequence["AbstractJob"]]) -> None:
    """Have the greedy scheduler choose among the few steps that should start next, in their order.

    Before each step, Snakemake reads the sizes of the inputs of all ready steps and compares them: 0.14 s for 3,335
    steps. This can go when a scheduler plugin is called before that.

    Args:
        first: returns the steps that should start next, given the ready ones, free resources and running steps.
    """
    from snakemake.scheduling.greedy import Scheduler
    from snakemake.scheduling.job_scheduler import JobScheduler

    select, remaining = JobScheduler.job_selector, JobScheduler.remaining_jobs.fget
    if hasattr(select, "__wrapped__"):
        return

    @functools.wraps(select)
    def job_selector(scheduler: Any, jobs: Collection["AbstractJob"]) -> Sequence["AbstractJob"]:
        if not isinstance(scheduler._scheduler, Scheduler):
            return select(scheduler, jobs)
        scheduler._scheduler.settings.omit_prioritize_by_temp_and_input = True
        scheduler._mml_selects = True
        try:
            return select(scheduler, first(jobs, scheduler.resources, scheduler.running))
        finally:
            scheduler._mml_selects = False

    def remaining_jobs(scheduler: Any) -> Sequence["AbstractJob"]:
        return () if getattr(scheduler, "_mml_selects", False) else remaining(scheduler)

    JobScheduler.job_selector = job_selector
    JobScheduler.remaining_jobs = property(remaining_jobs)


def set_timers_at_limit() -> None:
    """Have Snakemake set a timer only if it has reached the limit of steps per second, and only one at a time.

    It sets one of a second whenever it chooses steps, and ends after the last one. Each leads to another choice: while
    steps are ready, N finished steps cause N choices a second. This can go when it sets them at the limit only.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    set_timer = JobScheduler._schedule_reevalutation
    if hasattr(set_timer, "__wrapped__"):
        return

    @functools.wraps(set_timer)
    def set_at_limit(scheduler: Any, delay: float) -> None:
        limiter = scheduler.job_rate_limiter
        if limiter is None or scheduler.workflow.dag.has_unfinished_queue_input_jobs():
            set_timer(scheduler, delay)
        elif not limiter.get_free_jobs() and not getattr(scheduler, "_mml_waits", False):
            scheduler._mml_waits = True
            until_next_start = limiter._jobs[0] + limiter.timespan - time.time()
            timer = threading.Timer(max(0, until_next_start), choose_again, [scheduler])
            timer.daemon = True
            timer.start()

    def choose_again(scheduler: Any) -> None:
        scheduler._mml_waits = False
        scheduler._open_jobs.release()

    JobScheduler._schedule_reevalutation = set_at_limit
