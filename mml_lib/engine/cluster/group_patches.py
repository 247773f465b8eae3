"""Patches of Snakemake's group jobs: several steps in one cluster job.

`tests/unit/engine/test_group_patches.py` has a test for each that fails when the installed version no longer needs
it. Groups with other ids, such as those of an outer pipeline, are not changed.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.jobs import GroupJob, Job

_own_ids: set[str] = set()
"""Ids of MML's groups."""


def group_steps(
    ids: Callable[["DAG"], Mapping["Job", str]], resources: Callable[[Collection["Job"]], dict[str, int | str]]
) -> None:
    """Have Snakemake submit the steps with one id as one job.

    `group:` sets ids by wildcards, before the remaining steps are known, and `--group-components` joins networks in an
    arbitrary order. A single step with a group is never a local step. Snakemake adds up memory and GPUs of steps that
    could run in parallel. It compares all groups with all steps that they need, recursively, once for each step of a
    group. This can go when a plugin may group the steps of a plan.

    Args:
        ids: returns the ids of grouped steps of a plan.
        resources: returns the resources of a job from its steps.
    """
    from snakemake.dag import DAG
    from snakemake.iocontainers import ResourceList
    from snakemake.jobs import GroupJob, Job

    update, check, validate = DAG.update_groups, DAG._check_groups, DAG.validate_group
    is_local, resources_of = Job.is_local.fget, GroupJob.resources.fget

    def update_groups(dag: Any) -> None:
        for job in dag.needrun_jobs():
            if job._group in _own_ids:
                job.group = None
        grouped = ids(dag)
        for job, id_ in grouped.items():
            job.group = id_
        _own_ids.update(grouped.values())
        settings = dag.workflow.group_settings
        settings.group_components = {**settings.group_components, **dict.fromkeys(grouped.values(), len(grouped))}
        update(dag)

    def check_groups(dag: Any) -> None:
        groups = dag._group
        foreign = {group for group in groups.values() if not is_own(group)}
        dag._group = {next(iter(group)): group for group in foreign}
        try:
            check(dag)
        finally:
            dag._group = groups

    def group_resources(group: Any) -> Any:
        if not is_own(group):
            return resources_of(group)
        if group._resources is None:
            group._resources = resources(unfinished(group))
        return ResourceList(fromdict=group._resources)

    DAG.update_groups = update_groups
    DAG._check_groups = check_groups
    DAG.validate_group = lambda dag, group: None if is_own(group) else validate(dag, group)
    Job.is_local = property(lambda job: job._group not in _own_ids and is_local(job))
    GroupJob.resources = property(group_resources)


def keep_finished_steps() -> None:
    """Have Snakemake keep the finished steps of a failed job, and repeat only the others.

    Snakemake removes the outputs of all steps, submits all of them again, marks them as unfinished, and reports each of
    them as failed, without a reason. Steps after finished ones wait for the whole job. This can go when Snakemake
    treats steps of a group like other steps.
    """
    from snakemake.jobs import GroupJob
    from snakemake.logging import logger
    from snakemake.scheduling.job_scheduler import JobScheduler

    postprocess, register, targets = GroupJob.postprocess, GroupJob.register, GroupJob.get_target_spec
    log_error, handle_error = GroupJob.log_error, JobScheduler._handle_error

    async def postprocess_steps(group: Any, error: bool = False, **options: Any) -> None:
        if not (error and is_own(group)):
            await postprocess(group, error=error, **options)
            return
        group._mml_finished = finished(group)
        options |= {"check_output_mtime": False, "ignore_missing_output": True}  # temporary files are removed already
        for job in group:
            await job.postprocess(error=job not in group._mml_finished, **options)

    def register_steps(group: Any, external_jobid: str | None = None) -> None:
        if not is_own(group):
            register(group, external_jobid)
            return
        for job in unfinished(group):
            job.register(external_jobid=external_jobid)
        group._mml_registered = True

    def target_specs(group: Any) -> Any:
        return (
            [spec for job in unfinished(group) for spec in job.get_target_spec()] if is_own(group) else targets(group)
        )

    def log_errors(group: Any, msg: str | None = None, aux_logs: Any = None, **options: Any) -> None:
        if not is_own(group):
            log_error(group, msg, aux_logs, **options)
            return
        for job in failed_steps(group):
            job.log_error(msg, aux_logs=aux_logs, **options)

    def handle_group_error(scheduler: Any, job: Any, postprocess_job: bool = True) -> None:
        handle_error(scheduler, job, postprocess_job)
        if job in scheduler.failed and job.is_group() and is_own(job):
            dag = scheduler.workflow.dag
            for step in job._mml_finished:
                dag._running.add(step)  # where `finish` removes it
                scheduler.workflow.async_run(dag.finish(step))
                logger.info(f"Finished jobid: {step.jobid}", extra={"event": "job_finished", "job_id": step.jobid})

    GroupJob.postprocess = postprocess_steps
    GroupJob.register = register_steps
    GroupJob.get_target_spec = target_specs
    GroupJob.log_error = log_errors
    JobScheduler._handle_error = handle_group_error


