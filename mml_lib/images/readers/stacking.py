"""Stacking: frames of a file, or files of single channels, become the channels of one image."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.findings import BLANK
from mml_lib.images.image_digests import without_colours
from mml_lib.images.readers.reader_registry import Contents, split_frame
from mml_lib.tasks.channel_files import ChannelFiles


def stacked_frames(file: Path | str, contents: Contents) -> list[str]:
    """Return the names of the frames that are the channels of an image.

    For a series of volumes, these are the slices at one place, with `#<slice>` after the path of the file.
    """
    path, place = split_frame(file)
    if contents.volumes > 1:
        slices = contents.frames // contents.volumes
        return [f"{path}#{place + slices * volume}" for volume in range(contents.volumes)]
    return [f"{path}#{frame}" for frame in range(contents.frames)] if contents.frames > 1 else [str(file)]


def stacked(names: Sequence[str], read: Callable[[str], DeepImage], kind: str) -> DeepImage:
    """Return frames as the channels of one image.

    Args:
        names: names of the frames.
        read: function that returns a frame.
        kind: noun for a frame, for the names of channels.

    Raises:
        MMLError: frames have different shapes or dtypes.
    """
    frames = [read(name) for name in names]
    first = frames[0]
    if len(frames) == 1:
        return first
    for name, frame in zip(names, frames, strict=True):
        if (frame.values.shape, frame.values.dtype) != (first.values.shape, first.values.dtype):
            raise MMLError(
                f"the image {name} has {frame.values.dtype} values of the shape {frame.values.shape}, {names[0]} "
                f"{first.values.dtype} of {first.values.shape}; frames that become channels are alike"
            )
    channels = tuple(f"{kind} {number}" for number in range(len(frames))) if first.values.ndim == 2 else ()
    return _joined(frames, channels)


def stacked_files(file: ChannelFiles, read: Callable[[Path], DeepImage]) -> DeepImage:
    """Return files of single channels as one image.

    Args:
        file: the files by channel.
        read: function that returns the image of a file.

    Raises:
        MMLError: a file has several channels or opacity, or the files have different sizes or dtypes.
    """
    images: list[DeepImage] = []
    for name, path in file.files.items():
        image = read(path)
        image = image.with_values(without_colours(image.values))
        where = f"the image {path} (channel {name})"
        if image.values.ndim == 3:
            kind = "colours" if image.values.shape[2] == 3 else f"{image.values.shape[2]} channels"
            raise MMLError(f"{where} has {kind}; a file of one channel is grey: save it so, or name it by image alone")
        if image.alpha is not None and image.alpha.min() < 255:
            raise MMLError(f"{where} has transparent pixels; a file of one channel has none: save it without alpha")
        first = images[0] if images else image
        for what, own, other in (
            ("pixels", _size(image), _size(first)),
            ("values", str(image.values.dtype), str(first.values.dtype)),
            ("white as", *("the least" if part.inverted else "the largest value" for part in (image, first))),
        ):
            if own != other:
                raise MMLError(
                    f"{where} has {own} {what}, {file.first} has {other}; channels of one image are alike: save them so"
                )
        images.append(image)
    return replace(_joined(images, tuple(file.files)), alpha=None)


def _size(image: DeepImage) -> str:
    return "×".join(map(str, image.values.shape))


def _joined(frames: Sequence[DeepImage], channels: tuple[str, ...]) -> DeepImage:
    """Return images of one size and dtype as one image with these channels."""
    windows = {frame.own_range for frame in frames}
    paddings = [frame.padding for frame in frames if frame.padding is not None]
    return DeepImage(
        np.concatenate([np.atleast_3d(frame.values) for frame in frames], axis=2),
        inverted=frames[0].inverted,
        findings=tuple({kind: None for frame in frames for kind in frame.findings if kind != BLANK}),
        own_range=windows.pop() if len(windows) == 1 else None,
        is_calibrated=all(frame.is_calibrated for frame in frames),
        padding=np.logical_or.reduce(paddings) if paddings else None,
        channels=channels,
    )
