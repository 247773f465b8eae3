"""The pixel format of a data set: type and channels of its packed images, the range of values, and how image files
become it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mml_lib.config.image_options import Depth

FULL_SCALE: dict[str, float] = {"uint8": 255.0, "uint16": 65535.0, "float16": 1.0, "float32": 1.0}
"""The number that stands for 1.0, by type."""

GREY = ("grey",)
RGB = ("red", "green", "blue")

FEWEST_DIGITS, MOST_DIGITS = 6, 17
"""Digits that values are printed with, and those that tell all floating-point numbers apart."""


@dataclass(frozen=True)
class ValueRange:
    """The values of a data set's images that become black and white; the values between are mapped linearly.

    Images of 8 bits keep their values.

    Args:
        low: value that becomes 0, as are all below it.
        high: value that becomes 255, as are all above it.
        source: where the range comes from: `measured`, `stated`, `percentiles`, `depth` where images of 8 bits are
            among them, `files` where all files state the same window, or `own` where each file states its own.
    """

    low: float
    high: float
    source: str = "measured"

    @property
    def is_own(self) -> bool:
        """True if each image is mapped by the window that its own file states."""
        return self.source == "own"

    def __str__(self) -> str:
        digits = _digits(self.low, self.high)
        return " … ".join(
            str(end) if isinstance(end, int) and digits > FEWEST_DIGITS else f"{end:.{digits}g}"
            for end in (self.low, self.high)
        )


def _digits(low: float, high: float) -> int:
    """Return the digits of two values that show how far they lie apart."""
    if low == high:
        return FEWEST_DIGITS
    size, span = max(abs(low), abs(high)), abs(high - low)
    return int(min(MOST_DIGITS, max(FEWEST_DIGITS, math.log10(size) - math.log10(span) + 4)))


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


@dataclass(frozen=True)
class Conversion:
    """Conversion of image files to pixels.

    Args:
        pixels: format of the pixels.
        value_range: values that become 0 and the full scale; None where all images have 8 bits.
        picked: numbers of the channels of files that are kept; None: grey, RGB, or a channel for each window.
        windows: range of values of each channel, where windows make the channels of grey images, or channels are named.
        stacks_frames: the frames of a file are its channels.
    """

    pixels: PixelFormat = field(default_factory=PixelFormat)
    value_range: ValueRange | None = None
    picked: tuple[int, ...] | None = None
    windows: tuple[ValueRange, ...] = ()
    stacks_frames: bool = False

    @property
    def uses_own_window(self) -> bool:
        """True if each image is mapped by the window that its own file states."""
        return self.value_range is not None and self.value_range.is_own

    @property
    def reading(self) -> dict[str, bool]:
        """Options for readers."""
        return {
            "own_window": self.uses_own_window,
            "all_channels": self.picked is not None,
            "stacks_frames": self.stacks_frames,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the conversion as keys of a manifest."""
        return {key: value for key, value in asdict(self).items() if key in ("pixels", "value_range")} | {
            "channel_source": {
                "picked": self.picked,
                "windows": [asdict(window) for window in self.windows],
                "stacks_frames": self.stacks_frames,
            }
        }

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> "Conversion":
        """Return the conversion of a manifest; older ones have 8-bit RGB.

        Raises:
            KeyError, TypeError: the content is none.
        """
        value_range = content["value_range"] and ValueRange(**content["value_range"])
        if "pixels" not in content:
            return cls(value_range=value_range)
        pixels, source = content["pixels"], content["channel_source"]
        return cls(
            PixelFormat(pixels["depth"], tuple(pixels["channels"])),
            value_range,
            None if source["picked"] is None else tuple(source["picked"]),
            tuple(ValueRange(**window) for window in source["windows"]),
            source["stacks_frames"],
        )
