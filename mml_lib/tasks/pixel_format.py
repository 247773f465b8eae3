"""The pixel format of a data set: type, channels and value range of its packed images, and the conversion of files."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mml_lib.config.image_options import Depth

FULL_SCALE: dict[str, float] = {"uint8": 255.0, "uint16": 65535.0, "float16": 1.0, "float32": 1.0}
"""Stored number that represents 1.0, by type."""

GREY = ("grey",)
RGB = ("red", "green", "blue")

FEWEST_DIGITS, MOST_DIGITS = 6, 17
"""Significant digits of printed values: the default, and the number that distinguishes all floats."""


@dataclass(frozen=True)
class ValueRange:
    """The values of a data set's images that become black and white. Values between are mapped linearly.

    Images of 8 bits keep their values.

    Args:
        low: value that becomes 0, like all values below it.
        high: value that becomes full scale, like all values above it.
        source: origin of the range: `measured`, `stated`, `percentiles`, `depth` (some images have 8 bits), `files`
            (all files state the same window), or `own` (each file states its own window).
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
    """Return the number of digits at which two values and their difference can be read."""
    if low == high:
        return FEWEST_DIGITS
    size, span = max(abs(low), abs(high)), abs(high - low)
    return int(min(MOST_DIGITS, max(FEWEST_DIGITS, math.log10(size) - math.log10(span) + 4)))


@dataclass(frozen=True)
class PixelFormat:
    """Type and channels of packed images, N×H×W×C.

    Args:
        depth: type of the numbers, which range from 0 to `full_scale`.
        channels: names of the channels, C.
    """

    depth: Depth = "uint8"
    channels: tuple[str, ...] = RGB

    @property
    def full_scale(self) -> float:
        """Stored number that represents 1.0."""
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
        value_range: values that become 0 and the full scale; None if all images have 8 bits.
        picked: indices of the files' channels to keep; None: grey, RGB, or a channel for each window.
        windows: value range of each channel, if windows make channels of grey images or channels are named.
        stacks_frames: True if the frames of a file are its channels.
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
        """Return the conversion in a manifest. Older manifests have 8-bit RGB.

        Raises:
            KeyError, TypeError: a key is missing, or its value has the wrong type.
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
