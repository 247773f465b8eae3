"""Losses that torch does not have."""

import torch
from segmentation_models_pytorch.losses import DiceLoss
from torch import nn

from mml_lib.config.task_types import IGNORE


class CrossEntropyDice(nn.Module):
    """Cross-entropy plus Dice loss (Milletari et al. 2016), as is usual in medical segmentation (Isensee et al. 2021).

    Args:
        weight: of each class in the cross-entropy.
        label_smoothing: of the cross-entropy.
        dice: weight of the Dice loss.
    """

    def __init__(self, weight: list[float] | None = None, label_smoothing: float = 0.0, dice: float = 1.0):
        super().__init__()
        weights = None if weight is None else torch.tensor(weight)
        self.cross_entropy = nn.CrossEntropyLoss(weights, ignore_index=IGNORE, label_smoothing=label_smoothing)
        self.dice_loss = DiceLoss("multiclass", ignore_index=IGNORE)
        self.dice = dice

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of logits N×C×H×W for classes N×H×W; 0 where everything is ignored."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # sums over pixels are too large for half
        if (targets == IGNORE).all():
            return logits.sum() * 0
        return self.cross_entropy(logits, targets) + self.dice * self.dice_loss(logits, targets)
