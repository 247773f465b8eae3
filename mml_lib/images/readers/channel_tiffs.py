"""TIFFs of many channels, read by tifffile: bands, planes, and the channel axes of OME-TIFF and ImageJ."""

import functools
import logging
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.colours import OPACITY
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.orientation import ORIENTATION, turn_samples
from mml_lib.images.readers.reader_registry import Header

EXTRA = "pip install 'mml[tiff]'"
CHANNELS_OF_IMAGEJ = re.compile(r"ImageJ=.*?^channels=(\d+)", re.DOTALL | re.MULTILINE)
SIZE_OF_OME = re.compile(r"<(?:\w+:)?Pixels\b[^>]*\bSizeC=[\"'](\d+)")
SAMPLES_OF_OME = re.compile(r"\bSamplesPerPixel=[\"'](\d+)")
DESCRIPTION = 270

PLAIN = (0, 1, 2)
"""Supported photometric interpretations: grey with white or black as zero, and RGB."""

_LOADING = Lock()


class ChannelStack(NamedTuple):
    """Upright images of a file, frames×H×W×C, and the names of their channels, which grey and RGB do not have."""

    values: np.ndarray
    names: tuple[str, ...]
    is_inverted: bool


def has_channel_axis(image: Image.Image) -> bool:
    """Return True if metadata of a TIFF that Pillow has opened state that its pages are channels of an image."""
    text = image.tag_v2.get(DESCRIPTION) if image.format == "TIFF" else None
    if not isinstance(text, str):
        return False
    if match := CHANNELS_OF_IMAGEJ.match(text):
        return int(match[1]) > 1
    if "<OME" not in text or not (match := SIZE_OF_OME.search(text)):
        return False
    samples = SAMPLES_OF_OME.search(text)
    return int(match[1]) > (int(samples[1]) if samples else 1)


def is_tiff(path: Path | str) -> bool:
    """Return True if a file has the first bytes of a TIFF."""
    with open(path, "rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_stack(path: Path) -> ChannelStack:
    """Return the images of a TIFF with all their channels.

    Raises:
        MMLError: tifffile, or the package that decompresses the file, is not installed.
    """
    state = os.stat(path)
    with _LOADING:  # several threads may read frames of one file
        return _loaded(str(path), state.st_mtime_ns, state.st_size)


def read_channels(path: Path, frame: int) -> DeepImage:
    """Return a frame of a TIFF with all of its channels."""
    stack = read_stack(path)
    if frame >= len(stack.values):
        raise MMLError(f"the image {path} has no frame {frame}; list the data set again")
    values = stack.values[frame]
    values = values[..., 0] if values.shape[2] == 1 else values
    return DeepImage(np.ascontiguousarray(values), inverted=stack.is_inverted, channels=stack.names)


def read_channels_header(path: Path) -> Header:
    """Return the header of the frames of a TIFF of many channels."""
    values = read_stack(path).values
    return Header(values.shape[1:3], str(values.dtype))


@functools.lru_cache(maxsize=4)
def _loaded(path: str, changed: int, size: int) -> ChannelStack:
    """Return the images of a file. Time and size are part of the key of the cache."""
    tifffile = _import_tifffile(path)
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            _check_bands(series.keyframe, path)
            values = _frames_first(series.asarray(), series.axes)
            tag = series.keyframe.tags.get(ORIENTATION)
            number = values.shape[3]
            names = _names_of_ome(file.ome_metadata, number) if file.is_ome else ()
            if number > 1 and not (number == 3 and series.keyframe.photometric == tifffile.PHOTOMETRIC.RGB):
                names = names or tuple(f"channel {place}" for place in range(number))
            is_inverted = series.keyframe.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise MMLError(f"the image {path} is compressed, and reading it needs imagecodecs: {EXTRA}") from error
        raise
    if values.dtype.kind not in "uif":
        raise MMLError(f"the image {path} has values of type {values.dtype}; save them as numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise MMLError(f"the image {path} has values that are not numbers (NaN or infinite); write finite ones")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if tag is not None and tag.value != 1:
        values = np.stack([turn_samples(frame, int(tag.value)) for frame in values])
    return ChannelStack(values, names, is_inverted)


def _check_bands(page: Any, path: str) -> None:
    """Refuse opacity, whose usual kinds Pillow reads, and colours that are neither grey nor RGB."""
    extra = {int(kind) for kind in page.extrasamples or ()}
    if OPACITY & extra or int(page.photometric) not in PLAIN:
        kind = "opacity" if OPACITY & extra else page.photometric.name
        raise MMLError(
            f"the image {path} is a TIFF with {page.dtype} samples, {page.samplesperpixel} bands and {kind}, which is "
            f"not supported; save it as RGB or grey without {kind}"
        )


def _import_tifffile(path: str) -> ModuleType:
    try:
        import tifffile

        logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # errors are raised here, with the file's name
    except ImportError as error:
        raise MMLError(
            f"the image {path} is a TIFF of several channels, which needs tifffile: {EXTRA}; or set images: "
            "{channels: rgb}, or grey, to read its colours or its first page"
        ) from error
    return tifffile


def _frames_first(values: np.ndarray, axes: str) -> np.ndarray:
    """Return values whose axes are frames (all but the others in one), rows, columns and channels."""
    channels = [place for place, axis in enumerate(axes) if axis in "CS"]
    plane = [axes.index("Y"), axes.index("X")]
    others = [place for place in range(len(axes)) if place not in (*channels, *plane)]
    ordered = values.transpose(*others, *plane, *channels)
    height, width = (values.shape[place] for place in plane)
    number = int(np.prod([values.shape[place] for place in channels], dtype=np.int64))
    return ordered.reshape(-1, height, width, number)


def _names_of_ome(metadata: Any, number: int) -> tuple[str, ...]:
    """Return the names of the channels of the first image, none unless each has one of its own."""
    image = next((part for part in ET.fromstring(metadata) if part.tag.endswith("}Image")), None)
    if image is None:
        return ()
    names = [str(part.get("Name") or "").strip() for part in image.iter() if part.tag.endswith("}Channel")]
    return tuple(names) if all(names) and len(set(names)) == len(names) == number else ()
