"""Predict one split with one trained network: of the task it was trained on, or of another."""

from mml_lib.schedulers.step import open_step

step = open_step(snakemake, warm=True)
step.drop_checkpoints()
struct = step.get_struct()
seen = step.get_eval_struct(struct)
data = step.create_datamodule(seen, fold=step.fold if seen is struct else None)
model = step.load_model(struct, snakemake.input.parameters)
model.redirect(seen.name)

predictions = step.predict(model, data, snakemake.wildcards.eval)

predictions.write(snakemake.output.predictions)
