"""Stacking: the frames of a file become the channels of one image."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.readers.reader_registry import Contents, split_frame


def stacked_frames(file: Path | str, contents: Contents) -> list[str]:
    """Return the names of the frames that are the channels of an image: its file alone where that has one frame.

    Of a series of volumes they are the slices at one place, `#<slice>` behind the file's path.
    """
    path, place = split_frame(file)
    if contents.volumes > 1:
        slices = contents.frames // contents.volumes
        return [f"{path}#{place + slices * volume}" for volume in range(contents.volumes)]
    return [f"{path}#{frame}" for frame in range(contents.frames)] if contents.frames > 1 else [str(file)]


def stacked(names: Sequence[str], read: Callable[[str], DeepImage], kind: str) -> DeepImage:
    """Return frames as the channels of one image.

    Args:
        names: of the frames.
        read: returns a frame.
        kind: noun for a frame, which names the channels.

    Raises:
        MMLError: frames have different sizes or types.
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
    windows = {frame.own_range for frame in frames}
    paddings = [frame.padding for frame in frames if frame.padding is not None]
    return DeepImage(
        np.concatenate([np.atleast_3d(frame.values) for frame in frames], axis=2),
        inverted=first.inverted,
        own_range=windows.pop() if len(windows) == 1 else None,
        is_calibrated=all(frame.is_calibrated for frame in frames),
        padding=np.logical_or.reduce(paddings) if paddings else None,
        channels=tuple(f"{kind} {number}" for number in range(len(frames))) if first.values.ndim == 2 else (),
    )
