"""Predict one split with one trained network: of the task it was trained on, or of another."""

from mml_lib.steps.step import open_step

step = open_step(snakemake, warm=True)
step.drop_checkpoints()
struct = step.get_struct()
seen = step.get_eval_struct(struct)
part = snakemake.wildcards.eval
data = step.create_datamodule(seen, fold=step.fold if part == "val" else None)
model = step.load_model(struct, snakemake.input.parameters)
model.redirect(seen.name)

predictions = step.predict(model, data, part)

predictions.write(snakemake.output.predictions)
