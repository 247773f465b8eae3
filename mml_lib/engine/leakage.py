"""Leakage: a failed comparison of images ends the run before any training, and later runs before their first step."""

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
"""Rules whose steps begin after the comparison."""


class StopOnLeakage(logging.Handler):
    """Lets a run begin no further step once images were found that are learned and tested on.

    Other failures keep what does not need them going (`keep-going`). The comparison is no input of trainings: where it
    came later, Snakemake would train finished networks again.

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
    """Compare images before the first step, where all tasks are described already.

    Args:
        study: the study.
        dag: Snakemake's plan.

    Raises:
        MMLError: held-out images are learned.
    """
    jobs = list(dag.needrun_jobs())
    planned = set(jobs)
    for job in study.rule_names.jobs(jobs, RULE):
        if planned & set(dag.dependencies[job]):
            continue
        paths = [*map(str, job.input), *job.params.described]
        if not all(map(os.path.exists, paths)):
            continue
        from mml_lib.tasks.description import TaskDescription  # numpy, which plans do without
        from mml_lib.tasks.sharing.overlaps import compare_images

        compare_images(list(map(ImageGuard.of_json, job.params.guards)), list(map(TaskDescription.read, paths)))


def train_after_comparison(names: RuleNames, dag: "DAG") -> None:
    """Let no training begin before images are compared: where a data set takes long, others would be trained meanwhile.

    Args:
        names: MML's names of its rules.
        dag: Snakemake's plan, before its first step.
    """
    jobs = list(dag.needrun_jobs())
    comparisons = names.jobs(jobs, RULE)
    for job in names.jobs(jobs, *WAITING) if comparisons else ():
        start_after(dag, job, comparisons)
