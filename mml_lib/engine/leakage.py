"""Leakage: a failed comparison of images ends the run before any training. Later runs end before their first step."""

import logging
import os
from typing import TYPE_CHECKING

from snakemake.logging import logger as snakemake_logger

from mml_lib.engine.patches import start_after
from mml_lib.machine.rule_names import RuleNames
from mml_lib.studies.study import Study
from mml_lib.tasks.image_guards import ImageGuard

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.workflow import Workflow

RULE = "check_images"

WAITING = ("tune_fold", "train_fold", "train_trial")
"""Rules whose steps wait for the comparison."""


class StopOnLeakage(logging.Handler):
    """Stops a run when the comparison of images finds training images among the test images.

    After other failures, independent steps continue (`keep-going`). The comparison is no input of trainings: Snakemake
    would train finished networks again if the study got a comparison later.

    Args:
        study: the study.
        workflow: Snakemake's workflow object.
    """

    def __init__(self, study: Study, workflow: "Workflow"):
        super().__init__()
        self.study = study
        self.workflow = workflow
        snakemake_logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) != "job_error":
            return
        if self.study.rule_names.own(getattr(record, "rule_name", "")) == RULE:
            self.workflow.scheduler.keepgoing = False


def refuse_leakage(study: Study, dag: "DAG") -> None:
    """Compare images before the first step if the descriptions of all tasks exist.

    Args:
        study: the study.
        dag: Snakemake's plan.

    Raises:
        MMLError: there are training images among the held-out images.
    """
    jobs = list(dag.needrun_jobs())
    planned = set(jobs)
    for job in study.rule_names.jobs(jobs, RULE):
        if planned & set(dag.dependencies[job]):
            continue
        paths = [*map(str, job.input), *job.params.described]
        if not all(map(os.path.exists, paths)):
            continue
        from mml_lib.tasks.description import TaskDescription  # imports NumPy, which planning does without
        from mml_lib.tasks.sharing.overlaps import compare_images

        compare_images(list(map(ImageGuard.of_json, job.params.guards)), list(map(TaskDescription.read, paths)))


def compare_before_training(names: RuleNames, dag: "DAG") -> None:
    """Let all trainings wait for the comparison of images, also those whose inputs are ready before it.

    Args:
        names: MML's names of its rules.
        dag: Snakemake's plan, before its first step.
    """
    jobs = list(dag.needrun_jobs())
    comparisons = names.jobs(jobs, RULE)
    for job in names.jobs(jobs, *WAITING) if comparisons else ():
        start_after(dag, job, comparisons)
