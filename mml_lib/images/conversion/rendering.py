"""Rendering: conversion of the samples of an image file to pixels of the data set's format."""

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.files.templates import MANIFEST
from mml_lib.images.colours import LEAST_OPACITY, samples_to_rgb
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.findings import BLANK, UNSEEN
from mml_lib.images.readers import Picture, as_deep_image
from mml_lib.images.value_mapping import to_depth, widen
from mml_lib.tasks.channel_files import ImageFile
from mml_lib.tasks.pixel_format import GREY, RGB, Conversion, PixelFormat

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in grey (ITU-R BT.601), as in Pillow's mode L."""

MODES = {RGB: "RGB", GREY: "L"}
"""Modes of Pillow by channels."""

Pixels: TypeAlias = Image.Image | np.ndarray


def render(image: DeepImage | Picture, conversion: Conversion, file: ImageFile | str) -> tuple[Pixels, Sequence[str]]:
    """Return the pixels of an image, and the kinds of its findings.

    Args:
        image: image of a reader.
        conversion: conversion of the data set.
        file: file of the image, for messages.

    Returns:
        An image of Pillow for grey and RGB of 8 bits, which Pillow resizes without a copy; an array H×W×C for others.

    Raises:
        MMLError: the image has other channels than the data set, or its values have no mapping.
    """
    mode = MODES.get(conversion.pixels.channels) if conversion.picked is None else None
    is_picture = mode is not None and conversion.pixels.depth == "uint8"
    if is_picture and isinstance(image, Picture):
        return _in_mode(image.image, mode), image.findings
    deep = as_deep_image(image)
    _check_channels(deep.stored, conversion, file)
    pixels = _mapped(deep, conversion, file)
    if is_picture:
        rgb, findings = samples_to_rgb(pixels[..., 0] if pixels.shape[2] == 1 else pixels, deep.alpha)
        return _in_mode(rgb, mode), [*deep.findings, *findings]
    findings = list(image.findings)
    if deep.alpha is not None:
        pixels, hidden = _on_white(pixels, deep.alpha, conversion.pixels)
        findings += hidden
    pixels = _in_channels(pixels, conversion.pixels)
    return pixels, [*findings, BLANK] if _is_blank(pixels) else findings


def first_pixel(pixels: Pixels) -> tuple[float, ...]:
    """Return the values of the upper left pixel."""
    if isinstance(pixels, Image.Image):
        values = pixels.getpixel((0, 0))
        return values if isinstance(values, tuple) else (values,)
    return tuple(pixels[0, 0].tolist())


def _in_mode(picture: Image.Image, mode: str | None) -> Image.Image:
    return picture if picture.mode == mode else picture.convert(mode)


def _check_channels(values: np.ndarray, conversion: Conversion, file: ImageFile | str) -> None:
    """Check that the channels of an image can become those of the data set."""
    count = 1 if values.ndim == 2 else values.shape[2]
    if conversion.picked is not None:
        fits = count > max(conversion.picked)
    else:
        fits = count == 1 or (count == 3 and not conversion.windows)
    if not fits:
        raise MMLError(
            f"the image {file} has {count} channels, its data set {conversion.pixels}; list the data set again "
            f"(snakemake --force data/RAW/<data set>/{MANIFEST}), correct images.channels of the task, or replace it"
        )


def _mapped(deep: DeepImage, conversion: Conversion, file: ImageFile | str) -> np.ndarray:
    """Return the picked channels of an image, or one for each window, as pixels H×W×C of the data set's dtype."""
    values = deep.stored if deep.stored.ndim == 3 else deep.stored[..., None]
    if conversion.picked is not None and conversion.picked != tuple(range(values.shape[2])):
        values = values[..., list(conversion.picked)]
    depth, value_range = conversion.pixels.depth, conversion.value_range
    if values.dtype == np.uint8 and deep.rescale is None:
        return widen(values, depth)
    if conversion.windows:
        parts = [values] if values.shape[2] == 1 else np.split(values, values.shape[2], axis=2)
        pairs = zip(itertools.cycle(parts), conversion.windows)  # one channel has several windows
        pixels = np.concatenate([to_depth(part, window, depth, deep.rescale) for part, window in pairs], axis=2)
    else:
        if value_range is None:
            raise MMLError(
                f"the image {file} has {values.dtype} samples, and its data set has no range of values, as it was "
                f"listed before it had such images; list it again: snakemake --force data/RAW/<data set>/{MANIFEST}"
            )
        if value_range.is_own:
            value_range = deep.own_range
        if value_range is None:
            raise MMLError(
                f"the image {file} has no window of its own, as it had when its data set was listed; list it again: "
                f"snakemake --force data/RAW/<data set>/{MANIFEST}"
            )
        pixels = to_depth(values, value_range, depth, deep.rescale)
    if deep.inverted:
        pixels = (conversion.pixels.full_scale - pixels).astype(pixels.dtype)
    if deep.padding is not None:
        pixels = np.where(deep.padding[..., None], 0, pixels).astype(pixels.dtype)
    return pixels


def _on_white(pixels: np.ndarray, alpha: np.ndarray, form: PixelFormat) -> tuple[np.ndarray, list[str]]:
    """Return pixels on a white background, and a finding if alpha would hide all of them."""
    if alpha.max() < LEAST_OPACITY:
        return pixels, [UNSEEN]
    opacity = (alpha / 255)[..., None]
    return _as_depth(pixels * opacity + form.full_scale * (1 - opacity), pixels.dtype), []


def _in_channels(pixels: np.ndarray, form: PixelFormat) -> np.ndarray:
    count = pixels.shape[2]
    if form.channels == GREY and count == 3:
        return _as_depth((pixels @ LUMA)[..., None], pixels.dtype)
    return np.repeat(pixels, 3, axis=2) if form.channels == RGB and count == 1 else pixels


def _as_depth(values: np.ndarray, depth: np.dtype) -> np.ndarray:
    return (np.rint(values) if depth.kind == "u" else values).astype(depth)


def _is_blank(pixels: np.ndarray) -> bool:
    """Return True if all pixels are equal."""
    return not any((part != pixels[0, 0]).any() for part in (pixels[:1], pixels))
