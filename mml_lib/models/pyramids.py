"""Feature maps of backbones at several resolutions, for decoders of segmentations.

The user's own backbone needs an attribute `pyramid_channels`, the channels of the image and of its maps at reductions
2, 4, 8 …, and a method `pyramid(images)` that returns the image and these maps. Backbones of timm have `feature_info`
and `forward_intermediates`.
"""

from dataclasses import dataclass

import torch
from torch import nn

from mml_lib.errors import MMLError

LEVELS = (2, 4, 8, 16, 32)
"""Reductions of the feature maps for a decoder, besides the image."""


@dataclass(frozen=True)
class Pyramid:
    """The image and maps at reductions 2, 4, 8 …. Levels that a backbone lacks are maps without channels.

    Args:
        channels: number of channels of each level.
        reductions: reduction of each level.
        own: True if the backbone has a method `pyramid`.
        multiple: number that sides of images must be multiples of.
    """

    channels: list[int]
    reductions: list[int]
    own: bool
    multiple: int = LEVELS[-1]

    @classmethod
    def of(cls, backbone: nn.Module, depth: int, stride: int, image_channels: int = 3) -> "Pyramid":
        """Return the pyramid of a backbone.

        Args:
            backbone: backbone of timm, or with a method `pyramid`.
            depth: largest number of levels besides the image.
            stride: largest reduction. If it is below 32, several last levels have it.
            image_channels: number of channels of the images, for backbones of timm.

        Raises:
            MMLError: the backbone has no maps, or maps of one size only.
        """
        if own := getattr(backbone, "pyramid_channels", None):
            reductions = [min(2**level, stride) for level in range(len(own))]
            return cls(list(own)[: depth + 1], reductions[: depth + 1], own=True)
        backbone_levels = [(info["reduction"], info["num_chs"]) for info in getattr(backbone, "feature_info", ())]
        backbone_levels = [level for level in backbone_levels if level[0] in LEVELS]
        if len(dict(backbone_levels)) < 2 or not hasattr(backbone, "forward_intermediates"):
            raise MMLError(
                "arch: this backbone has no feature maps of several sizes, which this decoder needs; choose a "
                "convolutional or a hierarchical network (resnet…, efficientnet…, convnext…, swin…), or decoder: dpt"
            )
        last = max(dict(backbone_levels))
        levels = [(reduction, dict(backbone_levels).get(reduction, 0)) for reduction in LEVELS if reduction < last]
        ends = [level for level in backbone_levels if level[0] == last]
        levels += ends if stride < LEVELS[-1] else ends[-1:]
        reductions = [1, *(reduction for reduction, _ in levels)]
        channels = [image_channels, *(width for _, width in levels)]
        return cls(channels[: depth + 1], reductions[: depth + 1], own=False)

    def maps(self, backbone: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
        """Return images and their maps for normalised images, N×C×H×W. The reductions must divide H and W."""
        if self.own:
            return backbone.pyramid(images)[: len(self.channels)]
        feature_maps = backbone.forward_intermediates(images, intermediates_only=True)
        side = images.shape[-1]
        by_reduction: dict[int, list[torch.Tensor]] = {}
        for place, feature_map in enumerate(feature_maps):
            # Tracing a graph for images of any size uses symbols as sides.
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
        """Return an image and maps of zeros."""
        sides = [4 * LEVELS[-1] // reduction for reduction in self.reductions]
        return [torch.zeros(1, count, side, side) for count, side in zip(self.channels, sides, strict=True)]
