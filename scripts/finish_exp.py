"""Finish the plan of a mode: run its last hook and write its return value."""

from mml_lib.steps.step import open_step

step = open_step(snakemake)
step.before_finishing_hook()
for training in step.trainings:
    step.drop_checkpoints(**training)
step.finish(snakemake.output.return_value)
