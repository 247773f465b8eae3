"""Finish the plan of a mode: run its last hook and write its return value."""

from mml_lib.schedulers.step import open_step

step = open_step(snakemake)
step.before_finishing_hook()
for command, wildcards in zip(step.commands, step.params, strict=True):
    if command == "train_fold":
        step.drop_checkpoints(**wildcards)
step.finish(snakemake.output.return_value)
