"""Augmentation: random changes of whole batches on the training device."""

import torch
from torch import nn

from mml_lib.config.schema import Augmentations
from mml_lib.config.targets import instantiate


class Augmentation(nn.Module):
    """The transforms of a pipeline in their order; every sample of a batch gets its own randomness.

    Args:
        config: kornia augmentations or modules on N×3×H×W floats in 0..1.
    """

    def __init__(self, config: Augmentations):
        super().__init__()
        self.transforms = nn.ModuleList(instantiate(transform.spec()) for transform in config.transforms)

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return changed images: N×3×H×W floats in 0..1, as they come."""
        for transform in self.transforms:
            images = transform(images)
        return images.clamp(0, 1) if len(self.transforms) else images
