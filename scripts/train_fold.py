"""Train one network on one fold of a task and keep its weights, its history and its model storage."""

from mml_lib.steps.open_step import open_step
from mml_lib.steps.trial_networks import take_trial_network

step = open_step(snakemake, warm=True)
with step.sole_training() as others_trained:
    if not take_trial_network(step, snakemake.params.stores, others_trained):
        step.apply_tuning(snakemake.input.tuning)
        struct, *co_structs = step.get_structs()
        data = step.create_datamodule(struct, step.fold, co_structs)
        model = step.create_model([struct, *co_structs], load_parameters=step.pretrained(snakemake.input.selection))
        trainer = step.create_trainer()

        step.hooks.before_training_hook(step, data, model, trainer)
        trainer.fit(model, data, ckpt_path=step.last_checkpoint(), weights_only=True)
        step.hooks.after_training_hook(step, data, model, trainer)

        step.store_model(model, trainer)
