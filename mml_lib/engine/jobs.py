"""Jobs: what a Snakemake has to know of the cluster jobs that it starts, and of those that another left."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mml_lib.engine.patches import keep_job_number
from mml_lib.errors import MMLError
from mml_lib.machine import slurm
from mml_lib.steps.warm_start import withdraw_warm_start

if TYPE_CHECKING:
    from snakemake.dag import DAG


def settle_in_job() -> None:
    """Prepare for being the Snakemake that runs one step (or group) inside of a cluster job.

    SLURM signals all processes of a job. An announcement of the time limit by SIGUSR1 is for a training only, and would
    end all others; this holds for the processes that they start, up to the training that listens.
    """
    withdraw_warm_start()
    slurm.name_job()
    keep_job_number(slurm.own_job)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def wait_for_left_jobs(dag: "DAG") -> bool:
    """Wait for cluster jobs that a killed Snakemake has left and that do what is planned here; say so.

    Returns:
        Whether there were some: what they have finished is to be planned no more then.

    Raises:
        MMLError: SLURM does not say whether they run.
    """
    ids = dag.workflow.persistence.external_jobids
    left = {number for job in dag.needrun_jobs() for number in ids(job)}

    def tell(states: Mapping[str, str]) -> None:
        words = ", ".join(f"{number} ({state.lower()})" for number, state in states.items())
        print(
            f"waiting for SLURM jobs that a killed Snakemake has left: {words}; what `scancel {' '.join(states)}` "
            "ends is submitted again, trainings go on from their last epoch",
            flush=True,
        )

    return slurm.wait_for(left, tell)


def cut_off(dag: "DAG") -> list[Path]:
    """Return outputs of planned steps that are there although a kill came before Snakemake had the steps down as done.

    Snakemake does such a step again, but overlooks what needs it by `ancient()` alone, however much of that is missing:
    the plan ends there, with success. This can go when it does not any more.
    """
    settings = dag.workflow.dag_settings
    if settings.forceall or settings.forcetargets or settings.forcerun:
        return []  # these files are forced for another reason
    forced = {path for job in dag.needrun_jobs(exclude_finished=False) for path in job.output} & dag.forcefiles
    return sorted(Path(path) for path in forced if os.path.exists(path))


def start_again(dag: "DAG") -> NoReturn:
    """Begin this Snakemake anew, in its own place, so that it plans by what is on the disk now.

    Raises:
        MMLError: its arguments are relative to a folder that it has left.
    """
    if dag.workflow.overwrite_workdir:
        raise MMLError("what others have done meanwhile changes the plan; run the same command again")
    dag.workflow.persistence.unlock()  # Snakemake's own lock, if an outer pipeline uses it, outlives a process
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
