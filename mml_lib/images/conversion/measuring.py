"""Measuring: the values of the deep images of a data set, and the common range for their mapping."""

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from mml_lib.config.image_options import Images
from mml_lib.errors import MMLError
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.value_mapping import to_depth
from mml_lib.machine.terminal import summarized, warn
from mml_lib.tasks.pixel_format import PixelFormat, ValueRange

REMEDY = "state the values of black and white in the task, images: {range: [low, high]}"
BINS = 2**16
"""Number of bins of the histogram for percentiles: one per value for integers of 16 bits."""

FINE = 256
"""Number of bins between two percentiles that suffices for floating-point values."""

FINEST = 1e-12
"""Least width of bins of floating-point values, relative to the largest value."""

MOST_PASSES = 12
"""Largest number of histograms for percentiles. Each one narrows the bins by a factor of up to `BINS`."""

GAP = 4
"""Factor between the largest values of two groups of images from which they are considered to have two depths."""

DEPTHS = (8, 10, 12, 14)
"""Numbers of bits of scanners that store values in 16 bits."""

FULL = 0.98
"""Share of the largest value of a depth from which the brightest pixel indicates this depth."""

FEW_LEVELS = 16
"""Divisor of the range. Images that use a smaller part keep less than 16 of 256 grey levels."""

QUANTILES = np.linspace(0, 1, 65)
"""Quantiles of each image, for the number of grey levels of most of its pixels."""

SAMPLED = 2**14
"""Approximate number of pixels of an image for its quantiles."""


@dataclass(frozen=True)
class Extent:
    """The values of one image.

    Args:
        depth: dtype of the samples.
        low, high: least and largest value.
        file: file of the image, for messages.
        quantiles: quantiles of the values, in ascending order.
        own_range: values for black and white that the file states; None without them.
        is_calibrated: True if a value has the same meaning in all images.
        parts: extents of the channels, if these have names.
    """

    depth: str
    low: float
    high: float
    file: str
    quantiles: tuple[float, ...]
    own_range: ValueRange | None = None
    is_calibrated: bool = False
    parts: tuple["Extent", ...] = ()

    @property
    def values(self) -> ValueRange:
        """Least and largest value."""
        return ValueRange(self.low, self.high)

    def loses_levels(self, value_range: ValueRange) -> bool:
        """Return True if most pixels get few grey levels because of outliers, markers or padding."""
        levels = len(np.unique(to_depth(np.array(self.quantiles), value_range)))
        return levels <= FEW_LEVELS + 1 and 2 * levels <= len(set(self.quantiles))


