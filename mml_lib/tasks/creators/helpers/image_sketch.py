"""Sketches of the image files of data sets, by which planning finds images that are declared twice.

A sketch has the smallest checksums of the paths (a bottom-k sketch, Cohen & Kaplan 2007). Two sketches estimate how
many files the data sets have in common; the lists of files are not kept.
"""

import heapq
import os
import zlib
from collections.abc import Sequence

SIZE = 256
"""Number of checksums in a sketch; data sets of fewer images are compared exactly."""


def sketch(files: Sequence[str | os.PathLike[str]]) -> tuple[int, ...]:
    """Return the sketch of image files. Links in the path of their common folder are resolved."""
    if not files:
        return ()
    names = [os.fspath(file) for file in files]
    common = os.path.dirname(os.path.commonprefix([min(names), max(names)]))  # noqa: RUF071  (then the folder of it)
    root, start = os.fsencode(os.path.realpath(common)), len(os.fsencode(common))
    root_checksum = zlib.crc32(root)
    return tuple(heapq.nsmallest(SIZE, {zlib.crc32(os.fsencode(name)[start:], root_checksum) for name in names}))


def sketch_of_all(sketches: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the sketch of all files of several sets."""
    return tuple(heapq.nsmallest(SIZE, set().union(*sketches)))


def overlap(first: tuple[int, ...], second: tuple[int, ...]) -> float:
    """Return the estimated share of common files in the smaller of two sets (0..1)."""
    limit = min((numbers[-1] for numbers in (first, second) if len(numbers) == SIZE), default=None)
    one, two = ({number for number in numbers if limit is None or number <= limit} for numbers in (first, second))
    return len(one & two) / max(1, min(len(one), len(two)))
