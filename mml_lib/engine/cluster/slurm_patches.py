"""Patches of Snakemake's executor for SLURM: jobs that are lost, and a controller that does not answer for some time.

`tests/unit/engine/test_slurm_patches.py` has a test for each that fails once the installed version needs it no more.
"""

import functools
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snakemake.jobs import AbstractJob

EXECUTOR = "snakemake_executor_plugin_slurm"

NO_ANSWER = (
    "Unable to contact slurm controller",
    "Socket timed out on send/recv operation",
    "Zero Bytes were transmitted or received",
    "Transport endpoint is not connected",
)
"""Messages of `sbatch` without an answer of the controller, which may have taken the job."""

KEPT = (
    *("SLURM_JOB_ID", "SLURM_JOBID", "SLURM_CLUSTER_NAME", "SLURM_SUBMIT_DIR", "SLURM_SUBMIT_HOST"),
    "SLURM_RESTART_COUNT",
)
"""Variables of a job that its step gets. Others are options of `srun`, which may contradict those of its command."""

AS_STEP = """\
trap '' USR1  # the announcement of the time limit is meant for trainings
unset $(env | sed -n 's/^\\(S[A-Z]*_[A-Za-z0-9_]*\\)=.*/\\1/p' | grep -E '^(SLURM|SRUN|SBATCH)_' | grep -vxE '{kept}')
srun -n1 --cpu-bind=q {options} sh -s <<'END_OF_STEP'
{command}
END_OF_STEP
"""
"""Script of a job: it starts a command as a step of SLURM."""


def submit_lost_again(lost: Callable[[set[str]], Mapping[str, str]]) -> None:
    """Have the executor submit those jobs again that SLURM has preempted, or lost with their nodes, for good.

    Where SLURM does not put such a job back into the queue (`PreemptMode=CANCEL`), the executor waits for it for ever.
    As with a job that is put back, this is no failure, and asks for no more than before. This can go when the executor
    submits them itself.

    Args:
        lost: gives the states of the lost jobs among those with some numbers.
    """
    from snakemake.logging import logger

    plugin = sys.modules.get(EXECUTOR)
    if plugin is None:
        return
    check = plugin.Executor.check_active_jobs

    async def check_active_jobs(executor: Any, active_jobs: list[Any]) -> AsyncIterator[Any]:
        states = lost({job.external_jobid for job in active_jobs})
        async for job in check(executor, active_jobs):
            number = job.external_jobid
            if number in states:
                state = states[number].lower().replace("_", " ")
                logger.warning(f"SLURM job {number} ({state}) does not come back: submitted again")
                executor.run_job(job.job)
            else:
                yield job

    plugin.Executor.check_active_jobs = check_active_jobs


def keep_jobs_without_state() -> None:
    """Have the executor go on with all jobs while SLURM does not state them, as while its controller restarts.

    It asks five times, then forgets the jobs, and Snakemake waits for them for ever. This can go when it keeps them.
    """
    plugin = sys.modules.get(EXECUTOR)
    if plugin is None or hasattr(plugin.query_job_status, "__wrapped__"):
        return
    check, query = plugin.Executor.check_active_jobs, plugin.query_job_status
    is_answered = True

    @functools.wraps(query)
    async def query_job_status(*arguments: Any) -> Any:
        nonlocal is_answered
        states, seconds = await query(*arguments)
        is_answered = states is not None
        return states, seconds

    async def check_active_jobs(executor: Any, active_jobs: list[Any]) -> AsyncIterator[Any]:
        async for job in check(executor, active_jobs):
            yield job
        if not is_answered:
            for job in active_jobs:
                yield job

    vars(plugin)["query_job_status"] = query_job_status
    plugin.Executor.check_active_jobs = check_active_jobs


def submit_after_outage(queued: Callable[[str, str], Collection[str] | None], every: float = 5) -> None:
    """Have the executor submit jobs once the controller of SLURM answers, and none of them twice.

    A controller that does not answer would be a failure of the step, which uses up its retries and asks for more
    memory. If the answer was lost rather than the job, a retry would run beside it. This can go when the executor
    waits.

    Args:
        queued: gives the numbers of this user's jobs with a name and a comment; None while the controller does not
            answer.
        every: seconds between two queries.
    """
    from snakemake.logging import logger

    plugin = sys.modules.get(EXECUTOR)
    if plugin is None or hasattr(plugin.Executor._report_job_error_threadsafe, "__wrapped__"):
        return
    report_error = plugin.Executor._report_job_error_threadsafe
    report_submission = plugin.Executor._report_job_submission_threadsafe
    numbers: set[str] = set()

    def note_submission(executor: Any, info: Any) -> None:
        numbers.add(info.external_jobid)
        report_submission(executor, info)

    @functools.wraps(report_error)
    def wait_or_report(executor: Any, info: Any, msg: str) -> None:
        if not any(message in msg for message in NO_ANSWER):
            report_error(executor, info, msg)
            return
        folder, comment = _log_and_comment(plugin, executor, info.job)
        logger.warning(f"the controller of SLURM does not answer: {comment} is submitted once it does")
        while (of_step := queued(executor.run_uuid, comment)) is None:
            if executor._job_submission_executor._shutdown:  # Snakemake was interrupted
                report_error(executor, info, msg)
                return
            time.sleep(every)
        if taken := sorted(set(of_step) - numbers):
            number = taken[-1]
            log = folder / f"{number}.log"
            note_submission(executor, type(info)(info.job, external_jobid=number, aux={"slurm_logfile": log}))
        else:
            executor.run_job(info.job)

    plugin.Executor._report_job_error_threadsafe = wait_or_report
    plugin.Executor._report_job_submission_threadsafe = note_submission


def start_as_step(is_own: Callable[["AbstractJob"], bool]) -> None:
    """Have the script of a job start the Snakemake of its steps as a step of SLURM.

    The executor starts another Snakemake around it, which reads the Snakefile and plans, only to call `srun` for it: a
    fifth of the overhead of a job. This can go when the executor calls `srun` in the script.

    Args:
        is_own: gives True for a job of MML's rules.
    """
    plugin = sys.modules.get(EXECUTOR)
    if plugin is None:
        return
    format_job_exec = plugin.Executor.format_job_exec

    def script_of(executor: Any, job: "AbstractJob") -> str:
        command, options = format_job_exec(executor, job), executor.additional_general_args()
        is_script = executor.workflow.executor_settings.pass_command_as_script and not executor.array_jobs
        if not is_script or options not in command or job.resources.get("mpi") or not is_own(job):
            return str(command)
        return AS_STEP.format(kept="|".join(KEPT), options=_step_options(job), command=command.replace(options, "", 1))

    plugin.Executor.format_job_exec = script_of


def _step_options(job: "AbstractJob") -> str:
    """Return the options of `srun`, as the executor of the Snakemake around a step has them."""
    from snakemake_executor_plugin_slurm_jobstep import get_cpu_setting, get_gpu_setting, get_node_setting

    gpus = get_gpu_setting(job)
    return " ".join(filter(None, [get_cpu_setting(job, bool(gpus)), gpus, get_node_setting(job)]))


def _log_and_comment(plugin: Any, executor: Any, job: "AbstractJob") -> tuple[Any, str]:
    """Return the folder of the logs of a job, and its comment, as the executor makes them."""
    wildcards = plugin.get_job_wildcards(job)
    kind = "group" if job.is_group() else "rule"
    comment = f"rule_{job.name}_wildcards_{wildcards}" if wildcards else f"rule_{job.name}"
    return executor.slurm_logdir / f"{kind}_{job.name}" / wildcards, comment
