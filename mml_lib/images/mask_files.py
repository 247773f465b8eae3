"""Mask files: decoding to class numbers, and the numbers and colours of a file.

A file with one channel contains numbers: values, or indices of its palette. A file with three channels contains
colours; if all pixels are grey, its numbers are the grey values.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.image_files import errors_named, open_image
from mml_lib.images.orientation import load_upright
from mml_lib.images.readers import as_deep_image, split_frame
from mml_lib.images.readers.reading import reader_of
from mml_lib.task_types import IGNORE
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN
from mml_lib.tasks.mask_values import BITS, COLOR, EMPTY, GREY, PALETTE, Color, MaskContent

BLACK, WHITE = 0, 0xFFFFFF
GREYS = np.arange(256, dtype=np.uint32) * 0x010101
"""Colour of each grey value, as R·65536 + G·256 + B."""

LONGEST_HEADER = 2**16
"""Number of bytes of a WebP that are searched for the kind of compression."""

PHOTOMETRIC = 262
"""Tag of TIFF; its value is 0 if zero is white."""

WHOLE_SCALE = 257
"""Factor between 8-bit values and values that are scaled to 16 bits: 255 becomes 65535."""


@dataclass(frozen=True)
class MaskPixels:
    """The pixels of a mask file.

    Args:
        kind: one of `KINDS`.
        pixels: numbers, H×W (uint8); colours R·65536 + G·256 + B for the kind `COLOR`, H×W (uint32).
        palette: colour of each number, 256 (uint32); not used for the kind `COLOR`.
        zero_is_white: True if the file states that its smallest value is white.
        lossy: True if the file has lossy compression.
    """

    kind: str
    pixels: np.ndarray
    palette: np.ndarray
    zero_is_white: bool = False
    lossy: bool = False

    @property
    def colors(self) -> np.ndarray:
        """Colour of each pixel, R·65536 + G·256 + B, H×W (uint32)."""
        return self.pixels if self.kind == COLOR else self.palette[self.pixels]


def decode_mask(
    file: Path | str, size: tuple[int, int] | None = None, colors: Sequence[Color] | None = None
) -> np.ndarray:
    """Return the values of a mask, H×W (uint8).

    Args:
        file: image, row of an array, or `EMPTY_MASK_TOKEN`.
        size: required height and width; None: any size.
        colors: colour of each value; None: the numbers of the file are the values.

    Raises:
        MMLError: the mask has other colours than `colors`, values above 255, or another size.
    """
    mask = read_mask(file, size)
    shape = mask.pixels.shape
    if size is not None and shape != tuple(size):
        raise MMLError(f"the mask {file} has {shape[0]}×{shape[1]} pixels, its image {size[0]}×{size[1]}")
    if colors is None:
        if mask.kind == COLOR:
            raise MMLError(
                f"the mask {file} has colours (RGB); store class numbers in one channel, or list masks again"
            )
        return np.array(mask.pixels)
    codes = np.array([red << 16 | green << 8 | blue for red, green, blue in colors], dtype=np.uint32)
    order = np.argsort(codes)
    places = np.minimum(np.searchsorted(codes, mask.colors, sorter=order), len(codes) - 1)
    values = order[places]
    if (codes[values] != mask.colors).any():
        raise MMLError(f"the mask {file} has other colours than when the data set was listed; list it again")
    return values.astype(np.uint8)


def survey_mask(file: Path | str, size: tuple[int, int]) -> MaskContent:
    """Return the size of a mask, and the number of pixels of each number or colour.

    Args:
        file: see `decode_mask`.
        size: height and width of the image, for an empty mask.

    Raises:
        MMLError: the file is damaged, or is not a mask.
    """
    mask = read_mask(file, size)
    if mask.kind == COLOR:
        colors, counts = np.unique(mask.pixels, return_counts=True)
        if len(colors) > IGNORE:
            raise MMLError(
                f"the mask {file} has {len(colors)} colours, more than classes can have; it is a photograph, or JPEG "
                "compression or smoothing left them: save the mask itself as PNG, each class in one colour"
            )
        tally = dict(zip(colors.tolist(), counts.tolist(), strict=True))
        codes = {color: color for color in tally}
        return MaskContent(mask.pixels.shape, COLOR, tally, codes, mask.zero_is_white, mask.lossy)
    counts = np.bincount(mask.pixels.ravel(), minlength=256)
    tally = {int(number): int(counts[number]) for number in np.flatnonzero(counts)}
    codes = {number: int(mask.palette[number]) for number in tally}
    # Indices 0 and 1 for black and white are equivalent to one bit.
    bits = mask.kind in (GREY, PALETTE) and all(
        {0: BLACK, 1: WHITE}.get(number) == color for number, color in codes.items()
    )
    kind = BITS if bits else mask.kind
    return MaskContent(mask.pixels.shape, kind, tally, codes, mask.zero_is_white, mask.lossy)


def unused_value(counts: Iterable[Mapping[int, int] | None]) -> int:
    """Return the largest value that no mask contains, usually 255.

    Args:
        counts: number of pixels of each value in each mask.
    """
    used = {value for values in counts for value in values or ()}
    return max(set(range(256)) - used, default=IGNORE)


def read_mask(file: Path | str, size: tuple[int, int] | None = None) -> MaskPixels:
    """Read a mask file.

    Args:
        file: image, row of an array, or `EMPTY_MASK_TOKEN`.
        size: height and width of an empty mask.

    Raises:
        MMLError: the file is missing or damaged, or its values cannot be classes.
    """
    if file == EMPTY_MASK_TOKEN:
        return MaskPixels(EMPTY, np.zeros(size or (0, 0), dtype=np.uint8), GREYS)
    with errors_named(file, "mask"):
        reader = reader_of(file)
        if reader.name != "pillow":
            return _of_array(as_deep_image(reader.read(file, as_numbers=True)).values, file)
        path, page = split_frame(file)
        with open_image(path, page) as image:
            if path == Path(file) and getattr(image, "n_frames", 1) > 1:
                raise MMLError(f"the mask {file} has {image.n_frames} pages; save one mask as one picture")
            raw_mode, lossy, zero_is_white = _raw_mode(image), _is_lossy(image), _is_zero_white(image)
            largest = _largest_value(image, raw_mode)
            mask = _of_image(load_upright(image), raw_mode, largest, file)
            if zero_is_white:
                _check_white_zero(mask, raw_mode, file)
            return replace(mask, lossy=lossy, zero_is_white=zero_is_white)


def _largest_value(image: Image.Image, raw_mode: str) -> int | None:
    """Return the number that Pillow scales to white, for few bits or as a PPM states; None if it does not scale."""
    if image.format == "PPM":
        arguments = image.tile[0].args if image.tile else None
        return arguments[1] if isinstance(arguments, tuple) and arguments[1] not in (255, 65535) else None
    return {"L;2": 3, "L;4": 15}.get(raw_mode[:3]) if "I" not in raw_mode else None


def _raw_mode(image: Image.Image) -> str:
    """Return Pillow's name for the layout of pixels in the file (`L;4`: grey of 4 bits), before they are loaded."""
    arguments = image.tile[0].args if image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _is_zero_white(image: Image.Image) -> bool:
    """Return True if the smallest value of a file is white: in PBM, and if a TIFF states it."""
    if image.format == "PPM":
        return image.mode == "1"
    return image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == 0


