"""Cluster jobs: preparation of the Snakemake within a job, and jobs or outputs that a killed Snakemake left."""

import functools
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mml_lib.config.pipeline_folder import LIBRARY
from mml_lib.engine.cluster.group_patches import call_before_planning, go_on_in_job, is_done
from mml_lib.engine.cluster.network_jobs import CORE, HEAVY
from mml_lib.engine.patches import keep_job_number, start_warm_first
from mml_lib.errors import MMLError
from mml_lib.machine import slurm
from mml_lib.machine.warm_start import launch_warm_process, offer_warm_start, withdraw_warm_start

if TYPE_CHECKING:
    from snakemake.dag import DAG


def settle_in_job(has_warm_start: bool) -> None:
    """Prepare the Snakemake that runs a step, or the steps of networks, within a cluster job.

    SLURM signals all processes of a job. SIGUSR1, which announces the time limit, is meant for trainings and would end
    other processes: this one and those that it starts ignore it, unless they set a handler.

    Args:
        has_warm_start: True if steps of networks may be forks of one process.
    """
    slurm.name_job()
    keep_job_number(slurm.own_job)
    go_on_in_job(slurm.count_steps)
    call_before_planning(skip_finished_targets)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    start_warm_in_job(target_rules(sys.argv) if has_warm_start else ())


def skip_finished_targets(dag: "DAG") -> None:
    """Leave out the steps that a job has done before it came back from the queue: its command forces all of them."""
    if not slurm.was_requeued():
        return
    settings, get_rule = dag.workflow.dag_settings, dag.workflow.get_rule
    settings.target_jobs = [
        spec
        for spec in settings.target_jobs
        if not is_done(dag, get_rule(spec.rulename).expand_output(spec.wildcards_dict)[0])
    ]


def target_rules(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the rules of the steps that a Snakemake within a job runs; it states them after it has read the rules.

    One that names an executor runs none: it starts a step of SLURM.

    Args:
        arguments: of the Snakemake.
    """
    words = iter(arguments)
    if "--executor" in arguments or "--target-jobs" not in words:
        return ()
    return tuple(word.partition(":")[0] for word in takewhile(lambda word: not word.startswith("--"), words))


@functools.cache
def start_warm_in_job(rules: tuple[str, ...]) -> None:
    """Start the process that steps of networks are forks of, where several share a cluster job.

    It imports while Snakemake reads the rules and plans. An outer pipeline may read them several times.

    Args:
        rules: of the steps.
    """
    withdraw_warm_start()
    if len(rules) > 1 and any(rule.endswith(HEAVY) for rule in rules):
        offer_warm_start()
        start_warm_first()
        launch_warm_process(str(LIBRARY / "scripts" / f"{rule}.py") for rule in CORE)


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
