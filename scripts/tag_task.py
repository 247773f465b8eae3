"""Derive a task from its base by its last tag."""

from mml_lib.config.task_options import SEPARATOR
from mml_lib.steps.open_step import open_step
from mml_lib.studies.checks.class_names import check_described
from mml_lib.tasks.description import TaskDescription, check_weights
from mml_lib.tasks.tags import apply_tag

step = open_step(snakemake)
definition = snakemake.params.definition
base = TaskDescription.read(snakemake.input.base)

tag = definition["name"].split(SEPARATOR)[-1]
task = apply_tag(base, tag).renamed(definition)
check_weights(task)
check_described(step.open_study().scheduler(step.mode), task.header)

task.write(snakemake.output.description)
