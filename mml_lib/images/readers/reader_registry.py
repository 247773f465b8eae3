"""The registry of readers, functions that read image files of one format."""

import functools
import inspect
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.deep_images import DeepImage
from mml_lib.registry import Registry
from mml_lib.tasks.creators.file_kinds import add_own_reader


class Header(NamedTuple):
    """Header of an image.

    Args:
        size: height and width of the upright image in pixels.
        depth: dtype of the samples, `uint8` for up to 8 bits.
        orientation: orientation of the stored image, 1 to 8.
    """

    size: tuple[int, int]
    depth: str
    orientation: int = 1


class Picture(NamedTuple):
    """An upright image of 8 bits as RGB or grey.

    Args:
        image: the pixels.
        findings: kinds of findings.
        has_drafts: True if the file can be decoded at a half of its size or less, which is faster with slightly
            different pixels.
    """

    image: Image.Image
    findings: Sequence[str] = ()
    has_drafts: bool = False


@dataclass(frozen=True)
class Contents:
    """Contents of a file besides its pixels. None or empty means that the file does not state a field.

    Args:
        frames: number of images in the file.
        patient: id of the patient.
        issuer: issuer of the id.
        study: id of the examination.
        series: id of the series.
        size: height and width that all images of the series must have; None if they may differ.
        axes: directions of rows, columns and slices in the body, such as `RAS`.
        volumes: number of volumes in the file, whose slices at one place may be channels. `frames` counts the slices of
            all volumes.
    """

    frames: int = 1
    patient: str | None = None
    issuer: str | None = None
    study: str | None = None
    series: str | None = None
    size: tuple[int, int] | None = None
    axes: str | None = None
    volumes: int = 1


ReadImage = DeepImage | Picture | np.ndarray


@dataclass(frozen=True)
class Reader:
    """A function that reads the image files of one format.

    Args:
        name: name of the reader, for messages.
        function: function of a file that returns its image. It may have further parameters: `draft` receives the least
            length of sides at which a JPEG may be decoded, `as_numbers` is True for masks, and `all_channels` is True
            if the study keeps channels besides grey and colours.
        suffixes: suffixes of its files in lower case.
        header: function of a file that returns its header; None: the image is read.
        contents: function of a file that returns its contents; None: files contain one image.
        fields: function of a file and keywords that returns the values of its header by keyword.
        pages: function of a file that returns its number of images, for studies that use all of them. It may have a
            parameter `all_channels`.
    """

    name: str
    function: Callable[..., ReadImage]
    suffixes: tuple[str, ...] = ()
    header: Callable[..., Header] | None = None
    contents: Callable[..., Contents] | None = None
    fields: Callable[..., dict[str, str]] | None = None
    pages: Callable[..., int] | None = None

    def read(self, file: Path | str, **options: Any) -> DeepImage | Picture:
        """Return the image of a file.

        Args:
            file: path of the file.
            options: arguments of the function. Those that it does not have are left out.
        """
        image = self.function(file, **_accepted(self.function, options))
        return image if isinstance(image, DeepImage | Picture) else DeepImage(check_samples(image, self.name, file))

    def read_header(self, file: Path | str, **options: Any) -> Header:
        """Return the header of an image."""
        if self.header is not None:
            return _check_header(self.header(file, **_accepted(self.header, options)), self.name, file)
        image = self.read(file, **options)
        if isinstance(image, Picture):
            return Header((image.image.height, image.image.width), "uint8")
        return Header(image.values.shape[:2], str(image.values.dtype))

    def read_contents(self, file: Path | str, with_pages: bool = False, **options: Any) -> Contents:
        """Return the contents of a file.

        Args:
            file: path of the file.
            with_pages: True to count all images, instead of the first one only.
            options: arguments of `pages`. Those that it does not have are left out.

        Raises:
            MMLError: the functions of the reader do not return contents, or a number of images.
        """
        contents: Any = Contents()
        if self.contents:
            contents = self.contents(file)
        elif with_pages and self.pages:
            contents = Contents(self.pages(file, **_accepted(self.pages, options)))
        with suppress(TypeError, AttributeError):
            if (frames := operator.index(contents.frames)) > 0:
                return replace(contents, frames=frames)
        value = f"{contents.frames!r} frames" if isinstance(contents, Contents) else type(contents).__name__
        raise MMLError(
            f"the image {file}: the reader '{self.name}' states contents of {value}; return Contents(frames=N) with a "
            "whole number of 1 or more"
        )


