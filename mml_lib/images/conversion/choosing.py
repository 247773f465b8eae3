"""Choosing: the conversion of a data set's image files, from the options of the study and the content of the files."""

from collections.abc import Sequence
from typing import NamedTuple

from mml_lib.config.image_options import COLOUR_KINDS, Images, Window
from mml_lib.errors import MMLError
from mml_lib.images.conversion.channel_ranges import choose_own_ranges, describe_channels
from mml_lib.images.conversion.measuring import Extent, Histogram, check_ends, choose_range, describe_mapping
from mml_lib.machine.terminal import summarized, warn
from mml_lib.tasks.pixel_format import GREY, RGB, Conversion, Depth, PixelFormat, ValueRange

MOST_CHANNELS = 32
"""Largest number of channels without a statement of the study: arrays with more may be volumes."""

FLAT, WIDE = 4, 8
"""Largest number of rows, and least number of channels (at least `FLAT` per row), of images that are probably C×H×W."""


class ImageChannels(NamedTuple):
    """Channels of an image file.

    Args:
        file: name of the file.
        number: number of channels.
        has_colour: True if red, green and blue differ in any pixel.
        names: names of the channels, if the file states them.
        is_coloured: True if they differ by more than the noise of JPEG; only determined if grey is stated.
        size: height and width of the image.
    """

    file: str
    number: int
    has_colour: bool
    names: tuple[str, ...] = ()
    is_coloured: bool = False
    size: tuple[int, int] | None = None

    @property
    def seems_transposed(self) -> bool:
        """True if the image is probably stored as channels×height×width."""
        if self.size is None or self.names:
            return False
        rows = self.size[0]
        return rows <= FLAT and self.number >= max(WIDE, FLAT * rows)


class ChannelSource(NamedTuple):
    """Names of the channels of pixels, the channels of files that they are, and the ranges of values of each."""

    names: tuple[str, ...]
    picked: tuple[int, ...] | None = None
    windows: tuple[ValueRange, ...] = ()


def choose_conversion(
    channels: Sequence[ImageChannels],
    extents: Sequence[Extent],
    images: Images,
    histogram: Histogram,
    histograms: Sequence[Histogram] = (),
) -> Conversion:
    """Return the conversion of a data set.

    Args:
        channels: channels of each image.
        extents: extent of each deep image.
        images: options of the study.
        histogram: see `choose_range`.
        histograms: `histogram` of each channel, if each channel has its own file.

    Raises:
        MMLError: an image lacks a channel; channels or values of images cannot be combined; an option has no effect.
    """
    _warn_about_transposed(channels)
    source = choose_channels(channels, images)
    eight_bits = len(channels) - len(extents)
    if source.windows:
        _check_windows(images, extents, eight_bits)
        value_range = None
    elif extents and (ranges := choose_own_ranges(extents, eight_bits, images, histograms)):
        source, value_range = source._replace(windows=ranges), None
    else:
        value_range = choose_range(extents, eight_bits, images, histogram)
    pixels = PixelFormat(_choose_depth(extents, value_range, images), source.names)
    return Conversion(pixels, value_range, source.picked, source.windows, images.frames == "channels")


def describe(conversion: Conversion, extents: Sequence[Extent], eight_bits: int) -> str:
    """Return one line about the pixels of a data set and the mapping of values."""
    line = f"images become {conversion.pixels}"
    if conversion.picked is not None and conversion.windows:
        return f"{line}; {describe_channels(conversion, extents)}"
    if conversion.value_range is None:
        return line
    return f"{line}; {describe_mapping(conversion.value_range, conversion.pixels, extents, eight_bits)}"


def choose_channels(channels: Sequence[ImageChannels], images: Images) -> ChannelSource:
    """Return the channels of a data set's pixels.

    Raises:
        MMLError: an image lacks a channel; images have different channels; windows are stated for images with colour.
    """
    if images.picked is not None:
        return _picked(channels, images.picked)
    if isinstance(images.window, list):
        return _windows(channels, images.window)
    stated = images.channels
    others = [image for image in channels if image.number not in (1, 3) or image.names]
    if others and stated in COLOUR_KINDS:
        raise MMLError(
            f"{others[0].file} has {others[0].number} channels, which are neither grey nor RGB; set images: "
            "{channels: all} in the task, or list the numbers of some, from 0 on"
        )
    if others:
        count = _common_count(channels)
        if count > MOST_CHANNELS and stated != "all":
            raise MMLError(
                f"{others[0].file} has {count} channels (height×width×{count}); set images: {{channels: all}} if they "
                "are channels, or list the numbers of some"
            )
        return ChannelSource(_names(channels, range(count)), tuple(range(count)))
    coloured = [image.file for image in channels if image.has_colour]
    if stated == "grey" and coloured:
        _check_grey(channels, coloured)
    return ChannelSource(_grey_or_rgb(images, bool(coloured)))


