"""Feature maps of vision transformers, all of one size, and their prefix tokens, for the decoder DPT."""

from dataclasses import dataclass

import torch
from torch import nn

from mml_lib.errors import MMLError

Tokens = tuple[list[torch.Tensor], list[torch.Tensor | None]]


@dataclass(frozen=True)
class TokenMaps:
    """Maps and prefix tokens of some blocks of a vision transformer, at equal intervals.

    Args:
        channels: number of channels of each map.
        reductions: reduction of each map.
        blocks: indices of the blocks.
        prefix: number of prefix tokens.
    """

    channels: list[int]
    reductions: list[int]
    blocks: list[int]
    prefix: int

    @classmethod
    def of(cls, backbone: nn.Module, depth: int) -> "TokenMaps":
        """Return the maps of `depth` blocks of a backbone.

        Raises:
            MMLError: the backbone has no blocks with maps of one size, or too few.
        """
        info = list(getattr(backbone, "feature_info", ()))
        one_size = len({level["reduction"] for level in info}) == 1
        if not one_size or len(info) < depth or not hasattr(backbone, "forward_intermediates"):
            raise MMLError(
                "arch: this backbone is not a vision transformer whose blocks all give maps of one size, which "
                "decoder: dpt needs; choose one (vit…, deit…, beit…), or another decoder"
            )
        blocks = [len(info) * (number + 1) // depth - 1 for number in range(depth)]
        return cls(
            [info[block]["num_chs"] for block in blocks],
            [info[block]["reduction"] for block in blocks],
            blocks,
            getattr(backbone, "num_prefix_tokens", 0),
        )

    @property
    def multiple(self) -> int:
        """Number that sides of images must be multiples of: the decoder halves the maps once."""
        return 2 * self.reductions[0]

    def maps(self, backbone: nn.Module, images: torch.Tensor) -> Tokens:
        """Return maps and prefix tokens of normalised images, N×C×H×W; None without prefix tokens."""
        if not self.prefix:
            maps = backbone.forward_intermediates(images, indices=self.blocks, intermediates_only=True)
            return list(maps), [None] * len(maps)
        pairs = backbone.forward_intermediates(
            images, indices=self.blocks, intermediates_only=True, return_prefix_tokens=True
        )
        maps, tokens = zip(*pairs, strict=True)
        return list(maps), list(tokens)

    def examples(self) -> Tokens:
        """Return maps and prefix tokens of zeros."""
        maps = [torch.zeros(1, count, 8, 8) for count in self.channels]
        tokens = [torch.zeros(1, self.prefix, count) if self.prefix else None for count in self.channels]
        return maps, tokens