def _accepted(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a function has as parameters after the file."""
    return {key: value for key, value in options.items() if key in _parameters(function)}


@functools.lru_cache(maxsize=64)
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(list(inspect.signature(function).parameters)[1:])


def _check_header(header: Any, reader: str, file: Path | str) -> Header:
    """Return a header if it is valid.

    Raises:
        MMLError: it is not a header, or has no valid size or dtype.
    """
    with suppress(TypeError, ValueError, AttributeError):
        height, width = map(operator.index, header.size)
        if min(height, width) > 0 and np.dtype(header.depth).kind in "uif":
            return Header((height, width), str(np.dtype(header.depth)), header.orientation)
    raise MMLError(
        f"the image {file}: the reader '{reader}' states the header {header!r:.200}; return Header((height, width), "
        "depth) with a type of numbers such as 'uint16'"
    )


def check_samples(values: Any, reader: str, file: Path | str) -> np.ndarray:
    """Return the samples of an image, H×W or H×W×C. H×W×1 becomes H×W.

    Raises:
        MMLError: the values are not an array of finite numbers in these shapes.
    """
    values = np.asarray(values)
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if values.ndim not in (2, 3) or not values.size or values.dtype.kind not in "uif":
        raise MMLError(
            f"the image {file}: the reader '{reader}' returns {values.dtype} values of the shape {values.shape}; "
            "an image has numbers H×W or H×W×C"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise MMLError(f"the image {file} has values that are not numbers (NaN or infinite); write finite ones")
    return values


def split_frame(file: Path | str) -> tuple[Path, int]:
    """Return path and frame of a name such as `heart.dcm#3`; frame 0 of a name without one."""
    match = re.fullmatch(r"(.+)#(\d+)", str(file))
    if match is None or Path(file).exists():  # a file may have such a name
        return Path(file), 0
    return Path(match[1]), int(match[2])


READERS: Registry[Reader] = Registry("reader")
"""All readers by name, including those of plugins."""


def register_reader(
    name: str,
    suffixes: Sequence[str] = (),
    header: Callable[..., Header] | None = None,
    contents: Callable[..., Contents] | None = None,
    fields: Callable[..., dict[str, str]] | None = None,
    pages: Callable[..., int] | None = None,
) -> Callable[[Callable[..., ReadImage]], Callable[..., ReadImage]]:
    """Register the decorated function `(file: Path) -> array` as the reader `name`.

    Args:
        name: name of the reader, for messages.
        suffixes: suffixes of its files, such as `.r12`. Creators find files with these suffixes.
        header: function that returns the header of a file faster than reading its image.
        contents: function that returns the contents of a file, if files may contain several images. The reader and
            `header` then receive names such as `heart.r16#3`.
        fields: function that returns values of a file's header, for `metadata`.
        pages: function that returns the number of images of a file, for studies that use all of them, instead of the
            first one only.

    Raises:
        MMLError: another reader has the name or a suffix.
    """

    def register(function: Callable[..., ReadImage]) -> Callable[..., ReadImage]:
        reader = Reader(name, function, tuple(suffix.lower() for suffix in suffixes), header, contents, fields, pages)
        for suffix in reader.suffixes:
            if other := next((r.name for r in READERS.values() if suffix in r.suffixes and r.name != name), None):
                raise MMLError(
                    f"the reader '{name}': the reader '{other}' already reads files {suffix}; choose another suffix"
                )
        READERS.add(name, reader)
        if not function.__module__.startswith("mml_lib."):
            add_own_reader(function, reader.suffixes)
        return function

    return register
