"""Hooks of the Snakefile: before the first step of a plan, and after the last one."""

import atexit
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mml_lib.config.pipeline_folder import LIBRARY
from mml_lib.engine.cluster.slurm_patches import (
    keep_jobs_without_state,
    start_as_step,
    submit_after_outage,
    submit_lost_again,
)
from mml_lib.engine.jobs import start_again, unfinished_outputs, wait_for_orphaned_jobs
from mml_lib.engine.leakage import compare_before_training, refuse_leakage
from mml_lib.engine.notifications import send, title_of_run
from mml_lib.engine.outer_pipeline import warn_of_triggers
from mml_lib.engine.preflight.backbones import check_backbones
from mml_lib.engine.preflight.launch import check_pipelines
from mml_lib.engine.retraining import refuse_retraining
from mml_lib.files.checksums import checksum_path
from mml_lib.files.removing import remove
from mml_lib.machine import slurm
from mml_lib.machine.terminal import print_line
from mml_lib.machine.warm_start import launch_relay, launch_warm_process
from mml_lib.studies.resources.consumption import as_lines, consumption
from mml_lib.studies.resources.forecast import Forecast
from mml_lib.studies.resources.planned_steps import steps_of
from mml_lib.studies.resources.submitted_runs import record_submitted_runs
from mml_lib.studies.study import Study

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow

MIN_LIGHT_STEPS = 3
"""Least number of light steps for which a warm process saves time."""


def start_run(study: Study, dag: "DAG") -> None:
    """Lock the project, claim the shared data that the plan will write, and check the plan.

    Snakemake restarts if another study, or a cluster job of a killed Snakemake, has changed files of the plan.

    Args:
        study: the study.
        dag: Snakemake's plan.

    Raises:
        MMLError: another Snakemake holds the lock, a root cannot be written, networks would be trained again, or a
            pipeline cannot be trained.
    """
    from snakemake.io import is_flagged

    jobs = study.rule_names.jobs(dag.needrun_jobs())
    if not jobs:
        return  # the plan has steps of an outer pipeline only
    if study.rule_names.by_full_name is not None:
        warn_of_triggers(dag.workflow)
    waited: list[bool] = []
    study.lock(on_lock=lambda: waited.append(wait_for_orphaned_jobs(dag)))
    if any(waited):
        start_again(dag)
    root = os.path.join(study.fm.data_path, "")
    if paths := unfinished_outputs(dag):
        if study.claims.are_claimed_elsewhere({os.path.relpath(path, root) for path in paths}):
            time.sleep(1)  # another Snakemake in this working folder is about to record them as finished
            start_again(dag)
        for path in paths:
            remove(path, root=path.parent)
        print_line(f"planning again without unfinished outputs of a killed step: {', '.join(map(str, paths))}")
        start_again(dag)
    keep_jobs_without_state()
    submit_after_outage(slurm.queued)
    start_as_step(study.rule_names.is_own)
    submit_lost_again(slurm.lost)
    if study.gpus.on_cluster:
        record_submitted_runs(study)
    else:
        launch_warm_process_for(jobs)
    refuse_retraining(study, dag)
    refuse_leakage(study, dag)
    if not dag.workflow.touch:
        check_pipelines(study, dag)
        check_backbones(study, dag)
    outputs = [output for job in jobs for output in job.output if not is_flagged(output, "temp")]
    missing = {os.path.relpath(path, root) for path in outputs if path.startswith(root) and not os.path.exists(path)}
    if not study.claims.take(missing):
        print_line("planning again with new data of another study")
        start_again(dag)
    compare_before_training(study.rule_names, dag)


def launch_warm_process_for(jobs: Sequence["Job"]) -> None:
    """Launch the warm process, so that it imports libraries while the plan is checked and light steps run.

    Plans without steps that need torch get a light one, if they have at least `MIN_LIGHT_STEPS` steps.
    """
    steps = Counter(LIBRARY / "scripts" / Path(job.rule.script).name for job in jobs if job.rule.script)
    scripts = sorted(script for script in steps if script.exists())
    is_heavy = any("warm=True" in script.read_text(encoding="utf-8") for script in scripts)
    if is_heavy or sum(steps[script] for script in scripts) >= MIN_LIGHT_STEPS:
        launch_warm_process(map(str, scripts), light=not is_heavy)
        launch_relay()


def forecast_dry_run(study: Study, workflow: "Workflow") -> None:
    """Print the forecast at the end of a dry run. Snakemake has no hook for dry runs."""

    def print_forecast() -> None:
        if workflow.dryrun and workflow.scheduler is not None:
            steps = steps_of(study, workflow.dag.needrun_jobs(exclude_finished=False))
            if unfinished_outputs(workflow.dag):
                print(
                    "a run removes unfinished outputs of a killed step first, and may then plan more steps",
                    file=sys.stderr,
                )
            print(Forecast(study).line(steps), file=sys.stderr)

    atexit.register(print_forecast)


def report_usage(study: Study, dag: "DAG") -> None:
    """Print used and requested resources of a run. Remove the checksums of outputs that Snakemake has removed."""
    from snakemake.logging import logger

    done = [job for job in dag.needrun_jobs(exclude_finished=False) if dag.finished(job)]
    outputs = [output for job in study.rule_names.jobs(dag.jobs) for output in job.output]
    for output in (output for output in outputs if not os.path.exists(output)):
        checksum_path(output).unlink(missing_ok=True)
    for line in as_lines(consumption(steps_of(study, done))):
        if dag.workflow.local_exec:  # local requests limit nothing: the log is enough
            logger.info(f"used by {line}")
        else:
            print(f"used by {line}", file=sys.stderr)


def notify_of_end(study: Study, dag: "DAG", succeeded: bool, text: str) -> None:
    """Send a message about a run to the services of the study. Print a line for each service that fails.

    Args:
        study: the study.
        dag: Snakemake's plan.
        succeeded: True if all steps have succeeded.
        text: text of the message.
    """
    modes = list(dict.fromkeys(job.wildcards.mode for job in dag.jobs if job.rule.name == "finish_exp"))
    for line in send(study.cfg.notify, title_of_run(study.cfg.project, modes, succeeded), text):
        print(line, file=sys.stderr, flush=True)
