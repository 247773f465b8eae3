"""Leakage: a failed comparison of images ends the run before any training, and later runs before their first step."""

import logging
import os
from typing import Any

from snakemake.logging import logger as snakemake_logger

from mml_lib.tasks.image_guards import ImageGuard

RULE = "check_images"


class StopOnLeakage(logging.Handler):
    """Lets a run begin no further step once images were found that are learned and tested on.

    Other failures keep what does not need them going (`keep-going`). The comparison is no input of trainings: where it
    came later, Snakemake would train finished networks again.

    Args:
        workflow: Snakemake's workflow object.
    """

    def __init__(self, workflow: Any):
        super().__init__()
        self.workflow = workflow
        snakemake_logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) == "job_error" and getattr(record, "rule_name", None) == RULE:
            self.workflow.scheduler.keepgoing = False


def refuse_leakage(dag: Any) -> None:
    """Compare images before the first step, where all tasks are described already.

    Args:
        dag: Snakemake's plan.

    Raises:
        MMLError: held-out images are learned.
    """
    jobs = list(dag.needrun_jobs())
    planned = set(jobs)
    for job in jobs:
        if job.rule.name != RULE or planned & set(dag.dependencies[job]):
            continue
        paths = [*map(str, job.input), *job.params.described]
        if not all(map(os.path.exists, paths)):
            continue
        from mml_lib.tasks.description import TaskDescription  # numpy, which plans do without
        from mml_lib.tasks.overlaps import compare_images

        compare_images(list(map(ImageGuard.of_json, job.params.guards)), list(map(TaskDescription.read, paths)))
