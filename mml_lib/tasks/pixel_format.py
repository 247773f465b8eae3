"""The pixel format of a data set: the type and the channels of its packed images."""

from dataclasses import dataclass
from typing import Literal

Depth = Literal["uint8", "uint16", "float16", "float32"]

FULL_SCALE: dict[str, float] = {"uint8": 255.0, "uint16": 65535.0, "float16": 1.0, "float32": 1.0}
"""The number that stands for 1.0, by type."""

GREY = ("grey",)
RGB = ("red", "green", "blue")


@dataclass(frozen=True)
class PixelFormat:
    """Type and channels of packed images, N×H×W×C.

    Args:
        depth: type of the numbers, which run from 0 to `full_scale`.
        channels: names of the channels, C.
    """

    depth: Depth = "uint8"
    channels: tuple[str, ...] = RGB

    @property
    def full_scale(self) -> float:
        """Number that stands for 1.0."""
        return FULL_SCALE[self.depth]

    @property
    def is_colour(self) -> bool:
        """True if the channels are red, green and blue."""
        return self.channels == RGB

    def __str__(self) -> str:
        return f"{self.depth}, {', '.join(self.channels)}"
