"""Predict one split of a task with one trained network."""

from mml_lib.postprocessing.predictions import Predictions
from mml_lib.schedulers.step import open_step

step = open_step(snakemake)
step.drop_checkpoints()
struct = step.get_struct()
data = step.create_datamodule(struct, fold=step.fold)
model = step.create_model([struct], load_parameters=snakemake.input.parameters)

logits, targets = step.predict(model, data.ordered(snakemake.wildcards.eval))

ids = data.part(snakemake.wildcards.eval).ids
Predictions(logits, targets, ids).write(snakemake.output.predictions)
