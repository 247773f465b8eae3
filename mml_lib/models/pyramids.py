"""Feature maps of backbones in several resolutions, as decoders of segmentations take them.

The user's own backbone provides them by an attribute `pyramid_channels`, the channels of the image and of its maps at
reductions 2, 4, 8 …, and by a method `pyramid(images)` that returns these; those of timm have them by `feature_info`
and `forward_intermediates`.
"""

from dataclasses import dataclass

import torch
from torch import nn

from mml_lib.errors import MMLError

LEVELS = (2, 4, 8, 16, 32)
"""Reductions of the feature maps that a decoder takes, besides the image itself."""


@dataclass(frozen=True)
class Pyramid:
    """The image and maps at reductions 2, 4, 8 …; a level that a backbone lacks is a map without channels.

    Args:
        channels: of each level.
        reductions: of each level.
        own: whether the backbone gives its pyramid itself.
    """

    channels: list[int]
    reductions: list[int]
    own: bool
    multiple: int = LEVELS[-1]

    @classmethod
    def of(cls, backbone: nn.Module, depth: int, stride: int, image_channels: int = 3) -> "Pyramid":
        """Return the pyramid of a backbone.

        Args:
            backbone: of timm, or with a pyramid of its own.
            depth: levels to take besides the image, at most.
            stride: the largest reduction; where it is less than 32, the last levels share it.
            image_channels: of the images, unless the backbone states them in a pyramid of its own.

        Raises:
            MMLError: the backbone gives no maps, or all of one size.
        """
        if own := getattr(backbone, "pyramid_channels", None):
            reductions = [min(2**level, stride) for level in range(len(own))]
            return cls(list(own)[: depth + 1], reductions[: depth + 1], own=True)
        levels_of_backbone = [(info["reduction"], info["num_chs"]) for info in getattr(backbone, "feature_info", ())]
        levels_of_backbone = [level for level in levels_of_backbone if level[0] in LEVELS]
        if len(dict(levels_of_backbone)) < 2 or not hasattr(backbone, "forward_intermediates"):
            raise MMLError(
                "arch: this backbone has no feature maps of several sizes, which this decoder needs; choose a "
                "convolutional or a hierarchical network (resnet…, efficientnet…, convnext…, swin…), or decoder: dpt"
            )
        last = max(dict(levels_of_backbone))
        levels = [(reduction, dict(levels_of_backbone).get(reduction, 0)) for reduction in LEVELS if reduction < last]
        ends = [level for level in levels_of_backbone if level[0] == last]
        levels += ends if stride < LEVELS[-1] else ends[-1:]
        reductions = [1, *(reduction for reduction, _ in levels)]
        channels = [image_channels, *(width for _, width in levels)]
        return cls(channels[: depth + 1], reductions[: depth + 1], own=False)

    def maps(self, backbone: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
        """Return image and maps of normalised images, N×C×H×W with sides that the reductions divide."""
        if self.own:
            return backbone.pyramid(images)[: len(self.channels)]
        feature_maps = backbone.forward_intermediates(images, intermediates_only=True)
        side = images.shape[-1]
        by_reduction: dict[int, list[torch.Tensor]] = {}
        for place, feature_map in enumerate(feature_maps):
            # A graph for images of any size is traced with sides that are symbols.
            is_number = isinstance(side, int)
            reduction = side // feature_map.shape[-1] if is_number else backbone.feature_info[place]["reduction"]
            by_reduction.setdefault(reduction, []).append(feature_map)
        maps, left = [images], {reduction: self.reductions.count(reduction) for reduction in self.reductions}
        for reduction, channels in zip(self.reductions[1:], self.channels[1:], strict=True):
            if channels:
                maps.append(by_reduction[reduction][-left[reduction]])
                left[reduction] -= 1
            else:
                maps.append(images.new_empty((images.shape[0], 0, images.shape[-2] // reduction, side // reduction)))
        return maps

    def examples(self) -> list[torch.Tensor]:
        sides = [4 * LEVELS[-1] // reduction for reduction in self.reductions]
        return [torch.zeros(1, count, side, side) for count, side in zip(self.channels, sides, strict=True)]
