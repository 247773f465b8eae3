"""Mixing: images of a batch mixed with each other on the training device, and their targets alike."""

import torch
from torch.distributions import Beta

from mml_lib.config.training_options import Mixing


class BatchMixing:
    """MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019) of each batch with itself, moved on by one.

    All samples of a batch share one draw. Targets are soft in every batch, mixed or not, so that class weights count
    alike in all.

    Args:
        config: which, and how strong.
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

        A mixed sample counts as much as its parts; each part has the share of its target that its weight gives it.

        Args:
            images: N×C×H×W.
            targets: class indices N, or probabilities N×classes.
            weights: of the samples, N; None: all count alike.
        """
        if not targets.is_floating_point():
            targets = torch.nn.functional.one_hot(targets, self.classes).to(images.dtype)
        # Drawn on the CPU: what is drawn steers the code, and must not wait for a GPU.
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
        whole = parts[0] + parts[1]
        own = torch.where(whole > 0, parts[0] / whole, share)[:, None].to(targets.dtype)
        return images, targets * own + targets.roll(1, 0) * (1 - own), whole


def _share(alpha: float | None) -> float:
    return Beta(alpha, alpha).sample().item()


def _paste(images: torch.Tensor, share: float) -> tuple[torch.Tensor, float]:
    """Paste a box of the next image into each; return them with the share of pixels that are their own."""
    height, width = images.shape[-2:]
    side = (1 - share) ** 0.5
    y, x = (torch.rand(2) * torch.tensor([height, width])).int().tolist()
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    top, bottom = max(y - half_height, 0), min(y + half_height, height)
    left, right = max(x - half_width, 0), min(x + half_width, width)
    pasted = images.clone()
    pasted[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)
