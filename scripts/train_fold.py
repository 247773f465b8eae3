"""Train one network on one fold of a task and keep its weights, its history and its model storage."""

from mml_lib.schedulers.step import open_step

step = open_step(snakemake)
struct = step.get_struct()
data = step.create_datamodule(struct, fold=step.fold)
model = step.create_model([struct])
trainer = step.create_trainer()

step.before_training_hook(data, model, trainer)
trainer.fit(model, data, ckpt_path=step.last_checkpoint(), weights_only=True)
step.after_training_hook(data, model, trainer)

step.store_model(model, trainer)
