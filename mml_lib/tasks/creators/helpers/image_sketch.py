"""Sketches of the image files of data sets, by which planning finds images that are declared twice.

A sketch has the smallest checksums of the paths (a bottom-k sketch, Cohen & Kaplan 2007). Two sketches estimate how
many files the data sets have in common; the lists of files are not kept.
"""

import heapq
import os
import zlib
from collections.abc import Iterable, Sequence

SIZE = 256
"""Number of checksums in a sketch; data sets of fewer images are compared exactly."""


def sketch(files: Iterable[str]) -> tuple[int, ...]:
    """Return the sketch of image files; links in the names of their folders are followed."""
    folders: dict[str, str] = {}
    checksums = set()
    for file in files:
        folder, name = os.path.split(file)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        checksums.add(zlib.crc32(os.path.join(folders[folder], name).encode(errors="surrogateescape")))
    return tuple(heapq.nsmallest(SIZE, checksums))


def sketch_of_all(sketches: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the sketch of all files of several sets."""
    return tuple(heapq.nsmallest(SIZE, set().union(*sketches)))


def overlap(first: tuple[int, ...], second: tuple[int, ...]) -> float:
    """Return the estimated share of common files in the smaller of two sets, 0 … 1."""
    limit = min((numbers[-1] for numbers in (first, second) if len(numbers) == SIZE), default=None)
    ours, theirs = ({n for n in numbers if limit is None or n <= limit} for numbers in (first, second))
    return len(ours & theirs) / max(1, min(len(ours), len(theirs)))