def _grey_or_rgb(images: Images, has_colour: bool) -> tuple[str, ...]:
    return GREY if images.channels in ("grey", "luma") or (images.channels != "rgb" and not has_colour) else RGB


def expected_conversion(first: ImageChannels, images: Images) -> Conversion | None:
    """Return the conversion of a data set if all images are like the first one, which has 8 bits.

    None: the conversion depends on all images, because of channels or windows.
    """
    if first.number not in (1, 3) or first.names or images.picked is not None or isinstance(images.window, list):
        return None
    pixels = PixelFormat(_choose_depth((), None, images), _grey_or_rgb(images, first.has_colour))
    return Conversion(pixels, stacks_frames=images.frames == "channels")


def _warn_about_transposed(channels: Sequence[ImageChannels]) -> None:
    transposed = [image for image in channels if image.seems_transposed]
    if transposed and (size := transposed[0].size):
        shape = "×".join(map(str, (*size, transposed[0].number)))
        warn(
            f"{len(transposed)} of {len(channels)} images have {shape} values, read as height×width×channels: "
            f"{summarized(image.file for image in transposed)}; if the first number is that of channels, save these "
            "last: numpy.moveaxis(image, 0, -1)"
        )


def _check_grey(channels: Sequence[ImageChannels], tinted: Sequence[str]) -> None:
    """Refuse images with colour if grey is stated, and warn about slight colour, such as the noise of JPEG.

    Raises:
        MMLError: images have colour.
    """
    coloured = [image.file for image in channels if image.is_coloured]
    if coloured:
        raise MMLError(
            f"images.channels: grey is stated, and {len(coloured)} of {len(channels)} images have colour "
            f"({summarized(coloured)}); set images: {{channels: luma}} to make them grey, or {{channels: rgb}} to keep "
            "the colour"
        )
    warn(
        f"images.channels: {len(tinted)} of {len(channels)} images have slight colour ({summarized(tinted)}), which "
        "becomes grey by its luma (ITU-R BT.601); set images: {channels: rgb} to keep it"
    )


def _picked(channels: Sequence[ImageChannels], picked: Sequence[int]) -> ChannelSource:
    short = next((image for image in channels if image.number <= max(picked)), None)
    if short is not None:
        numbers = "its only channel is 0" if short.number == 1 else f"its channels are 0 … {short.number - 1}"
        raise MMLError(
            f"images.channels: {short.file} has no channel {max(picked)}; {numbers}; list some of these, or leave the "
            "image out"
        )
    _common_count(channels)
    return ChannelSource(_names(channels, picked), tuple(picked))


def _windows(channels: Sequence[ImageChannels], windows: Sequence[Window]) -> ChannelSource:
    other = next((image for image in channels if image.number != 1), None)
    if other is not None:
        raise MMLError(
            f"images.window: several windows make the channels of images with one, and {other.file} has "
            f"{other.number}; state one window or a range"
        )
    names = tuple(f"window {window.center:g}/{window.width:g}" for window in windows)
    return ChannelSource(names, windows=tuple(ValueRange(*window.ends, "stated") for window in windows))


def _common_count(channels: Sequence[ImageChannels]) -> int:
    """Return the common number of channels of all images.

    Raises:
        MMLError: numbers of channels differ.
    """
    first = channels[0]
    for other in channels:
        if other.number != first.number:
            raise MMLError(
                f"images have different numbers of channels: {first.file} has {first.number}, {other.file} "
                f"{other.number}; store all with the same channels, leave some out, or set images: "
                "{channels: rgb} if they have colours"
            )
    return first.number


def _names(channels: Sequence[ImageChannels], picked: Sequence[int]) -> tuple[str, ...]:
    """Return the names of picked channels, from the files if they state names.

    Raises:
        MMLError: files state different names.
    """
    first = channels[0]
    for other in channels:
        if other.names != first.names:
            raise MMLError(
                f"images have different channels: {first.file} has {', '.join(first.names) or 'no names of channels'}, "
                f"{other.file} {', '.join(other.names) or 'no names of channels'}; store all with the same channels"
            )
    names = first.names or {1: GREY, 3: RGB}.get(first.number) or [f"channel {n}" for n in range(first.number)]
    return tuple(names[number] for number in picked)


def _check_windows(images: Images, extents: Sequence[Extent], eight_bits: int) -> None:
    if eight_bits:
        raise MMLError(
            f"images.window: {eight_bits} images have 8 bits, which keep their values; several windows are for images "
            "with more"
        )
    for window in images.windows:
        check_ends(extents, window.ends, "window")


def _choose_depth(extents: Sequence[Extent], value_range: ValueRange | None, images: Images) -> Depth:
    if images.depth is not None:
        return images.depth
    is_shallow = not extents or value_range == ValueRange(0, 255, "depth")  # values of 8 bits, stored with more
    if is_shallow:
        return "uint8"
    return "float32" if any(extent.depth.startswith("float") for extent in extents) else "uint16"
