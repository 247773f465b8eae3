"""Channel ranges: a range of values for each channel of images with named channels.

The brightness of stains and sequences differs by orders of magnitude. With one range for all, weak channels would be
nearly black, which normalisation by the statistics of pretrained weights does not correct.
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
    """Return a range for each channel of images with named channels, such as stains and sequences.

    The result is empty if the study or the files state the meaning of values, or if some images have 8 bits.

    Args:
        extents: extent of each deep image.
        eight_bits: number of images with 8 bits.
        images: options of the study.
        histograms: `histogram` of `choose_range` for each channel.

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
    """Return a phrase that describes the mapping of channels with separate ranges."""
    kinds = ", ".join(f"{count} of {depth}" for depth, count in Counter(extent.depth for extent in extents).items())
    ranges = zip(conversion.pixels.channels, conversion.windows, strict=True)
    values = ", ".join(f"{name} {value_range}" for name, value_range in ranges)
    return f"values {values} become 0 … {conversion.pixels.full_scale:g} ({conversion.windows[0].source}; {kinds})"
