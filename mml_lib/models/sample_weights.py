"""Weights of samples in losses: a loss is the mean over samples, weighted; equal weights change nothing."""

import copy
import inspect

import torch
from torch import nn
from torch.nn import functional

from mml_lib.errors import MMLError
from mml_lib.task_types import IGNORE


def relative(weights: torch.Tensor) -> torch.Tensor:
    """Return weights in relation to their mean, N; all 0 where they are."""
    mean = weights.mean()
    return weights / mean.where(mean > 0, 1)


def weighted_average(losses: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean of losses by weights of the same shape; 0 where all weights are 0."""
    whole = weights.sum()
    return (losses * weights).sum() / whole.where(whole > 0, 1)


def weighted_dice_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the Dice loss of `segmentation_models_pytorch` over the pixels of all samples, each by its weight.

    Args:
        logits: N×C×H×W.
        targets: classes N×H×W, 255 ignored.
        weights: of the samples, N.
    """
    counted = (targets != IGNORE)[:, None] * relative(weights)[:, None, None, None]
    probabilities = logits.softmax(dim=1)
    one_hot = functional.one_hot(targets.where(targets != IGNORE, 0), logits.shape[1]).movedim(-1, 1)
    pixels, places = (one_hot * counted).sum((0, 2, 3)), (0, 2, 3)
    overlap = (probabilities * one_hot * counted).sum(places)
    both = ((probabilities + one_hot) * counted).sum(places)
    losses = 1 - 2 * overlap / both.clamp_min(1e-7)
    return (losses * (pixels > 0)).mean()


class SampleWeightedLoss(nn.Module):
    """A loss whose mean over samples takes a weight of each.

    Args:
        loss: a loss that is a mean over the samples of a batch, with the argument `reduction`.
    """

    def __init__(self, loss: nn.Module):
        super().__init__()
        self.loss = loss
        self.of_samples = copy.deepcopy(loss)
        self.of_samples.reduction = "none"

    def forward(
        self, outputs: torch.Tensor, targets: torch.Tensor, sample_weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of a batch; weights N, None: all samples count alike.

        Raises:
            MMLError: the loss is not one of each sample, whatever its reduction.
        """
        if sample_weights is None:
            return self.loss(outputs, targets)
        losses = self.of_samples(outputs, targets)
        if losses.ndim == 0 or len(losses) != len(outputs):
            raise MMLError(f"loss: {type(self.loss).__name__} cannot weigh samples; set loss: default")
        weights = relative(sample_weights)
        losses, units = losses.flatten(1).mean(1) if losses.ndim > 1 else losses, self._units(targets)
        whole = (weights * units).sum()
        return (weights * losses).sum() / whole.where(whole > 0, 1)

    def _units(self, targets: torch.Tensor) -> torch.Tensor:
        """Return how much each sample counts in the mean: as much as its class, where classes have weights."""
        of_classes = getattr(self.loss, "weight", None)
        if of_classes is None or targets.is_floating_point():
            return torch.ones(len(targets), device=targets.device)
        return of_classes[targets]


def weighing_samples(loss: nn.Module, target: str, task: str) -> nn.Module:
    """Return a loss that takes weights of samples as its third argument.

    Args:
        loss: the loss.
        target: its `_target_`, for errors.
        task: the task whose samples have weights.

    Raises:
        MMLError: it cannot weigh samples.
    """
    if "sample_weights" in inspect.signature(loss.forward).parameters:
        return loss
    # Some losses have the attribute of their base class, and only one mean over a whole batch.
    if "reduction" not in inspect.signature(type(loss)).parameters or loss.reduction != "mean":
        raise MMLError(
            f"loss: {target} cannot weigh the samples of {task}; set loss: default, or columns: {{weight: null}}"
        )
    return SampleWeightedLoss(loss)
