"""Hooks: what the Snakefile does with a plan, before its first step and after its last."""

import atexit
import os
import sys
import time
from typing import TYPE_CHECKING

from mml_lib.engine.jobs import cut_off, start_again, wait_for_left_jobs
from mml_lib.engine.leakage import refuse_leakage, train_after_comparison
from mml_lib.engine.outer_pipeline import warn_of_triggers
from mml_lib.engine.patches import submit_lost_again
from mml_lib.engine.preflight.launch import check_pipelines
from mml_lib.engine.retraining import refuse_retraining
from mml_lib.files.checksums import checksum_path
from mml_lib.files.removing import remove
from mml_lib.machine import slurm
from mml_lib.machine.terminal import say
from mml_lib.studies.resources.consumption import Consumption
from mml_lib.studies.resources.forecast import Forecast
from mml_lib.studies.resources.planned_steps import steps_of
from mml_lib.studies.study import Study

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.workflow import Workflow


def begin(study: Study, dag: "DAG") -> None:
    """Take the project, and claim what the plan makes for all studies; plan anew where others have made some of it,
    or cluster jobs that a killed Snakemake has left.

    Args:
        study: the study.
        dag: Snakemake's plan.

    Raises:
        MMLError: another Snakemake holds the project, a root cannot be written, or networks would be trained again, or
            pipelines cannot be trained.
    """
    from snakemake.io import is_flagged

    jobs = study.rule_names.jobs(dag.needrun_jobs())
    if not jobs:
        return  # only rules of an outer pipeline have something to do
    if study.rule_names.by_full_name is not None:
        warn_of_triggers(dag.workflow)
    left: list[bool] = []
    study.lock(before=lambda: left.append(wait_for_left_jobs(dag)))
    if any(left):
        start_again(dag)
    root = os.path.join(study.fm.data_path, "")
    if paths := cut_off(dag):
        if study.claims.are_others({os.path.relpath(path, root) for path in paths}):
            time.sleep(1)  # it is about to be down as done by a Snakemake that shares its notes with this one
            start_again(dag)
        for path in paths:
            remove(path, root=path.parent)
        say(f"planning again without what a kill has cut off: {', '.join(map(str, paths))}")
        start_again(dag)
    submit_lost_again(slurm.lost)
    refuse_retraining(study, dag)
    refuse_leakage(study, dag)
    if not dag.workflow.touch:
        check_pipelines(study, dag)
    made = [output for job in jobs for output in job.output if not is_flagged(output, "temp")]
    missing = {os.path.relpath(path, root) for path in made if path.startswith(root) and not os.path.exists(path)}
    if not study.claims.take(missing):
        say("planning again with what another study has made")
        start_again(dag)
    train_after_comparison(study.rule_names, dag)


def look_ahead(study: Study, workflow: "Workflow") -> None:
    """Let a dry run end with a line that tells what the plan is going to take; there is no hook for its end."""

    def tell() -> None:
        if workflow.dryrun and workflow.scheduler is not None:
            steps = steps_of(study, workflow.dag.needrun_jobs(exclude_finished=False))
            if cut_off(workflow.dag):
                print("more is planned once what a kill has cut off is removed, which the run does", file=sys.stderr)
            print(Forecast(study).line(steps), file=sys.stderr)

    atexit.register(tell)


def look_back(study: Study, dag: "DAG") -> None:
    """Tell what the steps of a run took next to what they asked for; drop checksums of what Snakemake has removed."""
    done = [job for job in dag.needrun_jobs(exclude_finished=False) if dag.finished(job)]
    outputs = [output for job in study.rule_names.jobs(dag.jobs) for output in job.output]
    for output in (output for output in outputs if not os.path.exists(output)):
        checksum_path(output).unlink(missing_ok=True)
    for line in Consumption(steps_of(study, done)).lines():
        print(f"used by {line}", file=sys.stderr)
