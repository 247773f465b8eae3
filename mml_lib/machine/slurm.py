"""SLURM: the job of a running step, and jobs of a killed Snakemake."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from mml_lib.errors import MMLError

JOB = "MML_SLURM_JOB"
"""Environment variable with the id of the SLURM job of this step."""

STEPS_DONE = "MML_SLURM_STEPS_DONE"
"""Environment variable with the number of steps that the job has finished since its latest start."""

STATES = ("squeue", "--noheader", "--me", "--format=%i|%T")
"""Command that prints the states of this user's jobs."""


def name_job() -> None:
    """Set the id of this SLURM job for the steps that this process starts."""
    os.environ[JOB] = os.environ.get("SLURM_JOB_ID", "")


def own_job() -> str | None:
    """Return the id of this step's job; None outside of a job."""
    return os.environ.get(JOB) or None


def was_requeued() -> bool:
    """Return True within a requeued job."""
    return os.environ.get("SLURM_RESTART_COUNT", "0") != "0"


def count_steps(number: int) -> None:
    """Set the number of steps that this job has finished since its latest start, for the next step."""
    os.environ[STEPS_DONE] = str(number)


def steps_done() -> int:
    """Return the number of steps that this job has finished since its latest start."""
    return int(os.environ.get(STEPS_DONE) or 0)


def state_of(job: str) -> str:
    """Return the state of a job: RUNNING, COMPLETING after SLURM has signaled its end, …; empty if it is unknown."""
    return _output("squeue", "--noheader", "--format=%T", f"--jobs={job}")


def seconds_left(job: str) -> float:
    """Return the remaining time of a job; infinity without a limit, or if it is unknown."""
    try:
        days, _, clock = _output("squeue", "--noheader", "--format=%L", f"--jobs={job}").rpartition("-")
        seconds = 0
        for part in clock.split(":"):
            seconds = 60 * seconds + int(part)
        return 86400 * int(days or 0) + seconds
    except ValueError:  # UNLIMITED
        return float("inf")


def requeue(job: str) -> bool:
    """Put a job back into the queue, which ends its processes; return True if SLURM accepts."""
    return subprocess.run(["scontrol", "requeue", job], capture_output=True).returncode == 0


def unfinished(jobs: Collection[str]) -> dict[str, str]:
    """Return the states of those jobs that wait or run.

    Raises:
        MMLError: `squeue` fails.
    """
    if not jobs or shutil.which("squeue") is None:
        return {}
    # Query all jobs of the user: the id of a job that SLURM has forgotten would be an error.
    process = subprocess.run([*STATES, "--array"], capture_output=True, text=True)
    if process.returncode != 0:
        raise MMLError(f"squeue cannot list running jobs ({process.stderr.strip()}); try again later")
    return _states(process.stdout, jobs)


def lost(jobs: Collection[str]) -> dict[str, str]:
    """Return the states of preempted jobs, and of those with failed nodes, that SLURM does not requeue."""
    return _states(_output(*STATES, "--states=PREEMPTED,NODE_FAIL"), jobs)


def queued(name: str, comment: str) -> list[str] | None:
    """Return the numbers of this user's jobs with a name and a comment, also of ended ones; None without an answer."""
    command = ["squeue", "--noheader", "--me", "--states=all", f"--name={name}", "--format=%i|%k"]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode != 0:
        return None
    rows = [line.split("|", 1) for line in process.stdout.splitlines()]
    return [number for number, other in rows if other == comment]


def folders() -> set[Path]:
    """Return the working folders of pending and running jobs of Snakemake, including killed ones."""
    jobs = [line.split("|") for line in _output("squeue", "--noheader", "--me", "--format=%k|%Z").splitlines()]
    return {Path(folder) for comment, folder in jobs if comment.startswith(("rule_", "group_"))}


def wait_for(jobs: Collection[str], report: Callable[[Mapping[str, str]], None], interval: float = 5) -> bool:
    """Wait until jobs have ended; return True if any was pending or running.

    Args:
        jobs: ids of the jobs.
        report: called once with the states.
        interval: seconds between two queries.
    """
    unfinished_jobs = unfinished(jobs)
    if not unfinished_jobs:
        return False
    report(unfinished_jobs)
    while unfinished(unfinished_jobs):
        time.sleep(interval)
    return True


def _states(output: str, jobs: Collection[str]) -> dict[str, str]:
    """Return the states of some jobs from the output of `squeue`."""
    states = dict(line.split("|") for line in output.splitlines())
    return {job: states[job] for job in sorted(jobs) if job in states}


def _output(*command: str) -> str:
    """Return the output of a SLURM command; empty if it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
