"""Averaged weights: callbacks of Lightning that give the same result after an interruption."""

from functools import partial
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import torch
from lightning.pytorch import LightningModule, Trainer, callbacks


class StochasticWeightAveraging(callbacks.StochasticWeightAveraging):
    """The mean of the weights of the last epochs (Izmailov et al. 2018).

    A final epoch without training updates the statistics of batch normalisation of the averaged network, and validates
    it. Lightning omits this epoch for networks without batch normalisation, and averages after the last checkpoint.
    """

    @staticmethod
    def pl_module_contains_batch_norm(pl_module: LightningModule) -> bool:
        return True


class EMAWeightAveraging(callbacks.EMAWeightAveraging):
    """The exponential moving average of weights and buffers, which is validated in each epoch.

    Args:
        decay: share of the average that remains in an update, in [0, 1].
        arguments: further arguments of Lightning's callback.
    """

    def __init__(self, decay: float = 0.999, **arguments: Any):
        super().__init__(decay=decay, **arguments)
        self._kwargs["avg_fn"] = partial(_moved, decay)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the average to the model. Lightning does so after the last epoch, which a resumed training may skip."""
        self._copy_average_to_current(pl_module)


def _moved(decay: float, average: torch.Tensor, current: torch.Tensor, num_averaged: Any) -> torch.Tensor:
    """Return the updated average: exactly unchanged for equal values; the current value for integers (counts)."""
    return torch.lerp(average, current, 1 - decay) if average.is_floating_point() else current
