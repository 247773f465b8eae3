"""Measuring: the values of the deep images of a data set, and the one range that all of them are mapped by."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mml_lib.config.tasks import Images
from mml_lib.data.decoding import read_values
from mml_lib.errors import MMLError
from mml_lib.files.terminal import summarized, warn
from mml_lib.tasks.value_range import ValueRange

REMEDY = "state the values of black and white in the task, images: {range: [low, high]}"
BINS = 2**16
"""Bins of the histogram that percentiles are taken from: for integers of 16 bits one a value."""

GAP = 4
"""Factor between the largest values of images above which two groups of them seem to have two depths."""

FEW_LEVELS = 16
"""Images that use less than this part of the range keep less than 16 of 256 grey levels."""


@dataclass(frozen=True)
class Extent:
    """The values of one image.

    Args:
        depth: type of its samples.
        low, high: its least and largest value.
        file: its file, for messages.
    """

    depth: str
    low: float
    high: float
    file: str


def measure_extent(file: Path | str, depth: str) -> Extent:
    """Return the values of a deep image."""
    values = read_values(file)
    return Extent(depth, values.min().item(), values.max().item(), str(file))


def count_values_between(files: Iterable[Path], ends: tuple[float, float], pool: Executor) -> np.ndarray:
    """Return the counts of the values of all deep images in `BINS` bins, the ends in the middle of the outer ones."""
    low, step = ends[0], (ends[1] - ends[0]) / (BINS - 1)

    def count(file: Path) -> np.ndarray:
        bins = np.rint((read_values(file).astype(np.float64) - low) / step).astype(np.int64)
        return np.bincount(bins.ravel(), minlength=BINS)

    return sum(pool.map(count, files), start=np.zeros(BINS, np.int64))


def choose_range(
    extents: Sequence[Extent],
    eight_bits: int,
    images: Images | None,
    histogram: Callable[[float, float], np.ndarray],
) -> ValueRange | None:
    """Return the range that all deep images of a data set are mapped by, None where there are none.

    Args:
        extents: of each deep image.
        eight_bits: number of images with 8 bits.
        images: what the study states of the images.
        histogram: returns the counts of the deep images' values in `BINS` bins between two values.

    Raises:
        MMLError: a stated range that no image needs, images whose values cannot be compared, or one value everywhere.
    """
    stated = images and (images.range or images.percentiles)
    if not extents:
        if stated:
            raise MMLError("images: all images have 8 bits, which keep their values; leave range and percentiles out")
        return None
    low, high = min(extent.low for extent in extents), max(extent.high for extent in extents)
    if images and images.range:
        if high <= images.range[0] or low >= images.range[1]:
            raise MMLError(f"images.range: the images have values of {low:g} … {high:g}, all beyond {images.range}")
        return ValueRange(*images.range, "stated")
    _check_kinds(extents)
    if eight_bits:
        return _beside_eight_bits(extents, eight_bits, low, high)
    if low == high:
        raise MMLError(f"all images have one value, {low:g} ({extents[0].file}); mend or remove them")
    if images and images.percentiles:
        return _of_percentiles(histogram(low, high), low, high, images.percentiles)
    _check_depths(extents)
    _warn_of_few_levels(extents, low, high)
    return ValueRange(low, high, "measured")


def _check_kinds(extents: Iterable[Extent]) -> None:
    floats = [extent for extent in extents if extent.depth.startswith("float")]
    others = [extent for extent in extents if not extent.depth.startswith("float")]
    if floats and others:
        raise MMLError(
            f"{floats[0].file} has floating-point values ({floats[0].low:g} … {floats[0].high:g}), {others[0].file} "
            f"integers ({others[0].low:g} … {others[0].high:g}); store all alike, or {REMEDY}"
        )


def _beside_eight_bits(extents: Sequence[Extent], eight_bits: int, low: float, high: float) -> ValueRange:
    depths = {extent.depth for extent in extents}
    if low >= 0 and high <= 255 and not any(depth.startswith("float") for depth in depths):
        return ValueRange(0, 255, "depth")  # values of 8 bits, stored with more
    if depths == {"uint16"} and high >= 2**15:
        _check_depths(extents)
        return ValueRange(0, 2**16 - 1, "depth")
    files = summarized(extent.file for extent in extents)
    raise MMLError(
        f"{eight_bits} images have 8 bits and {len(extents)} have more ({files}), "
        f"with values of {low:g} … {high:g}, of which nothing says how they compare; store all alike, or {REMEDY} "
        "that are 0 and 255 in the images of 8 bits"
    )


def _of_percentiles(counts: np.ndarray, low: float, high: float, percentiles: tuple[float, float]) -> ValueRange:
    shares = np.cumsum(counts) / counts.sum()
    bins = np.searchsorted(shares, np.array(percentiles) / 100, side="left").clip(0, BINS - 1)
    ends = low + bins * (high - low) / (BINS - 1)
    if bins[0] == bins[1]:
        raise MMLError(f"images.percentiles: both are the value {ends[0]:g}; state percentiles that lie further apart")
    return ValueRange(float(ends[0]), float(ends[1]), "percentiles")


def _check_depths(extents: Sequence[Extent]) -> None:
    """Refuse images of 10 or 12 bits in 16 next to images that use more of the 16."""
    ordered = sorted(extents, key=lambda extent: extent.high)
    least = max(2, len(ordered) // 10)
    for place in range(least, len(ordered) - least + 1):
        below, above = ordered[place - 1], ordered[place]
        if below.high >= 127 and above.high >= GAP * below.high:
            raise MMLError(
                f"{place} images have values up to {below.high:g} ({below.file}), the other {len(ordered) - place} of "
                f"{above.high:g} and more ({above.file}), as of two scanners with different depths; store all alike, "
                f"or, if one value means the same in all, {REMEDY}"
            )


def _warn_of_few_levels(extents: Sequence[Extent], low: float, high: float) -> None:
    dark = [extent.file for extent in extents if 0 < extent.high - extent.low < (high - low) / FEW_LEVELS]
    if dark:
        warn(
            f"{len(dark)} of {len(extents)} images use less than a {FEW_LEVELS}th of the values {low:g} … {high:g} of "
            f"the data set, and lose most of their grey levels: {summarized(dark)}; where outliers are to blame, set "
            "images: {percentiles: [0.5, 99.5]} in the task"
        )


def describe_mapping(value_range: ValueRange, extents: Sequence[Extent], eight_bits: int) -> str:
    """Return one line about how a data set's values are mapped."""
    counts = Counter(extent.depth for extent in extents)
    kinds = ", ".join(f"{count} of {depth}" for depth, count in counts.items())
    rest = f"; {eight_bits} images of 8 bits keep their values" if eight_bits else ""
    return f"values {value_range} become 0 … 255 ({value_range.source}; {kinds}){rest}"
