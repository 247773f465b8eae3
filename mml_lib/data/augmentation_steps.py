"""Parts of an augmentation: transforms of kornia, torchvision and the user, applied to images and masks.

Masks contain class numbers plus 1, so that the 0 with which geometric transforms fill is not a class.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before kornia)
import torch
from kornia import augmentation as kornia
from kornia.augmentation.auto.base import PolicyAugmentBase
from kornia.augmentation.base import _BasicAugmentationBase
from kornia.augmentation.container.base import ImageSequentialBase
from kornia.constants import DataKey, Resample
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from mml_lib.config.factories import TARGET, instantiate
from mml_lib.errors import MMLError

Pair = tuple[torch.Tensor, torch.Tensor]

OF_VOLUMES = (kornia.AugmentationBase3D, kornia.VideoSequential)
DRAWN_ONCE = (PolicyAugmentBase, ImageSequentialBase, kornia.RandomJigsaw)
"""Parts of kornia that draw some of their parameters once for all samples of a batch."""


class Step(ABC):
    """One transform of an augmentation. Unless it draws separately for each sample, it is applied to single samples.

    Args:
        module: the transform.
        name: `_target_` of the transform, for messages.
    """

    remedy = "leave it out"
    whole_batch = False

    def __init__(self, module: nn.Module, name: str):
        self.module = module
        self.name = name

    def problem(self, masks: bool) -> str | None:
        """Return the reason why the transform cannot be applied to images (with masks); None if it can."""
        return None

    def images(self, images: torch.Tensor) -> torch.Tensor:
        """Return transformed images, N×C×H×W."""
        if self.whole_batch:
            return self._change(images)
        return torch.cat([self._change(image) for image in images.split(1)])

    def pairs(self, images: torch.Tensor, masks: torch.Tensor) -> Pair:
        """Return transformed images, N×C×H×W, and masks, N×H×W (int64)."""
        if self.whole_batch:
            return self._change_pairs(images, masks)
        changed, changed_masks = zip(*map(self._change_pairs, images.split(1), masks.split(1)), strict=True)
        return torch.cat(changed), torch.cat(changed_masks)

    def _change(self, images: torch.Tensor) -> torch.Tensor:
        return self.module(images)

    @abstractmethod
    def _change_pairs(self, images: torch.Tensor, masks: torch.Tensor) -> Pair:
        """Return transformed images and masks."""


class KorniaStep(Step):
    """A transform of kornia. Most of them draw separately for each sample."""

    def __init__(self, module: nn.Module, name: str):
        super().__init__(module, name)
        nearest: dict[str, Any] = {"resample": Resample.NEAREST, "align_corners": None}
        # By default, kornia fills masks with the grey level of images.
        nearest |= {key: 0.0 for key in ("fill", "fill_value") if getattr(module, "flags", {}).get(key) is not None}
        if "fill_value" in nearest:
            nearest["fill_value"] = torch.zeros(())
        self.paired = kornia.AugmentationSequential(
            module, data_keys=["input", "mask"], extra_args={DataKey.MASK: nearest}
        )
        self.whole_batch = not any(
            isinstance(part, DRAWN_ONCE) or getattr(part, "same_on_batch", None) for part in module.modules()
        )

    def problem(self, masks: bool) -> str | None:
        for part in self.module.modules():
            if isinstance(part, OF_VOLUMES):
                return "is for volumes and videos"
            if isinstance(part, kornia.MixAugmentationBaseV2) and not isinstance(part, kornia.RandomJigsaw):
                return "mixes images and leaves their targets as they are (see mixing)"
        return None

    def _change_pairs(self, images: torch.Tensor, masks: torch.Tensor) -> Pair:
        try:
            images, changed_masks = self.paired(images, masks.unsqueeze(1).to(images.dtype))
        except NotImplementedError as error:
            raise MMLError(f"augmentations.transforms: {self.name} cannot transform masks; {self.remedy}") from error
        return images, changed_masks.squeeze(1).round().long()


class TorchvisionStep(Step):
    """A transform of torchvision's v2, which receives an image and its mask as `tv_tensors`."""

    def __init__(self, module: nn.Module, name: str):
        super().__init__(module, name)
        for part in module.modules():
            if isinstance(fills := getattr(part, "_fill", None), Mapping):
                part._fill = {**fills, tv_tensors.Mask: 0}

    def problem(self, masks: bool) -> str | None:
        if any(isinstance(part, v2.MixUp | v2.CutMix) for part in self.module.modules()):
            return "mixes images and leaves their targets as they are (see mixing)"
        if masks and any(isinstance(part, v2.LinearTransformation | v2.Lambda) for part in self.module.modules()):
            return "cannot transform masks"
        return None

    def _change(self, images: torch.Tensor) -> torch.Tensor:
        return self.module(tv_tensors.Image(images[0])).as_subclass(torch.Tensor)[None]

    def _change_pairs(self, images: torch.Tensor, masks: torch.Tensor) -> Pair:
        image, mask = self.module(tv_tensors.Image(images[0]), tv_tensors.Mask(masks[0]))
        return image.as_subclass(torch.Tensor)[None], mask.as_subclass(torch.Tensor)[None]