def call_before_planning(*functions: Callable[["DAG"], None]) -> None:
    """Have Snakemake call functions before it plans the steps of a job.

    The options of a job, such as its steps, are known only after reading the Snakefile. This can go when Snakemake has
    a hook there.

    Args:
        functions: called with the empty plan.
    """
    from snakemake.dag import DAG

    init = DAG.init

    async def init_after(dag: Any, *arguments: Any, **options: Any) -> None:
        for function in functions:
            function(dag)
        await init(dag, *arguments, **options)

    DAG.init = init_after


def keep_going_in_job(count: Callable[[int], None]) -> None:
    """Have the Snakemake in a job continue after a failed step, and report the number of finished steps.

    Other networks of the job do not depend on the failed step. This can go when jobs inherit `--keep-going`.

    Args:
        count: called with the number of finished steps.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    run = JobScheduler.run

    def run_on(scheduler: Any, jobs: Any, executor: Any = None) -> None:
        scheduler.keepgoing = True
        count(scheduler.finished_jobs)
        run(scheduler, jobs, executor)

    JobScheduler.run = run_on


def is_own(group: "GroupJob") -> bool:
    """Return True for a group of MML."""
    return group.groupid in _own_ids


def finished(group: "GroupJob") -> set["Job"]:
    """Return the steps of a job that have finished since its submission."""
    next(iter(group.jobs)).dag.workflow.persistence._clear_cache()  # jobs have removed marks of unfinished outputs
    return {job for job in group.jobs if is_done(job.dag, job.output)}


def unfinished(group: "GroupJob") -> list["Job"]:
    """Return the steps of a job that have not finished since its submission."""
    done = finished(group) if getattr(group, "_mml_registered", False) else set()
    return [job for job in group.jobs if job not in done]


def failed_steps(group: "GroupJob") -> list["Job"]:
    """Return the unfinished steps of a job that do not wait for each other, by rule; all steps of foreign groups."""
    remaining = set(unfinished(group))
    if not is_own(group):
        return list(group.jobs)
    return sorted(
        (job for job in remaining if remaining.isdisjoint(job.dag.dependencies[job])),
        key=lambda job: (job.rule.name, str(job.wildcards)),
    )


def is_done(dag: "DAG", outputs: Iterable[Any]) -> bool:
    """Return True if outputs exist and are not marked as unfinished.

    Temporary outputs may be missing, unless a step has no others.
    """
    from snakemake.io import is_flagged

    persistence, paths = dag.workflow.persistence, list(outputs)
    marked = persistence._filter_incomplete_keys([persistence._get_key(path) for path in paths])
    required = [path for path in paths if not is_flagged(path, "temp")] or paths
    return not marked and all(map(os.path.lexists, required))
