"""The range of values that the images of a data set use, where they have more than 8 bits."""

from dataclasses import dataclass


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
        return f"{self.low:g} … {self.high:g}"