def _check_white_zero(mask: MaskPixels, raw_mode: str, file: Path | str) -> None:
    """Refuse a mask whose zero is white, except black and white masks, which Pillow inverts."""
    numbers = {0, 1} if mask.kind == BITS else {0, 255}
    if "16" in raw_mode or not set(np.unique(mask.pixels).tolist()) <= numbers:
        raise MMLError(
            f"the mask {file} is a TIFF whose zero is white (MINISWHITE): its numbers may be meant as stored or as "
            "shown; save it as PNG"
        )


def _is_lossy(image: Image.Image) -> bool:
    """Return True if an image that is not loaded yet has lossy compression: JPEG (also in TIFF) or lossy WebP."""
    if image.format == "WEBP":
        image.fp.seek(0)
        return b"VP8 " in image.fp.read(LONGEST_HEADER)
    return image.format in ("JPEG", "MPO") or image.info.get("compression") == "jpeg"


def _of_image(image: Image.Image, raw_mode: str, largest: int | None, file: Path | str) -> MaskPixels:
    """Return the pixels of a loaded image."""
    if largest is not None:
        if image.mode not in ("L", "I"):
            raise MMLError(f"the mask {file} has colours of other than 8 bits; save it as PNG")
        return _of_stretched(np.asarray(image), largest, file)
    if image.mode == "P":
        return MaskPixels(PALETTE, np.asarray(image), _palette(image))
    if image.mode == "1":
        palette = np.where(np.arange(256) == 0, BLACK, WHITE).astype(np.uint32)
        return MaskPixels(BITS, np.asarray(image).astype(np.uint8), palette)
    if image.mode == "L":
        return MaskPixels(GREY, np.asarray(image), GREYS)
    if image.mode == "F" or image.mode.startswith("I"):
        return MaskPixels(GREY, _as_numbers(np.asarray(image), file), GREYS)
    if "16" in raw_mode:
        raise MMLError(f"the mask {file} has colours of 16 bits; save it with 8 bits a channel, or in one channel")
    if image.has_transparency_data:
        return _of_colors(_without_alpha(np.asarray(image.convert("RGBA")), file))
    return _of_colors(np.asarray(image if image.mode == "RGB" else image.convert("RGB")))


