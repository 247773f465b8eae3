"""Predict one split with one trained network: of its own task, or of another."""

from mml_lib.steps.open_step import open_step

step = open_step(snakemake, warm=True)
split = snakemake.wildcards.eval
step.drop_checkpoints()
trained = step.get_struct()
predicted = step.get_eval_struct(trained)
data = step.create_datamodule(predicted, fold=step.fold if split == "val" else None)
model = step.load_model(trained, snakemake.input.parameters)
model.redirect(predicted.name)

predictions = step.predict(model, data, split)

predictions.write(snakemake.output.predictions)