class OwnStep(Step):
    """Any other module.

    It receives single samples, 1×C×H×W, unless it draws separately for each sample (attribute `whole_batch = True`).
    For a segmentation, its forward must take `masks`, too, or it must not change geometry (`photometric = True`).
    """

    remedy = (
        "name a transform of torchvision.transforms.v2 or kornia.augmentation, or let forward take (images, masks) and "
        "return both, or set photometric = True if it does not change geometry"
    )

    def __init__(self, module: nn.Module, name: str):
        super().__init__(module, name)
        self.takes_masks = "masks" in inspect.signature(module.forward).parameters
        self.whole_batch = bool(getattr(module, "whole_batch", False))
        if type(module).__module__ == "torchvision.transforms.transforms":  # version 1 does not support masks
            self.remedy = f"name torchvision.transforms.v2.{type(module).__name__}, which can, or leave it out"

    def problem(self, masks: bool) -> str | None:
        if not masks or self.takes_masks or getattr(self.module, "photometric", False) is True:
            return None
        return "cannot transform masks"

    def _change(self, images: torch.Tensor) -> torch.Tensor:
        if not self.takes_masks:
            return self.module(images)
        return self.module(images, images.new_ones((len(images), *images.shape[-2:]), dtype=torch.int64))[0]

    def _change_pairs(self, images: torch.Tensor, masks: torch.Tensor) -> Pair:
        return self.module(images, masks) if self.takes_masks else (self._change(images), masks)


def build_step(spec: Mapping[str, Any], masks: bool) -> Step:
    """Return a transform of an augmentation.

    Args:
        spec: `_target_` and its arguments.
        masks: True if masks are transformed, too.

    Raises:
        MMLError: the transform cannot be built, or cannot be applied to images, or to masks.
    """
    name = spec[TARGET]
    try:
        module = instantiate(spec, nn.Module)
    except MMLError as error:
        raise MMLError(f"augmentations.transforms: {error}") from error
    except Exception as error:  # some need other packages, or files
        reason = " ".join(str(error).split())
        raise MMLError(f"augmentations.transforms: {name} cannot be built ({reason}); leave it out") from error
    if not isinstance(module, nn.Module):
        kind = type(module).__name__
        raise MMLError(
            f"augmentations.transforms: {name} is a {kind}, not a torch.nn.Module; name a class of modules, or a "
            "function that returns one"
        )
    step = _kind(module)(module, name)
    if problem := step.problem(masks):
        raise MMLError(f"augmentations.transforms: {name} {problem}; {step.remedy}")
    return step


def _kind(module: nn.Module) -> type[Step]:
    if isinstance(module, _BasicAugmentationBase | ImageSequentialBase):
        return KorniaStep
    return TorchvisionStep if isinstance(module, v2.Transform) else OwnStep
