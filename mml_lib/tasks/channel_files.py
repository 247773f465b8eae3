"""Channel files: images whose channels are in separate files, one per stain or sequence."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mml_lib.errors import MMLError


@dataclass(frozen=True)
class ChannelFiles:
    """Files of the channels of one image.

    Args:
        files: the file of each channel by its name, in the order of the channels.
    """

    files: Mapping[str, Path]

    @property
    def first(self) -> Path:
        """File of the first channel."""
        return next(iter(self.files.values()))

    def __str__(self) -> str:
        return " + ".join(map(str, self.files.values()))


ImageFile: TypeAlias = Path | ChannelFiles
"""File of an image, or its files by channel."""


def check_channels(channels: Mapping[str, str], image: str, where: str) -> None:
    """Refuse channel files that do not form an image.

    Args:
        channels: path of each channel's file by the name of the channel.
        image: image file of the sample.
        where: data set and sample, for errors.

    Raises:
        MMLError: there are fewer than two files, the first is not the image, or two channels have the same file.
    """
    files = {name: os.path.normpath(file) for name, file in channels.items()}
    if len(files) < 2 or next(iter(files.values())) != os.path.normpath(image):
        raise MMLError(f"{where} has the channels {files}; name two files or more, its image ({image}) as the first")
    first: dict[str, str] = {}
    for name, file in files.items():
        if first.setdefault(file, name) != name:
            raise MMLError(f"{where} has one file, {file}, for {first[file]} and {name}; name a file for each channel")