def _palette(image: Image.Image) -> np.ndarray:
    """Return the colour of each index (uint32, 256); transparent ones are black, as nothing is drawn there."""
    strip = Image.frombytes("P", (256, 1), bytes(range(256)))
    strip.putpalette(image.getpalette("RGB"))
    strip.info = dict(image.info)
    channels = np.asarray(strip.convert("RGBA"))[0]
    return np.where(channels[:, 3] == 0, BLACK, _codes(channels[:, :3])).astype(np.uint32)


def _of_stretched(values: np.ndarray, largest: int, file: Path | str) -> MaskPixels:
    """Return the numbers of a grey file that Pillow has scaled so that the largest one is white."""
    white = 255 if values.dtype == np.uint8 else 65535
    numbers = _as_numbers(np.rint(values * (largest / white)), file)
    greys = np.rint(np.arange(256) * (255 / largest)).clip(0, 255).astype(np.uint32)
    return MaskPixels(GREY, numbers, greys * 0x010101)


def _as_numbers(values: np.ndarray, file: Path | str) -> np.ndarray:
    """Return values of any type as uint8.

    Raises:
        MMLError: some are not whole numbers from 0 to 255, nor such numbers scaled to 16 bits.
    """
    if values.dtype == np.uint8:
        return np.array(values)
    if values.dtype.kind not in "buif":
        raise MMLError(f"the mask {file} has values of type {values.dtype}; store class numbers with 8 bits")
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.floor(values)).all()):
        raise MMLError(f"the mask {file} has values that are not whole numbers; store class numbers with 8 bits")
    highest = values.max(initial=0)
    if values.size and values.min() >= 0 and highest > 255 and highest <= 65535 and (values % WHOLE_SCALE == 0).all():
        values = values // WHOLE_SCALE
    elif values.size and (values.min() < 0 or highest > 255):
        if values.min() < 0:
            raise MMLError(f"the mask {file} has values below 0; mark ignored pixels with 255")
        count = len(np.unique(values))
        raise MMLError(
            f"the mask {file} has values outside 0..255 ({count} different, {values.min()} to {highest}): numbers of "
            "objects, not of classes? Store class numbers with 8 bits"
        )
    return values.astype(np.uint8)


def _of_array(row: np.ndarray, file: Path | str) -> MaskPixels:
    """Return the pixels of a row of an array: H×W, H×W×1, or colours H×W×3 or ×4."""
    row = row[..., 0] if row.ndim == 3 and row.shape[2] == 1 else row
    if row.ndim == 2:
        return MaskPixels(GREY, _as_numbers(row, file), GREYS)
    if row.ndim != 3 or row.shape[2] not in (3, 4) or row.dtype != np.uint8:
        raise MMLError(f"the mask {file} has the shape {row.shape} of {row.dtype}, not H×W or H×W×3 of bytes")
    return _of_colors(_without_alpha(row, file) if row.shape[2] == 4 else row)


def _of_colors(channels: np.ndarray) -> MaskPixels:
    """Return the pixels of a mask with colours, H×W×3 (uint8)."""
    red, green, blue = np.moveaxis(channels, 2, 0)
    if (red == green).all() and (green == blue).all():
        return MaskPixels(GREY, np.array(red), GREYS)
    return MaskPixels(COLOR, _codes(channels), GREYS)


def _without_alpha(channels: np.ndarray, file: Path | str) -> np.ndarray:
    """Return colours, H×W×3 (uint8), with black for transparent pixels, which have no annotation.

    Raises:
        MMLError: pixels are half transparent, all are transparent, or black pixels may mean something else.
    """
    colors, alpha = channels[..., :3], channels[..., 3]
    if (alpha == 255).all():
        return colors
    clear = alpha == 0
    if clear.all():
        raise MMLError(f"the mask {file} is transparent everywhere; save it without transparency")
    if not (clear | (alpha == 255)).all():
        raise MMLError(
            f"the mask {file} has pixels that are half transparent; save it without transparency and smoothing"
        )
    if (colors[~clear] == 0).all(axis=1).any():
        raise MMLError(
            f"the mask {file} has black pixels and transparent ones, which may mean two things; save it without "
            "transparency"
        )
    return np.where(clear[..., None], 0, colors).astype(np.uint8)


def _codes(channels: np.ndarray) -> np.ndarray:
    """Return colours (…×3) as R·65536 + G·256 + B (uint32)."""
    red, green, blue = np.moveaxis(channels.astype(np.uint32), -1, 0)
    return red << 16 | green << 8 | blue
