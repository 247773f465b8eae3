"""Augmentation: random changes of whole batches on the training device."""

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before kornia)
import torch
from kornia.augmentation import AugmentationSequential
from kornia.constants import DataKey, Resample
from torch import nn

from mml_lib.config.targets import instantiate
from mml_lib.config.task_types import IGNORE
from mml_lib.config.training import Augmentations
from mml_lib.errors import MMLError


class Augmentation(nn.Module):
    """The transforms of a pipeline in their order; every sample of a batch gets its own randomness.

    Args:
        config: kornia augmentations or modules on N×3×H×W floats in 0..1.
    """

    def __init__(self, config: Augmentations):
        super().__init__()
        self.transforms = nn.ModuleList(instantiate(transform.spec(), nn.Module) for transform in config.transforms)
        nearest = {DataKey.MASK: {"resample": Resample.NEAREST, "align_corners": None}}
        # Not registered a second time: it holds the same modules.
        self.paired = [AugmentationSequential(*self.transforms, data_keys=["input", "mask"], extra_args=nearest)]

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return changed images: N×3×H×W floats in 0..1, as they come."""
        for transform in self.transforms:
            images = transform(images)
        return images.clamp(0, 1) if len(self.transforms) else images

    @torch.no_grad()
    def with_masks(self, images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return changed images with masks (int64, N×H×W) moved alike; what came in is ignored.

        Modules that are no augmentations of kornia change images only.

        Raises:
            MMLError: one of the transforms cannot move masks.
        """
        if not len(self.transforms):
            return images, masks
        # Geometry fills up with 0, which must be no class meanwhile.
        shifted = (masks + 1).unsqueeze(1).to(images.dtype)
        try:
            images, shifted = self.paired[0](images, shifted)
        except NotImplementedError as error:
            names = ", ".join(type(transform).__name__ for transform in self.transforms)
            raise MMLError(f"augmentations.transforms: one of {names} cannot move masks; leave it out") from error
        shifted = shifted.squeeze(1).round().long()
        return images.clamp(0, 1), torch.where(shifted == 0, IGNORE, shifted - 1)
