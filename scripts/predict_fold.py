"""Predict one split of a task with one trained network."""

from mml_lib.schedulers.step import open_step

step = open_step(snakemake)
step.drop_checkpoints()
struct = step.get_struct()
data = step.create_datamodule(struct, fold=step.fold)
model = step.create_model([struct], load_parameters=snakemake.input.parameters)

predictions = step.predict(model, data, snakemake.wildcards.eval)

predictions.write(snakemake.output.predictions)
