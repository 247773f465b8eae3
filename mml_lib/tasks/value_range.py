"""The range of values that the images of a data set use, where they have more than 8 bits."""

import math
from dataclasses import dataclass

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
