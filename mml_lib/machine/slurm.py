"""SLURM: what a step says to the cluster that runs it, and what a Snakemake asks of jobs that another has left."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from mml_lib.errors import MMLError

JOB = "MML_SLURM_JOB"
"""Environment variable with the number of the SLURM job that is this one step, and no other."""

STATES = ("squeue", "--noheader", "--me", "--format=%i|%T")
"""The command that tells the states of this user's jobs."""


def name_job() -> None:
    """Tell the step that this process starts which job it is, where SLURM runs it."""
    os.environ[JOB] = os.environ.get("SLURM_JOB_ID", "")


def own_job() -> str | None:
    """Return the number of the job that this step is, None where it is none."""
    return os.environ.get(JOB) or None


def may_stay(job: str) -> bool:
    """Return whether a job may stay: false once SLURM has begun to end it, for whatever reason."""
    return _asked("squeue", "--noheader", "--format=%T", f"--jobs={job}") == "RUNNING"


def seconds_left(job: str) -> float:
    """Return for how long a job may stay, infinity where there is no limit or it cannot be known."""
    try:
        days, _, clock = _asked("squeue", "--noheader", "--format=%L", f"--jobs={job}").rpartition("-")
        seconds = 0
        for part in clock.split(":"):
            seconds = 60 * seconds + int(part)
        return 86400 * int(days or 0) + seconds
    except ValueError:  # UNLIMITED
        return float("inf")


def requeue(job: str) -> bool:
    """Put a job back into the queue, which ends what runs of it; return whether SLURM agreed."""
    return subprocess.run(["scontrol", "requeue", job], capture_output=True).returncode == 0


def unfinished(jobs: Collection[str]) -> dict[str, str]:
    """Return the states of those jobs that wait or run.

    Raises:
        MMLError: SLURM does not say.
    """
    if not jobs or shutil.which("squeue") is None:
        return {}
    # All of them: one that SLURM has forgotten would be an error.
    process = subprocess.run([*STATES, "--array"], capture_output=True, text=True)
    if process.returncode != 0:
        raise MMLError(f"squeue does not say which jobs still run ({process.stderr.strip()}); try again later")
    return _states(process.stdout, jobs)


def lost(jobs: Collection[str]) -> dict[str, str]:
    """Return the states of those jobs that SLURM has taken off their nodes and does not put back into the queue."""
    return _states(_asked(*STATES, "--states=PREEMPTED,NODE_FAIL"), jobs)


def folders() -> set[Path]:
    """Return the working folders whose jobs of a Snakemake wait or run, also where that Snakemake was killed."""
    jobs = [line.split("|") for line in _asked("squeue", "--noheader", "--me", "--format=%k|%Z").splitlines()]
    return {Path(folder) for comment, folder in jobs if comment.startswith(("rule_", "group_"))}


def wait_for(jobs: Collection[str], tell: Callable[[Mapping[str, str]], None], every: float = 5) -> bool:
    """Wait until jobs have ended; return whether there was one to wait for.

    Args:
        jobs: their numbers.
        tell: called with the states, once.
        every: seconds between two looks.
    """
    left = unfinished(jobs)
    if not left:
        return False
    tell(left)
    while unfinished(left):
        time.sleep(every)
    return True


def _states(said: str, jobs: Collection[str]) -> dict[str, str]:
    """Return the states that `squeue` has told of some jobs."""
    states = dict(line.split("|") for line in said.splitlines())
    return {job: states[job] for job in sorted(jobs) if job in states}


def _asked(*command: str) -> str:
    """Return the output of a SLURM command; empty if it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
