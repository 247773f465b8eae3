"""Averaged weights: Lightning's callbacks, made to survive an interruption at any moment."""

from functools import partial
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import torch
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
    """The exponential moving average of weights and buffers, which each epoch is validated with.

    Args:
        decay: share of the average that an update keeps.
        arguments: of Lightning's callback.
    """

    def __init__(self, decay: float = 0.999, **arguments: Any):
        super().__init__(decay=decay, **arguments)
        self._kwargs["avg_fn"] = partial(_moved, decay)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hand over the average; Lightning does it after the last epoch, which a resumed training has behind it."""
        self._copy_average_to_current(pl_module)


def _moved(decay: float, average: torch.Tensor, current: torch.Tensor, num_averaged: Any) -> torch.Tensor:
    """Return an average moved towards the current value: exactly itself where that is the same; a count as it is."""
    return torch.lerp(average, current, 1 - decay) if average.is_floating_point() else current
