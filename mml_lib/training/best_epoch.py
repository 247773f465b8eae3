"""The best epoch: its weights are kept within the checkpoints, so an interrupted training keeps them too."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mml_lib.config.metric_options import StoreBest
from mml_lib.errors import MMLError


class BestEpoch:
    """Keeps a copy of the weights of the best epoch so far; of equal epochs the first.

    Args:
        config: the metric that decides.
    """

    def __init__(self, config: StoreBest):
        self.config = config
        self.epoch: int | None = None
        self.score = -math.inf
        self.weights: dict[str, torch.Tensor] = {}

    def update(self, network: nn.Module, row: Mapping[str, float]) -> None:
        """Keep the weights of a validated epoch if it is the best so far."""
        score = self.config.sign * row[self.config.key]
        if score > self.score:
            self.epoch, self.score = int(row["epoch"]), score
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}

    def restore(self, network: nn.Module) -> int:
        """Give a network the weights of the best epoch; return which one it is.

        Raises:
            MMLError: what tells the best was undefined in all epochs.
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
