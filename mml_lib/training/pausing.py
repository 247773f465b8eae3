"""Pausing of a training, which later continues from its checkpoint as if it had not been paused."""

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint


class Pause(Checkpoint):
    """Ends a training after some epochs, when the checkpoint of the last one is written.

    Lightning calls the hooks of `Checkpoint`s after those of all other callbacks, in their order. This callback must be
    the last one: a checkpoint that is written after it would contain that the training has stopped.

    Args:
        epochs: number of epochs, including those before the training was resumed.
    """

    def __init__(self, epochs: int):
        self.epochs = epochs
        self.has_paused = False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.should_stop or trainer.current_epoch + 1 < self.epochs:
            return
        self.has_paused = trainer.should_stop = True
