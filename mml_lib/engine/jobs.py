"""Cluster jobs: preparation of the Snakemake within a job, orphaned jobs, and unfinished outputs."""

import functools
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mml_lib.config.pipeline_folder import LIBRARY
from mml_lib.engine.cluster.group_patches import call_before_planning, is_done, keep_going_in_job
from mml_lib.engine.cluster.network_jobs import CORE, HEAVY
from mml_lib.engine.patches import keep_job_number, start_scripts_warm
from mml_lib.errors import MMLError
from mml_lib.machine import slurm
from mml_lib.machine.warm_start import launch_warm_process, offer_warm_start, withdraw_warm_start

if TYPE_CHECKING:
    from snakemake.dag import DAG


def prepare_job(has_warm_start: bool) -> None:
    """Prepare the Snakemake that runs steps within a cluster job.

    SLURM sends SIGUSR1 to all processes of a job before the time limit. Only trainings handle it. This process and its
    children ignore it, because the default action would end them.

    Args:
        has_warm_start: True if steps of networks may be forks of one process.
    """
    slurm.name_job()
    keep_job_number(slurm.own_job)
    keep_going_in_job(slurm.count_steps)
    call_before_planning(skip_finished_targets)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    start_warm_in_job(target_rules(sys.argv) if has_warm_start else ())


def skip_finished_targets(dag: "DAG") -> None:
    """Drop the steps that a requeued job has finished before. Its command forces all steps."""
    if not slurm.was_requeued():
        return
    settings, get_rule = dag.workflow.dag_settings, dag.workflow.get_rule
    settings.target_jobs = [
        spec
        for spec in settings.target_jobs
        if not is_done(dag, get_rule(spec.rulename).expand_output(spec.wildcards_dict)[0])
    ]


def target_rules(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the rules of the steps of a Snakemake within a job, before it has parsed its arguments.

    The result is empty if the arguments set an executor: this Snakemake only starts a SLURM step.

    Args:
        arguments: arguments of Snakemake.
    """
    words = iter(arguments)
    if "--executor" in arguments or "--target-jobs" not in words:
        return ()
    return tuple(word.partition(":")[0] for word in takewhile(lambda word: not word.startswith("--"), words))


@functools.cache
def start_warm_in_job(rules: tuple[str, ...]) -> None:
    """Start the warm process of a cluster job that runs several steps of networks, once per process.

    It imports libraries while Snakemake reads the rules, perhaps several times in an outer pipeline, and plans.

    Args:
        rules: rules of the steps.
    """
    withdraw_warm_start()
    if len(rules) > 1 and any(rule.endswith(HEAVY) for rule in rules):
        offer_warm_start()
        start_scripts_warm()
        launch_warm_process(str(LIBRARY / "scripts" / f"{rule}.py") for rule in CORE)


def wait_for_orphaned_jobs(dag: "DAG") -> bool:
    """Wait for cluster jobs that a killed Snakemake has left behind and that run planned steps.

    Returns:
        True if there were any. The plan is then outdated.

    Raises:
        MMLError: SLURM does not report their states.
    """
    ids = dag.workflow.persistence.external_jobids
    orphaned = {number for job in dag.needrun_jobs() for number in ids(job)}

    def report(states: Mapping[str, str]) -> None:
        jobs = ", ".join(f"{number} ({state.lower()})" for number, state in states.items())
        print(
            f"waiting for SLURM jobs that a killed Snakemake has left: {jobs}; to submit their steps again, cancel "
            f"them by `scancel {' '.join(states)}`: trainings continue from their last epoch",
            flush=True,
        )

    return slurm.wait_for(orphaned, report)


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
    """Restart Snakemake in this process with the same arguments, so that it plans with the current files.

    Raises:
        MMLError: the arguments are relative to another working folder.
    """
    if dag.workflow.overwrite_workdir:
        raise MMLError("other processes have changed files of the plan; run the same command again")
    dag.workflow.persistence.unlock()  # an outer pipeline may use Snakemake's lock, which `execv` would keep
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
