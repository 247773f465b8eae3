"""Compute the Fisher information of a frozen backbone for a task, by the task's trained head."""

from mml_lib.inference.fisher_information import embed_task
from mml_lib.inference.prediction import best_device
from mml_lib.steps.open_step import open_step

step = open_step(snakemake, warm=True)
step.drop_checkpoints()
struct = step.get_struct()
images = step.create_datamodule(struct, step.fold).part("train")
model = step.load_model(struct, snakemake.input.parameters)

embedding = embed_task(model, images, step.cfg.seed, best_device(step.cfg.trainer.accelerator))

embedding.write(snakemake.output.fisher)
