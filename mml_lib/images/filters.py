"""Filters: resizing, contrast and colour of images, H×W×C of any dtype of pixels."""

import cv2
import numpy as np
from PIL import Image

from mml_lib.tasks.pixel_format import FULL_SCALE

BINS = 256
"""Number of bins of a histogram of CLAHE, for any dtype of pixels."""

WITHIN = ("nearest", "bilinear")
"""Interpolations whose results are between the values of the interpolated pixels."""


def resized(image: np.ndarray | Image.Image, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Return an image resized to a height and width by Pillow, with antialiasing."""

    def scaled(picture: Image.Image) -> Image.Image:
        return picture.resize(size[::-1], Image.Resampling[interpolation.upper()], reducing_gap=2.0)

    if isinstance(image, Image.Image):
        return as_array(scaled(image))
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(scaled(Image.fromarray(image)))
    channels = [np.asarray(scaled(_as_picture(image[..., channel]))) for channel in range(image.shape[2])]
    values = channels[0][..., None] if len(channels) == 1 else np.stack(channels, axis=-1)
    if image.dtype == np.uint8:
        return values
    is_within = interpolation in WITHIN  # values from 0 to full scale have such averages
    return _rounded(values, image.dtype) if is_within else as_depth(values, image.dtype)


def _as_picture(channel: np.ndarray) -> Image.Image:
    """Return one channel, H×W, as a picture: 8 bits without change, others as floating-point numbers.

    Pillow resizes 16 bits as such numbers faster than as integers. `Image.fromarray` would copy them three times.
    """
    if channel.dtype == np.uint8:
        return Image.fromarray(channel)
    picture = Image.new("F", channel.shape[::-1], None)
    picture.frombytes(np.ascontiguousarray(channel, np.float32))
    return picture


def resized_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a mask resized to a height and width by nearest neighbour."""
    return np.asarray(Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST))


def size_of(image: np.ndarray | Image.Image) -> tuple[int, int]:
    """Return height and width of an image in pixels."""
    height, width = image.shape[:2] if isinstance(image, np.ndarray) else (image.height, image.width)
    return height, width


def as_array(image: np.ndarray | Image.Image) -> np.ndarray:
    """Return an image as an array, H×W×C."""
    array = np.asarray(image)
    return array if array.ndim == 3 else array[..., None]


def as_depth(values: np.ndarray, depth: np.dtype) -> np.ndarray:
    """Return values, 0 to the full scale of a type of pixels, as that type; those beyond are cut off."""
    return _rounded(values.clip(0, FULL_SCALE[depth.name]), depth)


def _rounded(values: np.ndarray, depth: np.dtype) -> np.ndarray:
    return (np.rint(values) if depth.kind == "u" else values).astype(depth)


def equalized(image: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    """Return an image whose contrast is evened out in tiles×tiles: lightness of RGB, otherwise each channel."""
    cv2.setNumThreads(1)  # images are already decoded in parallel by all threads of a step
    if image.shape[2] == 3:
        return _equalized_lightness(image, clip_limit, tiles)
    channels = [_equalized_channel(image[..., channel], clip_limit, tiles) for channel in range(image.shape[2])]
    return np.stack(channels, axis=-1)


def _equalized_lightness(image: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    if image.dtype == np.uint8:
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        lab[..., 0] = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(lab[..., 0])
        return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    full_scale = FULL_SCALE[image.dtype.name]
    lab = cv2.cvtColor(image.astype(np.float32) / np.float32(full_scale), cv2.COLOR_RGB2LAB)  # lightness: 0 to 100
    lab[..., 0] = 100 * _contrast_limited(lab[..., 0] / 100, clip_limit, tiles)
    return as_depth(full_scale * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), image.dtype)


def _equalized_channel(channel: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    if channel.dtype == np.uint8:
        return cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(np.ascontiguousarray(channel))
    full_scale = FULL_SCALE[channel.dtype.name]
    return as_depth(full_scale * _contrast_limited(channel / np.float32(full_scale), clip_limit, tiles), channel.dtype)


def _contrast_limited(values: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    """Return values in 0..1 by the CLAHE of OpenCV for 8 bits, interpolated between its grey levels.

    OpenCV's CLAHE for 16 bits has 65,536 bins. Nearly all of them contain less than the limit, so it does not limit
    contrast.
    """
    height, width = values.shape
    is_even = height % tiles == width % tiles == 0
    padded = values if is_even else np.pad(values, [(0, tiles - side % tiles) for side in values.shape], "reflect")
    rows, columns = padded.shape[0] // tiles, padded.shape[1] // tiles
    levels = np.rint(padded * (BINS - 1)).astype(np.int64)
    blocks = levels.reshape(tiles, rows, tiles, columns).swapaxes(1, 2).reshape(tiles * tiles, rows * columns)
    offsets = BINS * np.arange(tiles * tiles)[:, None]
    counts = np.bincount((blocks + offsets).ravel(), minlength=BINS * tiles * tiles).reshape(-1, BINS)
    limit = max(1, int(clip_limit * rows * columns / BINS))
    # The clipped excess is distributed equally to all bins, and its remainder to bins at equal intervals.
    portion, rest = np.divmod((counts - limit).clip(0).sum(axis=1, keepdims=True), BINS)
    step = np.maximum(BINS // np.maximum(rest, 1), 1)
    bins = np.arange(BINS)
    counts = counts.clip(max=limit) + portion + ((bins % step == 0) & (bins // step < rest))
    curves = np.cumsum(counts, axis=1) / (rows * columns)
    curves = curves.reshape(tiles, tiles, BINS)
    return _interpolated(values, curves, rows, columns)


def _interpolated(values: np.ndarray, curves: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return values mapped by the curves of tiles (tiles×tiles×`BINS`), interpolated between the four nearest tiles."""
    tiles = len(curves)
    level = values * (BINS - 1)
    lower = level.astype(np.int64).clip(0, BINS - 2)
    share = level - lower
    result = np.zeros(values.shape, np.float32)
    sides = []
    for length, side in zip(values.shape, (rows, columns), strict=True):
        place = np.arange(length) / side - 0.5
        first = np.floor(place).astype(np.int64)
        sides.append([(first.clip(0), 1 - (place - first)), ((first + 1).clip(max=tiles - 1), place - first)])
    for row, row_weight in sides[0]:
        for column, column_weight in sides[1]:
            places = row[:, None], column[None, :]
            curve = curves[*places, lower] * (1 - share) + curves[*places, lower + 1] * share
            result += (row_weight[:, None] * column_weight[None, :] * curve).astype(np.float32)
    return result


def balanced(image: np.ndarray, power: float) -> np.ndarray:
    """Return an RGB image with grey light. The light is the Minkowski norm of each channel with exponent `power`."""
    if image.dtype == np.uint8:
        levels = np.arange(256) / 255
        counts = np.stack([np.bincount(image[..., c].ravel(), minlength=256) for c in range(3)])
        light = _normalized((counts @ levels**power / image[..., 0].size) ** (1 / power))
        table = np.round(255 * np.clip(levels[None, :] / light[:, None], 0, 1)).astype(np.uint8)
        return np.stack([table[c][image[..., c]] for c in range(3)], axis=-1)
    shares = image / np.float64(FULL_SCALE[image.dtype.name])
    light = _normalized((shares**power).mean((0, 1)) ** (1 / power))
    return as_depth(shares / light * FULL_SCALE[image.dtype.name], image.dtype)


def _normalized(light: np.ndarray) -> np.ndarray:
    return np.maximum(light, 1e-6) / max(np.linalg.norm(light), 1e-6) * np.sqrt(3)
