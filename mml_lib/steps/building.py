"""Building blocks of a step by what they decide: the methods of `Doing` that a scheduler may override."""

TRAINING = (
    *("after_preparation_hook", "before_training_hook", "after_training_hook", "get_struct", "get_structs"),
    *("create_datamodule", "create_model", "create_network", "create_module", "pretrained", "create_trainer"),
    *("lightning_tune", "apply_tuning", "last_checkpoint", "store_model"),
)
"""Those that decide what a training gives."""

PREDICTING = ("after_preparation_hook", "get_struct", "get_eval_struct", "load_model", "create_module", "predict")
"""Those that decide what a network predicts."""
