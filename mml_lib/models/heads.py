"""Heads: from what a backbone sees to what a task asks for."""

from collections.abc import Mapping, Sequence
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import torch
from torch import nn

from mml_lib.config.targets import instantiate
from mml_lib.errors import MMLError

LEVELS = (2, 4, 8, 16, 32)
"""Reductions of the feature maps that a decoder takes, besides the image itself."""


class LinearHead(nn.Linear):
    """Logits, N×outputs, of pooled features N×features."""

    maps = False


class ValueHead(nn.Module):
    """One value a sample, in the unit of the targets: a linear layer learns the standardised value.

    Args:
        features: of the backbone.
        mean, std: of the training targets; no buffers, for training in half precision would round them.
    """

    maps = False

    def __init__(self, features: int, mean: float, std: float):
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.mean = mean
        self.std = std

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return values, N×1, in single precision at least: a year or a weight in grams is more than half can hold."""
        values = self.linear(features)
        return values.to(torch.promote_types(values.dtype, torch.float32)) * self.std + self.mean

    def standardise(self, values: torch.Tensor) -> torch.Tensor:
        """Return values with the training targets' mean 0 and deviation 1."""
        return (values - self.mean) / self.std


class MaskHead(nn.Module):
    """Logits of each pixel, N×classes×H×W, by a decoder over the backbone's feature maps.

    Args:
        backbone: a timm network.
        classes: number of classes.
        decoder: spec of a decoder of segmentation_models_pytorch; it is given `encoder_channels`.

    Raises:
        MMLError: the backbone has no pyramid of feature maps, or the decoder does not fit it.
    """

    maps = True

    def __init__(self, backbone: nn.Module, classes: int, decoder: Mapping[str, Any]):
        from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head

        super().__init__()
        channels = pyramid(backbone)
        self.levels = len(channels) - 1
        widths = decoder.get("decoder_channels")
        if not isinstance(widths, list) or len(widths) != self.levels or not all(width > 0 for width in widths):
            raise MMLError(
                f"decoder.decoder_channels is {widths}; this backbone has {self.levels} levels, name a width for each"
            )
        try:
            self.decoder = instantiate(decoder, nn.Module, encoder_channels=channels, n_blocks=self.levels)
        except MMLError as error:
            raise MMLError(f"decoder: {error}") from error
        self.classifier = nn.Conv2d(widths[-1], classes, kernel_size=3, padding=1)
        initialize_decoder(self.decoder)
        initialize_head(self.classifier)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return logits in the resolution of the first map, which is the image."""
        return self.classifier(self.decoder(list(maps)))


def pyramid(backbone: nn.Module) -> list[int]:
    """Return the channels of image and feature maps at reductions 2, 4, 8 …; 0 where the backbone has none.

    Raises:
        MMLError: the backbone gives no maps, or all of one size.
    """
    found = {info["reduction"]: info["num_chs"] for info in getattr(backbone, "feature_info", ())}
    known = [reduction for reduction in LEVELS if reduction in found]
    if len(known) < 2 or not hasattr(backbone, "forward_intermediates"):
        raise MMLError(
            "arch: this backbone has no feature maps of several sizes, which segmentation needs; "
            "choose a convolutional or a hierarchical network (resnet…, efficientnet…, convnext…, swin…)"
        )
    return [3, *(found.get(reduction, 0) for reduction in LEVELS[: LEVELS.index(known[-1]) + 1])]


def feature_maps(backbone: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """Return the image and the feature maps that `pyramid` tells of; a missing level is a map without channels.

    Args:
        backbone: a timm network.
        images: normalised, N×3×H×W with sides that the reductions divide.
    """
    found = backbone.forward_intermediates(images, intermediates_only=True)
    side = images.shape[-1]
    by_reduction = {side // each.shape[-1]: each for each in found}
    last = max(reduction for reduction in by_reduction if reduction in LEVELS)
    maps = [images]
    for reduction in LEVELS[: LEVELS.index(last) + 1]:
        if reduction in by_reduction:
            maps.append(by_reduction[reduction])
        else:
            shape = (len(images), 0, images.shape[-2] // reduction, side // reduction)
            maps.append(images.new_empty(shape))
    return maps