def measure_extent(image: DeepImage, depth: str, file: object, files: Sequence[object] = ()) -> Extent:
    """Return the extent of the values of a deep image.

    Args:
        image: the image, with the channels that are kept.
        depth: dtype of its samples, from its header.
        file: file of the image, for messages.
        files: file of each of these channels, if they have names.
    """
    if len(files) > 1:
        whole = measure_extent(image, depth, file)
        channels = [image.with_values(image.values[..., number]) for number in range(len(files))]
        return replace(whole, parts=tuple(map(measure_extent, channels, [depth] * len(files), files)))
    values = image.values
    sample = np.sort(values.ravel()[:: max(1, values.size // SAMPLED)])
    quantiles = sample[np.rint(QUANTILES * (len(sample) - 1)).astype(int)]
    ends = values.min().item(), values.max().item()
    return Extent(depth, *ends, str(file), tuple(quantiles.tolist()), image.own_range, image.is_calibrated)


class Bins(NamedTuple):
    """Bins of a histogram: the centre of the first bin, and the distance between the centres of the `BINS` bins."""

    low: float
    step: float

    @classmethod
    def between(cls, low: float, high: float, is_whole: bool) -> "Bins":
        """Return bins between two values. Bins of whole numbers contain equally many numbers."""
        if is_whole:
            step = -(-int(high - low + 1) // BINS)
            return cls(low + (step - 1) / 2, step)
        return cls(low, (high - low) / (BINS - 1))

    def counts_of(self, values: Iterable[np.ndarray]) -> np.ndarray:
        """Return the counts of values in the bins. Values beyond the ends count in the outer bins."""
        counts = np.zeros(BINS, np.int64)
        for array in values:
            # Values halfway between two centres belong to the lower bin.
            places = np.ceil((array.astype(np.float64) - self.low) / self.step - 0.5)
            counts += np.bincount(places.clip(0, BINS - 1).astype(np.int64).ravel(), minlength=BINS)
        return counts


Histogram: TypeAlias = Callable[[Bins], np.ndarray]
"""Function that returns the counts of all values in bins."""


def choose_range(
    extents: Sequence[Extent],
    eight_bits: int,
    images: Images | None,
    histogram: Histogram,
) -> ValueRange | None:
    """Return the common range for the mapping of all deep images of a data set; None without deep images.

    Args:
        extents: extent of each deep image.
        eight_bits: number of images with 8 bits.
        images: options of the study.
        histogram: function that returns the counts of the deep images' values in bins.

    Raises:
        MMLError: a stated range has no effect, or no image has values in it; values of images cannot be compared; or
            all pixels have one value.
    """
    stated = images and (images.stated_range or images.percentiles)
    if not extents:
        if stated:
            raise MMLError(
                "images: all images have 8 bits, which keep their values; leave range, window and percentiles out"
            )
        return None
    if not stated and (value_range := _of_files(extents, eight_bits)):
        return value_range
    if images and images.stated_range:
        key, ends = "window" if images.window else "range", images.stated_range
        check_ends(extents, ends, key)
        return ValueRange(*ends, "stated")
    return _measured_range(extents, eight_bits, images, histogram)


def _measured_range(
    extents: Sequence[Extent], eight_bits: int, images: Images | None, histogram: Histogram
) -> ValueRange:
    """Return the range from the values of images: all values, or those between percentiles."""
    low, high = min(extent.low for extent in extents), max(extent.high for extent in extents)
    is_comparable = all(extent.is_calibrated for extent in extents)
    if not is_comparable:
        _check_kinds(extents)
    if eight_bits and images and images.percentiles:
        raise MMLError(
            f"images.percentiles: images of 8 bits ({eight_bits}) keep their values, with which those between "
            f"percentiles of the other {len(extents)} do not compare; {REMEDY} in place of percentiles"
        )
    if eight_bits:
        return _range_with_eight_bits(extents, eight_bits, low, high)
    if low == high:
        raise MMLError(f"all images have one value, {low:g} ({extents[0].file}); correct or remove them")
    if images and images.percentiles:
        is_whole = not any(extent.depth.startswith("float") for extent in extents)
        value_range = _of_percentiles(histogram, low, high, images.percentiles, is_whole)
        _warn_about_few_levels(extents, value_range.low, value_range.high, REMEDY)
        return value_range
    if not is_comparable:
        _check_depths(extents)
    _warn_about_few_levels(extents, low, high)
    return ValueRange(low, high, "measured")


def check_ends(extents: Sequence[Extent], ends: tuple[float, float], key: str) -> None:
    """Check that images have values in a stated range, and warn if they have few.

    Raises:
        MMLError: no image has a value in it.
    """
    low, high = min(extent.low for extent in extents), max(extent.high for extent in extents)
    if high <= ends[0] or low >= ends[1]:
        raise MMLError(
            f"images.{key}: the images have values of {ValueRange(low, high)}, all beyond {ValueRange(*ends)} "
            f"({summarized(extent.file for extent in extents)}); state a {key} of these values"
        )
    _warn_about_unused_range(extents, *ends, key)


def _of_files(extents: Sequence[Extent], eight_bits: int) -> ValueRange | None:
    """Return the mapping by the windows that files state; None if these do not apply to the data set.

    The window of a radiograph depends on its exposure, so each image uses its own. Hounsfield units have the same
    meaning in all images, so all must have one window.
    """
    windows = {extent.own_range for extent in extents}
    if windows == {None}:
        return None
    if None in windows or eight_bits:
        without = [extent.file for extent in extents if extent.own_range is None]
        warn(
            f"{len(without) + eight_bits} of {len(extents) + eight_bits} images have no window of their own "
            f"({summarized(without or ['those of 8 bits'])}), so that one range holds for all"
        )
        return None
    if not any(extent.is_calibrated for extent in extents):
        return ValueRange(0, 1, "own")
    (window, *others) = windows
    if window is None or others or window == ValueRange(0, 1, "own"):
        return None
    return ValueRange(window.low, window.high, "files")


def _check_kinds(extents: Iterable[Extent]) -> None:
    floats = [extent for extent in extents if extent.depth.startswith("float")]
    others = [extent for extent in extents if not extent.depth.startswith("float")]
    if floats and others:
        raise MMLError(
            f"{floats[0].file} has floating-point values ({floats[0].values}), {others[0].file} "
            f"integers ({others[0].values}); store all alike, or {REMEDY}"
        )
    negative = [extent for extent in others if extent.low < 0]
    unsigned = [extent for extent in others if extent.depth.startswith("uint")]
    if negative and unsigned:
        raise MMLError(
            f"{negative[0].file} has values below 0 ({negative[0].values}), which the type of "
            f"{unsigned[0].file} cannot hold ({unsigned[0].depth}, {unsigned[0].values}), so "
            f"that its values may be shifted; store all alike, or, if one value means the same in all, {REMEDY}"
        )


def _range_with_eight_bits(extents: Sequence[Extent], eight_bits: int, low: float, high: float) -> ValueRange:
    depths = {extent.depth for extent in extents}
    if low >= 0 and high <= 255 and not any(depth.startswith("float") for depth in depths):
        return ValueRange(0, 255, "depth")  # values of 8 bits, stored with more
    if depths == {"uint16"} and high >= 2**15:
        _check_depths(extents)
        _warn_about_few_levels(extents, 0, 2**16 - 1, REMEDY)
        return ValueRange(0, 2**16 - 1, "depth")
    files = summarized(extent.file for extent in extents)
    raise MMLError(
        f"{eight_bits} images have 8 bits and {len(extents)} have more ({files}), "
        f"with values of {ValueRange(low, high)}, of which nothing says how they compare; store all alike, or {REMEDY} "
        "that are 0 and 255 in the images of 8 bits"
    )


def _of_percentiles(
    histogram: Histogram, low: float, high: float, percentiles: tuple[float, float], is_whole: bool
) -> ValueRange:
    """Return the values at two percentiles, as `numpy.percentile`. They are exact for whole numbers.

    Args:
        histogram: see `choose_range`.
        low, high: least and largest value.
        percentiles: the percentiles, in 0..100.
        is_whole: True if all values are whole numbers.

    Raises:
        MMLError: both percentiles are one value.
    """
    histogram = functools.cache(histogram)
    count = int(histogram(Bins.between(low, high, is_whole)).sum())
    places = [(count - 1) * (percentile / 100) for percentile in percentiles]  # in the sorted values, from 0 on
    ranks = sorted({rank for place in places for rank in (math.floor(place), math.ceil(place))})
    values = dict(zip(ranks, _values_at(histogram, low, high, ranks, is_whole), strict=True))
    low, high = (float(np.interp(place, list(values), list(values.values()))) for place in places)
    if low == high:
        raise MMLError(f"images.percentiles: both are the value {low:g}; state percentiles that lie further apart")
    return ValueRange(low, high, "percentiles")


def _values_at(
    histogram: Histogram, low: float, high: float, ranks: Sequence[int], is_whole: bool, passes: int = MOST_PASSES
) -> list[float]:
    """Return the values with some ranks, from 0, among values between `low` and `high`.

    If outliers, or integers of 32 bits, make the bins too wide, a histogram with narrower bins is counted.
    """
    bins = Bins.between(low, high, is_whole)
    places = np.searchsorted(np.cumsum(histogram(bins)), ranks, side="right")
    values = [bins.low + int(place) * bins.step for place in places]
    is_narrow = places[-1] - places[0] < FINE
    is_fine = bins.step == 1 if is_whole else not is_narrow or bins.step <= FINEST * max(abs(low), abs(high))
    if is_fine or passes == 1:
        return values
    if is_narrow:
        return _values_at(histogram, *_around(values[0], values[-1], bins, is_whole), ranks, is_whole, passes - 1)
    # Whole numbers that are far apart need separate histograms.
    return [
        value
        for rank, middle in zip(ranks, values, strict=True)
        for value in _values_at(histogram, *_around(middle, middle, bins, is_whole), [rank], is_whole, passes - 1)
    ]


def _around(low: float, high: float, bins: Bins, is_whole: bool) -> tuple[float, float]:
    """Return the ends of the bins of two values, given by their centres."""
    half = (bins.step - 1) / 2 if is_whole else bins.step / 2
    return low - half, high + half


def _check_depths(extents: Sequence[Extent]) -> None:
    """Check that images do not mix 10 or 12 bits in 16 with images that use more bits, or 0 … 1 with 0 … 255."""
    ordered = sorted(extents, key=lambda extent: extent.high)
    least = max(2, len(ordered) // 10)
    for place in range(least, len(ordered) - least + 1):
        below, above = ordered[place - 1], ordered[place]
        if _are_two_depths(below, above):
            raise MMLError(
                f"{place} images have values up to {below.high:g} ({below.file}), the other {len(ordered) - place} of "
                f"{above.high:g} and more ({above.file}), as of two scanners with different depths; store all alike, "
                f"or, if one value means the same in all, {REMEDY}"
            )


def _are_two_depths(below: Extent, above: Extent) -> bool:
    """Return True if two images with neighbouring largest values probably have different depths."""
    if below.depth.startswith("float") and 0 < below.high <= 1 and above.high >= 127:
        return True
    is_full = any(FULL * (2**bits - 1) <= below.high < 2**bits for bits in DEPTHS)
    if below.depth == above.depth == "uint16" and is_full and above.high >= 2 * below.high:
        return True  # deeper images need not be saturated: the darkest one may reach half of its depth
    return below.high >= 127 and above.high >= GAP * below.high


PERCENTILES = (
    "where outliers are to blame, set images: {percentiles: [0.5, 99.5]} in the task, or where padding is, "
    "images: {range: [low, high]}"
)


def _warn_about_few_levels(extents: Sequence[Extent], low: float, high: float, remedy: str = PERCENTILES) -> None:
    """Warn about images that use little of a range, or whose pixels mostly do so in half of the images."""
    least = (high - low) / FEW_LEVELS
    dark = [extent.file for extent in extents if 0 < extent.high - extent.low < least]
    if dark:
        warn(
            f"{len(dark)} of {len(extents)} images use less than a {FEW_LEVELS}th of the values "
            f"{ValueRange(low, high)} of the data set, and lose most of their grey levels: {summarized(dark)}; {remedy}"
        )
    value_range = ValueRange(low, high)
    crowded = [extent.file for extent in extents if extent.loses_levels(value_range)]
    if not dark and 2 * len(crowded) >= len(extents):
        warn(
            f"most pixels of {len(crowded)} of {len(extents)} images get few grey levels, as other pixels spread the "
            f"values of the data set over {ValueRange(low, high)}: {summarized(crowded)}; {remedy}"
        )


def _warn_about_unused_range(extents: Sequence[Extent], low: float, high: float, key: str) -> None:
    """Warn about a stated range that half of the images hardly use, or that contains few whole numbers."""
    shares = [(min(extent.high, high) - max(extent.low, low)) / (high - low) for extent in extents]
    dark = [extent.file for extent, share in zip(extents, shares, strict=True) if share < 1 / FEW_LEVELS]
    if 2 * len(dark) >= len(extents):
        warn(
            f"images.{key}: {len(dark)} of {len(extents)} images use less than a {FEW_LEVELS}th of the values "
            f"{ValueRange(low, high)}, and keep few grey levels: {summarized(dark)}; correct the range if that is not "
            "meant"
        )
    whole = [extent for extent in extents if not extent.depth.startswith("float")]
    if whole and high - low < FEW_LEVELS:
        ends = ValueRange(min(extent.low for extent in whole), max(extent.high for extent in whole))
        warn(
            f"images.{key}: from {low:g} to {high:g} there are few whole numbers, which leave few grey levels of the "
            f"values {ends} of {summarized(extent.file for extent in whole)}; correct the range if that is not meant"
        )


def describe_mapping(value_range: ValueRange, pixels: PixelFormat, extents: Sequence[Extent], eight_bits: int) -> str:
    """Return a phrase that describes the mapping of a data set's values."""
    counts = Counter(extent.depth for extent in extents)
    kinds = ", ".join(f"{count} of {depth}" for depth, count in counts.items())
    if value_range.is_own:
        return f"each image is mapped to 0 … {pixels.full_scale:g} by the window that its file states ({kinds})"
    rest = f"; {eight_bits} images of 8 bits keep their values" if eight_bits else ""
    return f"values {value_range} become 0 … {pixels.full_scale:g} ({value_range.source}; {kinds}){rest}"
