"""Cluster jobs: preparation of the Snakemake within a job, and jobs or outputs that a killed Snakemake left."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mml_lib.engine.patches import keep_job_number
from mml_lib.errors import MMLError
from mml_lib.machine import slurm
from mml_lib.machine.warm_start import withdraw_warm_start

if TYPE_CHECKING:
    from snakemake.dag import DAG


def settle_in_job() -> None:
    """Prepare the Snakemake that runs one step (or group) within a cluster job.

    SLURM signals all processes of a job. SIGUSR1, which announces the time limit, is meant for trainings and would end
    other processes: this one and those that it starts ignore it, unless they set a handler.
    """
    withdraw_warm_start()
    slurm.name_job()
    keep_job_number(slurm.own_job)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def wait_for_left_jobs(dag: "DAG") -> bool:
    """Wait for planned steps that run in cluster jobs of a killed Snakemake, and print their jobs.

    Returns:
        True if there were some: the plan still has the steps that they have finished.

    Raises:
        MMLError: SLURM does not state whether they run.
    """
    ids = dag.workflow.persistence.external_jobids
    left = {number for job in dag.needrun_jobs() for number in ids(job)}

    def report(states: Mapping[str, str]) -> None:
        words = ", ".join(f"{number} ({state.lower()})" for number, state in states.items())
        print(
            f"waiting for SLURM jobs that a killed Snakemake has left: {words}; what `scancel {' '.join(states)}` "
            "ends is submitted again, trainings go on from their last epoch",
            flush=True,
        )

    return slurm.wait_for(left, report)


def unfinished_outputs(dag: "DAG") -> list[Path]:
    """Return existing outputs of planned steps that were killed before Snakemake recorded them as done.

    Snakemake repeats such a step, but does not plan missing outputs that need it only by `ancient()`: the run would end
    early, and with success. This can go when Snakemake plans them.
    """
    settings = dag.workflow.dag_settings
    if settings.forceall or settings.forcetargets or settings.forcerun:
        return []  # these files are forced for another reason
    forced = {path for job in dag.needrun_jobs(exclude_finished=False) for path in job.output} & dag.forcefiles
    return sorted(Path(path) for path in forced if os.path.exists(path))


def start_again(dag: "DAG") -> NoReturn:
    """Replace this process by a new one with the same arguments, which plans by the present files.

    Raises:
        MMLError: the arguments are relative to another working folder.
    """
    if dag.workflow.overwrite_workdir:
        raise MMLError("other processes have changed files of the plan; run the same command again")
    dag.workflow.persistence.unlock()  # Snakemake's own lock, if an outer pipeline uses it, outlives a process
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
