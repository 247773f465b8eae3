"""Weights of samples in losses: a loss is a weighted mean over samples. Equal weights change nothing."""

import copy
import inspect

import torch
from torch import nn
from torch.nn import functional

from mml_lib.errors import MMLError
from mml_lib.task_types import IGNORE


def relative(weights: torch.Tensor) -> torch.Tensor:
    """Return weights divided by their mean, N; 0 if all weights are 0."""
    mean = weights.mean()
    return weights / mean.where(mean > 0, 1)


def weighted_average(losses: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted mean of losses, for weights of the same shape; 0 if all weights are 0."""
    total = weights.sum()
    return (losses * weights).sum() / total.where(total > 0, 1)


def weighted_dice_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the Dice loss of `segmentation_models_pytorch` over the pixels of all samples, weighted by sample.

    Args:
        logits: logits, N×C×H×W.
        targets: classes of pixels, N×H×W; 255 is ignored.
        weights: weights of the samples, N.
    """
    counted = (targets != IGNORE)[:, None] * relative(weights)[:, None, None, None]
    probabilities = logits.softmax(dim=1)
    one_hot = functional.one_hot(targets.where(targets != IGNORE, 0), logits.shape[1]).movedim(-1, 1)
    pixels, places = (one_hot * counted).sum((0, 2, 3)), (0, 2, 3)
    overlap = (probabilities * one_hot * counted).sum(places)
    sizes = ((probabilities + one_hot) * counted).sum(places)
    losses = 1 - 2 * overlap / sizes.clamp_min(1e-7)
    return (losses * (pixels > 0)).mean()


class SampleWeightedLoss(nn.Module):
    """The weighted mean of a loss over samples.

    Args:
        loss: loss with the argument `reduction`, whose mean is taken over the samples of a batch.
    """

    def __init__(self, loss: nn.Module):
        super().__init__()
        self.loss = loss
        self.of_samples = copy.deepcopy(loss)
        self.of_samples.reduction = "none"

    def forward(
        self, outputs: torch.Tensor, targets: torch.Tensor, sample_weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of a batch with weights N; None: equal weights.

        Raises:
            MMLError: the loss without reduction has no value for each sample.
        """
        if sample_weights is None:
            return self.loss(outputs, targets)
        losses = self.of_samples(outputs, targets)
        if losses.ndim == 0 or len(losses) != len(outputs):
            raise MMLError(f"loss: {type(self.loss).__name__} cannot weigh samples; set loss: default")
        weights = relative(sample_weights)
        losses, units = losses.flatten(1).mean(1) if losses.ndim > 1 else losses, self._units(targets)
        total = (weights * units).sum()
        return (weights * losses).sum() / total.where(total > 0, 1)

    def _units(self, targets: torch.Tensor) -> torch.Tensor:
        """Return the weight of each sample in the mean, N: the weight of its class, or 1 without class weights."""
        class_weights = getattr(self.loss, "weight", None)
        if class_weights is None or targets.is_floating_point():
            return torch.ones(len(targets), device=targets.device)
        return class_weights[targets]


def weighing_samples(loss: nn.Module, target: str, task: str) -> nn.Module:
    """Return a loss that takes weights of samples as its third argument.

    Args:
        loss: the loss.
        target: `_target_` of the loss, for messages.
        task: name of the task, for messages.

    Raises:
        MMLError: the loss cannot weigh samples.
    """
    if "sample_weights" in inspect.signature(loss.forward).parameters:
        return loss
    # Some losses inherit the attribute `reduction`, but compute only one mean over a batch.
    if "reduction" not in inspect.signature(type(loss)).parameters or loss.reduction != "mean":
        raise MMLError(
            f"loss: {target} cannot weigh the samples of {task}; set loss: default, or columns: {{weight: null}}"
        )
    return SampleWeightedLoss(loss)
