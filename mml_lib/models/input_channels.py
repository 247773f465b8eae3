"""Input channels: the number of channels that a network takes, and the images that fit it.

The number follows from the images of the tasks. A network of 3 channels also takes grey images, which are repeated 3
times.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mml_lib.config.factories import TARGET, import_target
from mml_lib.errors import MMLError
from mml_lib.tasks.pixel_format import RGB, PixelFormat

if TYPE_CHECKING:
    from mml_lib.tasks.struct import TaskStruct

ARGUMENT = "in_chans"
"""Argument of a backbone for its number of channels, named as in timm."""

COLOURS = len(RGB)


def input_format(structs: Sequence["TaskStruct"]) -> PixelFormat | None:
    """Return the format of images that suits all tasks of a network; None if no task has images yet.

    If one task has colours, grey images of others become colours. Channels are numbered if their names differ.

    Raises:
        MMLError: the images of the tasks have different numbers of channels.
    """
    formats = {struct.name: struct.pixels for struct in structs if struct.pixels is not None}
    if not formats:
        return None
    widest = max(formats.values(), key=lambda pixels: len(pixels.channels))
    largest = len(widest.channels)
    for name, pixels in formats.items():
        if not fits(count := len(pixels.channels), largest):
            other = next(task for task, other_pixels in formats.items() if other_pixels == widest)
            raise MMLError(
                f"images: {name} has {counted(count)}, {other} {counted(largest)}, and one network learns both; set "
                "images: {channels: …} of one task so that they are equal"
            )
    names = {pixels.channels for pixels in formats.values() if len(pixels.channels) == largest}
    channels = widest.channels if len(names) == 1 else tuple(f"channel {number}" for number in range(largest))
    return PixelFormat(widest.depth, channels)


def seen_format(structs: Sequence["TaskStruct"], in_chans: int) -> PixelFormat | None:
    """Return the format of the inputs of a network; grey images are colours for a network of 3 channels."""
    pixels = input_format(structs)
    if pixels is None or len(pixels.channels) == in_chans:
        return pixels
    return PixelFormat(pixels.depth, RGB)


def fits(channels: int, in_chans: int) -> bool:
    """Return True if a network that takes `in_chans` channels accepts images of `channels` channels."""
    return channels == in_chans or (channels == 1 and in_chans == COLOURS)


def channels_taken(arch: Mapping[str, Any], channels: int | None) -> int:
    """Return the number of channels that a backbone takes.

    Args:
        arch: target of the backbone with its arguments.
        channels: number of channels of the images; None if it is not known yet.

    Raises:
        MMLError: the backbone cannot take this number of channels.
    """
    stated = arch.get(ARGUMENT)
    if stated is not None:
        if channels is None or fits(channels, stated):
            return stated
        raise MMLError(
            f"arch.{ARGUMENT}: it is {stated}, and the images have {counted(channels)}; leave it out, or set images: "
            "{channels: …} of the task"
        )
    if channels in (None, COLOURS):
        return COLOURS
    if takes_number(arch):
        return channels
    if fits(channels, COLOURS):
        return COLOURS
    raise MMLError(
        f"arch: the images have {channels} channels, and {arch[TARGET]} has no argument {ARGUMENT} that takes their "
        "number; add one, or set images: {channels: rgb} of the task"
    )


def takes_number(arch: Mapping[str, Any]) -> bool:
    """Return True if a backbone can be built for any number of channels."""
    try:
        return ARGUMENT in inspect.signature(import_target(arch[TARGET])).parameters
    except (TypeError, ValueError):  # built-ins without a signature
        return False


def channels_after_start(channels: int | None, stored: int, path: object) -> int:
    """Return the number of channels of a network that starts from a stored one.

    Weights for grey images can be widened to colours, and those for colours take grey images.

    Args:
        channels: number of channels of the images; None if it is not known yet.
        stored: number of channels that the stored network takes.
        path: path of the stored weights, for the message.

    Raises:
        MMLError: the stored network does not take images of this number of channels.
    """
    if channels is None or fits(channels, stored):
        return stored
    if fits(stored, channels):
        return channels
    raise MMLError(
        f"the weights {path} are of a network for images of {counted(stored)}, and the images have "
        f"{counted(channels)}; set images: {{channels: …}} of one task so that they are equal"
    )


def counted(count: int) -> str:
    """Return a number of channels as text, such as `1 channel` or `3 channels`."""
    return f"{count} channel{'s' if count > 1 else ''}"
