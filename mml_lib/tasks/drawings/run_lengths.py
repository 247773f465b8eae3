"""Run lengths: pixels of a mask as runs, in the form of Kaggle's competitions and in that of COCO."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PAIRS = re.compile(r"\d+ +\d+( +\d+ +\d+)*")
"""Starts and lengths of runs, separated by spaces."""
DIGITS = 12
"""Most digits of the number of a pixel."""


@dataclass(frozen=True)
class RunLengths:
    """Runs as pairs of start and length, `1 3 10 5`; the first pixel has the number 1.

    Args:
        text: the pairs.
        by_rows: pixels are numbered from left to right, then down; otherwise from top to bottom, then to the right.
    """

    text: str
    by_rows: bool = False

    @classmethod
    def of_relative(cls, text: str, by_rows: bool = False) -> "RunLengths":
        """Return the runs of pairs whose starts count from the end of the run before, of the first from 0.

        Example:
            >>> RunLengths.of_relative("0 3 6 5")
            RunLengths(text='1 3 10 5', by_rows=False)

        Raises:
            ValueError: the text has no pairs.
        """
        cls(text).check()
        numbers = np.array(text.split(), dtype=np.int64)
        numbers[::2] = np.cumsum(numbers)[::2] + 1
        return cls(" ".join(map(str, numbers.tolist())), by_rows)

    def check(self) -> None:
        """Refuse a text that has no pairs.

        Raises:
            ValueError: the reason.
        """
        if PAIRS.fullmatch(self.text.strip()) is None:
            text = self.text if len(self.text) <= 30 else f"{self.text[:30]}…"
            raise ValueError(f"'{text}' holds no run lengths, which are pairs of start and length: '1 3 10 5'")
        largest = max(self.text.split(), key=lambda number: len(number.lstrip("0")))
        if len(largest.lstrip("0")) > DIGITS:
            raise ValueError(f"the run lengths have the number {largest[:30]}, and no image has so many pixels")

    def draw(self, mask: np.ndarray, value: int) -> bool:
        """Set the pixels of a mask (uint8 H×W, column by column in memory) that the runs cover, True if there are any.

        Raises:
            ValueError: a run lies beyond the mask.
        """
        self.check()
        numbers = np.array(self.text.split(), dtype=np.int64)
        starts, ends = numbers[::2] - 1, numbers[::2] - 1 + numbers[1::2]
        if starts.min() < 0:
            raise ValueError(
                "the run lengths begin at pixel 0, and the first pixel has the number 1; if starts count from the end "
                "of the run before, write rle: {column: …, starts: relative}"
            )
        if ends.max() > mask.size:
            height, width = mask.shape
            raise ValueError(
                f"the run lengths reach pixel {ends.max():,}, but the image of {height}×{width} pixels has "
                f"{mask.size:,}: they were made for another size"
            )
        if self.by_rows:
            covered = _covered(starts, ends, mask.shape)
            mask[covered] = value
            return bool(covered.any())
        return fill_runs(mask, starts, ends, value)


def _covered(starts: np.ndarray, ends: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels of runs row by row, bool H×W."""
    covered = np.zeros(shape, bool)
    fill_runs(covered.T, starts, ends, True)
    return covered


def fill_runs(mask: np.ndarray, starts: np.ndarray, ends: np.ndarray, value: int) -> bool:
    """Set runs of pixels of a mask (H×W, column by column in memory), numbered from 0 down its columns.

    Returns:
        True if they cover a pixel.
    """
    flat = mask.T.reshape(-1)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        flat[start:end] = value
    return bool((starts < np.minimum(ends, mask.size)).any())


@dataclass(frozen=True)
class CocoRuns:
    """Runs of a COCO file: lengths of alternately uncovered and covered pixels, down the columns.

    Args:
        size: height and width of the image.
        counts: the lengths, or the text that pycocotools compresses them to.
    """

    size: tuple[int, int]
    counts: str | Sequence[int]

    def check(self) -> None:
        """Refuse lengths that are not those of the size.

        Raises:
            ValueError: the reason.
        """
        height, width = self.size
        lengths = self.lengths
        if min(lengths, default=0) < 0 or sum(lengths) != height * width:
            raise ValueError(f"the run lengths have {sum(lengths):,} pixels, not the {height * width:,} of their size")

    @property
    def lengths(self) -> list[int]:
        """The lengths, decompressed.

        Raises:
            ValueError: the text is no compressed form of lengths.
        """
        return decompress(self.counts) if isinstance(self.counts, str) else [int(count) for count in self.counts]

    def draw(self, mask: np.ndarray, value: int) -> bool:
        """Set the pixels of a mask (uint8 H×W, column by column in memory) that the runs cover, True if there are any.

        Raises:
            ValueError: the mask has another size.
        """
        if mask.shape != tuple(self.size):
            (height, width), (rows, columns) = self.size, mask.shape
            raise ValueError(f"the run lengths are of {height}×{width} pixels, the image has {rows}×{columns}")
        self.check()
        ends = np.cumsum(self.lengths, dtype=np.int64)
        covered = ends[1::2]
        return fill_runs(mask, ends[::2][: len(covered)], covered, value)


def decompress(text: str) -> list[int]:
    """Return the lengths of a compressed text, as `rleFrString` of pycocotools does.

    A character carries five bits of a number, its sixth bit says that more follow; from the fourth number on, the
    difference to the last but one is stored.

    Raises:
        ValueError: the text has other characters, or ends within a number.
    """
    lengths: list[int] = []
    number = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise ValueError(f"the compressed run lengths have the character {character!r}")
        number |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            number -= 1 << shift
        lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError("the compressed run lengths end within a number")
    return lengths
