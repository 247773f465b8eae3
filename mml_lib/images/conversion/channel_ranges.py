"""Channel ranges: a range of values for each channel of images whose channels have names.

Stains and sequences differ in brightness by orders of magnitude. By one range for all, a weak one would be nearly
black, which the statistics of pretrained weights do not make good.
"""

from collections import Counter
from collections.abc import Sequence

from mml_lib.config.image_options import Images
from mml_lib.images.conversion.measuring import Extent, Histogram, choose_range
from mml_lib.machine.terminal import warn
from mml_lib.tasks.pixel_format import Conversion, ValueRange


def choose_own_ranges(
    extents: Sequence[Extent],
    eight_bits: int,
    images: Images,
    histograms: Sequence[Histogram],
) -> tuple[ValueRange, ...]:
    """Return a range for each channel of images whose channels are named, as stains and sequences are.

    There is none where the study or the files state what values mean, or where some images have 8 bits.

    Args:
        extents: of each deep image.
        eight_bits: number of images with 8 bits.
        images: what the study states.
        histograms: as for `choose_range`, of each channel.

    Raises:
        MMLError: values of a channel cannot be compared.
    """
    has_meaning = any(extent.is_calibrated or extent.own_range for extent in extents)
    if eight_bits or images.stated_range or has_meaning or not all(extent.parts for extent in extents):
        return ()
    return tuple(
        _range_of_channel(parts, images, histogram)
        for parts, histogram in zip(zip(*(extent.parts for extent in extents), strict=True), histograms, strict=True)
    )


def _range_of_channel(extents: Sequence[Extent], images: Images, histogram: Histogram) -> ValueRange:
    low, high = min(extent.low for extent in extents), max(extent.high for extent in extents)
    if low == high:
        warn(f"a channel has one value in all images, {low:g} ({extents[0].file}); leave it out if that is not meant")
        return ValueRange(low, low + 1)
    value_range = choose_range(extents, 0, images, histogram)
    assert value_range is not None
    return value_range


def describe_channels(conversion: Conversion, extents: Sequence[Extent]) -> str:
    """Return a phrase about how the values of channels with ranges of their own are mapped."""
    kinds = ", ".join(f"{count} of {depth}" for depth, count in Counter(extent.depth for extent in extents).items())
    ranges = zip(conversion.pixels.channels, conversion.windows, strict=True)
    values = ", ".join(f"{name} {value_range}" for name, value_range in ranges)
    return f"values {values} become 0 … {conversion.pixels.full_scale:g} ({conversion.windows[0].source}; {kinds})"
