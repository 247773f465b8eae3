"""Remaining time of a run, from the forecast of its remaining steps."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mml_lib.engine.screen.line_printer import duration
from mml_lib.engine.screen.step_progress import Progress
from mml_lib.studies.resources.forecast import Forecast
from mml_lib.studies.resources.planned_steps import Step, steps_of

if TYPE_CHECKING:
    from snakemake.dag import DAG

    from mml_lib.studies.study import Study

INTERVAL = 20.0
"""Least seconds between two forecasts."""

MAX_SHARE = 0.01
"""Largest share of time that is spent on forecasts."""


class TimeLeft:
    """Remaining time of a run.

    A forecast reads the measurements of finished steps. It is repeated from time to time, and counts down in between.

    Args:
        study: the study.
        dag: Snakemake's plan, before its first step.
        progress: of the run.
    """

    def __init__(self, study: "Study", dag: "DAG", progress: Progress):
        self.study = study
        self.progress = progress
        jobs = [job for job in study.rule_names.jobs(dag.needrun_jobs()) if not job.is_norun]
        self._steps: Mapping[int, Step] = {
            job.jobid: step for job, step in zip(jobs, steps_of(study, jobs), strict=True)
        }
        self._end: float | None = None
        self._next = 0.0

    def words(self) -> str:
        """Return the remaining time in words; empty while it is unknown."""
        now = time.time()
        if now >= self._next:
            self._end = self._forecast(now)
            cost = time.time() - now
            self._next = now + max(INTERVAL, cost / MAX_SHARE)
        return "" if self._end is None else f"about {duration(max(1.0, self._end - now))} left"

    def _forecast(self, now: float) -> float | None:
        """Return the expected end of the run in seconds since the epoch; None if it is unknown."""
        started = {step.jobid: step.started for step in self.progress.steps()}
        ended = self.progress.ended()
        remaining = [(step, now - started.get(jobid, now)) for jobid, step in self._steps.items() if jobid not in ended]
        seconds = Forecast(self.study).seconds_left(remaining)
        return None if seconds is None else now + seconds
