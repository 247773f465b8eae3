"""The registry of readers."""

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
    """Size of an upright image in pixels, the type of its samples (`uint8` for 8 bits and less), its orientation."""

    size: tuple[int, int]
    depth: str
    orientation: int = 1


class Picture(NamedTuple):
    """An upright image of 8 bits as RGB or grey.

    Args:
        image: its pixels.
        findings: kinds of its findings.
        has_drafts: its file can be decoded at a half of its size or less, which is faster and gives other pixels.
    """

    image: Image.Image
    findings: Sequence[str] = ()
    has_drafts: bool = False


@dataclass(frozen=True)
class Contents:
    """Contents of a file beside its pixels.

    Args:
        frames: images that it holds.
        patient: who it shows, None or empty where it does not say.
        issuer: who gave the patient that name, likewise.
        study: the examination of one patient that it belongs to, likewise.
        series: the series that it belongs to, likewise.
        size: height and width that all images of the series must have, None where they may differ.
        axes: directions of rows, columns and slices in the body, such as `RAS`; None where it does not say.
        volumes: volumes of a series, whose slices at one place may be channels; its frames are the slices of all.
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
        name: in errors.
        function: called with a file; returns its image. A parameter `draft` gets the length that no side of a JPEG has
            to exceed, a parameter `as_numbers` is True for masks, a parameter `all_channels` where the study keeps
            channels beside grey and colours.
        suffixes: of its files, in small letters.
        header: called with a file; returns its header. None: the image is read.
        contents: called with a file; returns its contents. None: it holds one image.
        fields: called with a file and keywords; returns the values of its header by keyword.
        pages: called with a file where the study asks for all of its images, not the first only; returns their number.
            It may have a parameter `all_channels`, too.
    """

    name: str
    function: Callable[..., ReadImage]
    suffixes: tuple[str, ...] = ()
    header: Callable[..., Header] | None = None
    contents: Callable[..., Contents] | None = None
    fields: Callable[..., dict[str, str]] | None = None
    pages: Callable[..., int] | None = None

    def read(self, file: Path | str, **options: Any) -> DeepImage | Picture:
        """Return an image.

        Args:
            file: its path.
            options: parameters of the function; those that it does not have are left out.
        """
        image = self.function(file, **_taken(self.function, options))
        return image if isinstance(image, DeepImage | Picture) else DeepImage(check_samples(image, self.name, file))

    def read_header(self, file: Path | str, **options: Any) -> Header:
        """Return the header of an image."""
        if self.header is not None:
            return _check_header(self.header(file, **_taken(self.header, options)), self.name, file)
        image = self.read(file, **options)
        if isinstance(image, Picture):
            return Header((image.image.height, image.image.width), "uint8")
        return Header(image.values.shape[:2], str(image.values.dtype))

    def read_contents(self, file: Path | str, with_pages: bool = False, **options: Any) -> Contents:
        """Return the contents of a file.

        Args:
            file: its path.
            with_pages: count images of which otherwise the first is read.
            options: parameters of `pages`; those that it does not have are left out.

        Raises:
            MMLError: the functions of the reader return no contents, or no number of images.
        """
        contents: Any = Contents()
        if self.contents:
            contents = self.contents(file)
        elif with_pages and self.pages:
            contents = Contents(self.pages(file, **_taken(self.pages, options)))
        with suppress(TypeError, AttributeError):
            if (frames := operator.index(contents.frames)) > 0:
                return replace(contents, frames=frames)
        value = f"{contents.frames!r} frames" if isinstance(contents, Contents) else type(contents).__name__
        raise MMLError(
            f"the image {file}: the reader '{self.name}' states contents of {value}; return Contents(frames=N) with a "
            "whole number of 1 or more"
        )


def _taken(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a function has as parameters behind the file."""
    return {key: value for key, value in options.items() if key in _parameters(function)}


@functools.lru_cache(maxsize=64)
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(list(inspect.signature(function).parameters)[1:])


def _check_header(header: Any, reader: str, file: Path | str) -> Header:
    """Return a header.

    Raises:
        MMLError: it is none, or has no size or no type of numbers.
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
    """Return the samples of an image, H×W or H×W×C; those of H×W×1 as H×W.

    Raises:
        MMLError: they are no array of numbers in that shape.
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
    if match is None or Path(file).exists():  # a file may be called so
        return Path(file), 0
    return Path(match[1]), int(match[2])


READERS: Registry[Reader] = Registry("reader")
"""All readers by name, those of plugins among them."""


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
        name: in errors.
        suffixes: of its files, such as `.r12`; creators find files with these suffixes.
        header: returns the header of a file, if that takes less time than to read its image.
        contents: returns the contents of a file, if it may hold several images. The function, and `header`, then get
            names such as `heart.r16#3`.
        fields: returns values of a file's header, for `metadata`.
        pages: returns the number of images of a file of which the first is read unless the study asks for all.

    Raises:
        MMLError: another reader has the name or a suffix.
    """

    def register(function: Callable[..., ReadImage]) -> Callable[..., ReadImage]:
        reader = Reader(name, function, tuple(suffix.lower() for suffix in suffixes), header, contents, fields, pages)
        for suffix in reader.suffixes:
            if other := next((r.name for r in READERS.values() if suffix in r.suffixes and r.name != name), None):
                raise MMLError(f"the reader '{name}': files {suffix} are read by the reader '{other}' already")
        READERS.add(name, reader)
        if not function.__module__.startswith("mml_lib."):
            add_own_reader(function, reader.suffixes)
        return function

    return register
