"""Input channels: the number of channels that a network takes, and the images that fit it.

It follows from the images of the tasks. A network of 3 channels takes grey images too, which are repeated 3 times.
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
"""Argument of a backbone that states its number of channels, as timm calls it."""

COLOURS = len(RGB)


def input_format(structs: Sequence["TaskStruct"]) -> PixelFormat | None:
    """Return the format of images that suits all tasks of a network; None where no task has images yet.

    Grey images beside colours become colours. Channels of other names but the same number are numbered.

    Raises:
        MMLError: the tasks have images of different numbers of channels.
    """
    formats = {struct.name: struct.pixels for struct in structs if struct.pixels is not None}
    if not formats:
        return None
    widest = max(formats.values(), key=lambda pixels: len(pixels.channels))
    most = len(widest.channels)
    for name, pixels in formats.items():
        if not fits(count := len(pixels.channels), most):
            other = next(task for task, its in formats.items() if its == widest)
            raise MMLError(
                f"images: {name} has {counted(count)}, {other} {counted(most)}, and one network learns both; set "
                "images: {channels: …} of one task so that they are equal"
            )
    names = {pixels.channels for pixels in formats.values() if len(pixels.channels) == most}
    channels = widest.channels if len(names) == 1 else tuple(f"channel {number}" for number in range(most))
    return PixelFormat(widest.depth, channels)


def seen_format(structs: Sequence["TaskStruct"], in_chans: int) -> PixelFormat | None:
    """Return the format of the images that a network sees; grey ones are colours for a network of 3 channels."""
    pixels = input_format(structs)
    if pixels is None or len(pixels.channels) == in_chans:
        return pixels
    return PixelFormat(pixels.depth, RGB)


def fits(channels: int, in_chans: int) -> bool:
    """Return True if images of so many channels can be given to a network that takes `in_chans`."""
    return channels == in_chans or (channels == 1 and in_chans == COLOURS)


def channels_taken(arch: Mapping[str, Any], channels: int | None) -> int:
    """Return the number of channels that a backbone takes.

    Args:
        arch: target of the backbone with its arguments.
        channels: number of channels of the images; None: they are not there yet.

    Raises:
        MMLError: the backbone cannot take so many.
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
        channels: number of channels of the images; None: they are not there yet.
        stored: number of channels that the stored network takes.
        path: of the stored weights, for the message.

    Raises:
        MMLError: the images have other channels.
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
    """Return a number of channels in words."""
    return f"{count} channel{'s' if count > 1 else ''}"
