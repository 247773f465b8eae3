"""Channel files: images whose channels lie in several files, one a stain or sequence."""

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
"""Where an image is: in one file, or in one a channel."""


def check_channels(channels: Mapping[str, str], image: str, where: str) -> None:
    """Refuse channels that are not those of several files, the first of them the image.

    Args:
        channels: files by the name of their channel.
        image: the image of the sample.
        where: data set and sample, for the error.

    Raises:
        MMLError: there are less than two files, the first is another one than the image, or two channels are one file.
    """
    files = {name: os.path.normpath(file) for name, file in channels.items()}
    if len(files) < 2 or next(iter(files.values())) != os.path.normpath(image):
        raise MMLError(f"{where} has the channels {files}; name two files or more, its image ({image}) as the first")
    first: dict[str, str] = {}
    for name, file in files.items():
        if first.setdefault(file, name) != name:
            raise MMLError(f"{where} has one file, {file}, for {first[file]} and {name}; name a file for each channel")
