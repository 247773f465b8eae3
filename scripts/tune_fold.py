"""Search the learning rate or the batch size before a training."""

from mml_lib.steps.open_step import open_step

step = open_step(snakemake, warm=True)
struct, *co_structs = step.get_structs()
data = step.create_datamodule(struct, step.fold, co_structs)
model = step.create_model([struct, *co_structs], load_parameters=step.pretrained(snakemake.input.selection))

tuning = step.lightning_tune(data, model)

tuning.write(snakemake.output.tuning)
