"""Mixing of the images of a batch and their targets, on the training device."""

import torch
from torch.distributions import Beta

from mml_lib.config.training_options import Mixing


class BatchMixing:
    """MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019) of each batch with itself, rolled by one sample.

    All samples of a batch share one draw. Targets are soft even in batches that are not mixed, so that class weights
    have the same effect in all batches.

    Args:
        config: kind and strength of mixing.
        classes: number of classes.
    """

    def __init__(self, config: Mixing, classes: int):
        self.config = config
        self.classes = classes

    @torch.no_grad()
    def __call__(
        self, images: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return mixed images, N×C×H×W, probabilities, N×classes, and weights of samples, N.

        The weight of a mixed sample is the mean of its parts' weights, by their shares. The target is the mean of their
        targets, by share and weight.

        Args:
            images: images, N×C×H×W.
            targets: class indices, N, or probabilities, N×classes.
            weights: weights of the samples, N; None: equal weights.
        """
        if not targets.is_floating_point():
            targets = torch.nn.functional.one_hot(targets, self.classes).to(images.dtype)
        # Drawn on the CPU, because the branches depend on the draws, and must not wait for a GPU.
        if torch.rand(()).item() >= self.config.p:
            return images, targets, weights
        mixup, cutmix = self.config.mixup, self.config.cutmix
        if mixup is None or (cutmix is not None and torch.rand(()).item() >= 0.5):
            images, share = _paste(images, _share(cutmix))
        else:
            share = _share(mixup)
            images = images * share + images.roll(1, 0) * (1 - share)
        if weights is None:
            return images, targets * share + targets.roll(1, 0) * (1 - share), None
        parts = weights * share, weights.roll(1, 0) * (1 - share)
        total = parts[0] + parts[1]
        first = torch.where(total > 0, parts[0] / total, share)[:, None].to(targets.dtype)
        return images, targets * first + targets.roll(1, 0) * (1 - first), total


def _share(alpha: float | None) -> float:
    return Beta(alpha, alpha).sample().item()


def _paste(images: torch.Tensor, share: float) -> tuple[torch.Tensor, float]:
    """Return images with a box of the next image pasted into each, and the share of unchanged pixels."""
    height, width = images.shape[-2:]
    side = (1 - share) ** 0.5
    y, x = (torch.rand(2) * torch.tensor([height, width])).int().tolist()
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    top, bottom = max(y - half_height, 0), min(y + half_height, height)
    left, right = max(x - half_width, 0), min(x + half_width, width)
    pasted = images.clone()
    pasted[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)
