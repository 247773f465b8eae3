"""Finish the plan of a mode: run its last hook and write its return value."""

from pathlib import Path

from mml_lib.steps.open_step import open_step
from mml_lib.training.checkpoint_files import remove_checkpoints

step = open_step(snakemake)
scheduler = step.open_study().scheduler(step.mode)

scheduler.before_finishing_hook(step)
for folder in snakemake.params.checkpoints:
    remove_checkpoints(Path(folder))

step.finish(snakemake.output.return_value)
