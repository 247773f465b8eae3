"""Averaged weights: Lightning's callbacks, made to survive an interruption at any moment."""

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
from lightning.pytorch import LightningModule, Trainer, callbacks


class StochasticWeightAveraging(callbacks.StochasticWeightAveraging):
    """The mean of the weights of the last epochs (Izmailov et al. 2018).

    The averaged network always has an epoch of its own, in which it learns nothing, gathers the statistics of its batch
    normalisation, and is validated. Lightning leaves this epoch out for networks without batch normalisation, and
    averages after the last checkpoint then.
    """

    @staticmethod
    def pl_module_contains_batch_norm(pl_module: LightningModule) -> bool:
        return True


class EMAWeightAveraging(callbacks.EMAWeightAveraging):
    """The exponential moving average of weights and buffers, which each epoch is validated with."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hand over the average; Lightning does it after the last epoch, which a resumed training has behind it."""
        self._copy_average_to_current(pl_module)
