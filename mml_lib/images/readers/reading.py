"""Reading of an image file of any format by the reader for its suffix."""

from typing import Any

import numpy as np

from mml_lib.images.deep_images import DeepImage
from mml_lib.images.image_files import errors_named
from mml_lib.images.readers.array_rows import is_array_row
from mml_lib.images.readers.reader_registry import READERS, Header, Picture, Reader, split_frame
from mml_lib.images.readers.stacking import stacked, stacked_files, stacked_frames
from mml_lib.tasks.channel_files import ChannelFiles, ImageFile
from mml_lib.tasks.creators.file_kinds import has_preamble, may_be_dicom, suffix_of


def reader_of(file: ImageFile | str) -> Reader:
    """Return the reader of a file, by its suffix or the preamble of DICOM; the default is `pillow`.

    For files by channel, it is the reader of the first file.
    """
    file = file.first if isinstance(file, ChannelFiles) else file
    if is_array_row(file):
        return READERS["array_row"]
    path, _ = split_frame(file)
    suffix = suffix_of(path.name)
    if may_be_dicom(suffix) and has_preamble(str(path)):
        return READERS["dicom"]
    return next((reader for reader in READERS.values() if suffix in reader.suffixes), READERS["pillow"])


def as_deep_image(image: DeepImage | Picture) -> DeepImage:
    """Return an image as `DeepImage`; pictures have RGB or grey samples."""
    return DeepImage(np.asarray(image.image), findings=tuple(image.findings)) if isinstance(image, Picture) else image


def read_header(file: ImageFile | str, stacks_frames: bool = False, **options: Any) -> Header:
    """Return size, depth and orientation of an image, if possible without decoding it.

    Args:
        file: see `read_samples`.
        stacks_frames: see `read_samples`. All frames have the header of the first one.
        options: arguments of functions for headers.

    Raises:
        MMLError: the file is missing, or is not an image.
    """
    file = file.first if isinstance(file, ChannelFiles) else file  # all files have equal headers
    with errors_named(file):
        return reader_of(file).read_header(file, **options)


def read_samples(file: ImageFile | str, stacks_frames: bool = False, **options: Any) -> DeepImage | Picture:
    """Return the upright image of a file.

    Args:
        file: path, row of an array, or files by channel.
        stacks_frames: True if the frames of a file are the channels of one image.
        options: arguments of readers, such as `draft`.

    Raises:
        MMLError: the file is missing or damaged, or has an unsupported kind of samples.
    """
    if isinstance(file, ChannelFiles):
        options |= {"draft": None}  # one file may be a JPEG, the other not
        return stacked_files(file, lambda path: as_deep_image(read_samples(path, **options)))
    with errors_named(file):
        reader = reader_of(file)
        if not stacks_frames:
            return reader.read(file, **options)
        contents = reader.read_contents(split_frame(file)[0], with_pages=True)
        frames = stacked_frames(file, contents)
        if len(frames) == 1:
            return reader.read(file, **options)
        kind = "volume" if contents.volumes > 1 else "frame"
        return stacked(frames, lambda frame: as_deep_image(reader.read(frame, **options)), kind)
