"""The best epoch: checkpoints contain its weights, so that an interrupted training keeps them."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mml_lib.config.metric_options import StoreBest
from mml_lib.errors import MMLError


class BestEpoch:
    """Keeps a copy of the weights of the best epoch so far; the first of equal epochs.

    Args:
        config: metric that determines the best epoch, and its direction.
    """

    def __init__(self, config: StoreBest):
        self.config = config
        self.epoch: int | None = None
        self.score = -math.inf
        self.weights: dict[str, torch.Tensor] = {}

    def update(self, network: nn.Module, row: Mapping[str, float]) -> None:
        """Keep the weights of a validated epoch if it is the best so far. `row` is the epoch's row of the history."""
        score = self.config.sign * row[self.config.key]
        if score > self.score:
            self.epoch, self.score = int(row["epoch"]), score
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}

    def restore(self, network: nn.Module) -> int:
        """Load the weights of the best epoch into a network, and return the number of this epoch, from 0.

        Raises:
            MMLError: the metric was undefined in all epochs.
        """
        if self.epoch is None:
            raise MMLError(
                f"store_best: the metric {self.config.metric} was undefined in every epoch; choose another, or loss"
            )
        network.load_state_dict(self.weights)
        return self.epoch

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"epoch": self.epoch, "score": self.score, "weights": self.weights}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.epoch, self.score, self.weights = state["epoch"], state["score"], dict(state["weights"])
