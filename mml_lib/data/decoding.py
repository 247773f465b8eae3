"""Decoding: one image file, whatever its format, to 8-bit RGB as people see it; one mask to class numbers."""

import functools
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mml_lib.config.task_types import IGNORE
from mml_lib.data.transforms import apply, draft_size
from mml_lib.errors import MMLError
from mml_lib.files.checksums import verify
from mml_lib.files.manager import MANIFEST
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN

ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # EXIF tag, and its values that swap height and width
TURNED = ("JPEG", "MPO", "PNG", "WEBP")  # formats to turn upright; Pillow turns a TIFF itself
ROW = re.compile(r"(?P<array>.+\.npy)#(?P<row>\d+)")


@contextmanager
def _errors_named(file: Path | str, what: str = "image") -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise MMLError(
            f"the {what} {file} does not exist; put it back, or set the path of its task to where images are "
            f"now and list them anew: snakemake --force data/RAW/<data set>/{MANIFEST}"
        ) from error
    except UnidentifiedImageError as error:
        raise MMLError(f"the {what} {file} is in no format that can be read; replace or remove it") from error
    except Image.DecompressionBombError as error:
        raise MMLError(f"the {what} {file} is too large ({error}); shrink or cut it") from error
    except (OSError, ValueError, SyntaxError, IndexError, EOFError, struct.error) as error:
        if reason := getattr(error, "strerror", None):
            raise MMLError(f"the {what} {file} cannot be read: {reason}") from error
        raise MMLError(f"the {what} {file} is truncated or damaged ({error}); replace or remove it") from error


@functools.lru_cache(maxsize=16)
def _open_array(file: str) -> np.ndarray:
    verify(file, artefact=Path(file).parent / MANIFEST)
    return np.load(file, mmap_mode="r", allow_pickle=False)


def _row(file: Path | str) -> np.ndarray | None:
    """Return the array row that a name like `train.npy#17` stands for, None for other names."""
    match = ROW.fullmatch(str(file))
    return _open_array(match["array"])[int(match["row"])] if match else None


def read_size(file: Path | str) -> tuple[int, int]:
    """Return height and width in pixels from the header, EXIF orientation honoured.

    Raises:
        MMLError: the file is missing or no image.
    """
    with _errors_named(file):
        if (row := _row(file)) is not None:
            return row.shape[0], row.shape[1]
        with Image.open(file) as image:
            width, height = image.size
            # Without this entry, asking would decode a PNG to look behind its pixels.
            asked = image.format in TURNED and "exif" in image.info
            turned = asked and image.getexif().get(ORIENTATION) in SIDEWAYS
            return (width, height) if turned else (height, width)


def decode(
    file: Path | str,
    transforms: Sequence[Mapping[str, Any]] = (),
    mask: Path | str | None = None,
    padding: int = IGNORE,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode one image and its mask, and do to both what a preprocessing says.

    Args:
        file: PNG, JPEG, BMP, TIFF or WebP, of several frames the first; or a row of an array.
        transforms: as `resolve` gives them.
        mask: a file of class numbers, `EMPTY_MASK_TOKEN`, or None.
        padding: mask value of what transforms add, as `unused_value` gives it.

    Returns:
        uint8 arrays, H×W×3 and H×W (None without a mask).

    Raises:
        MMLError: a file is missing, damaged, or holds what is no image or mask.
    """
    image = _read_rgb(file, None if mask is not None else draft_size(transforms))
    if mask is None:
        return apply(transforms, image, None)
    # Transforms pad with 255, which may be a class here: both change places meanwhile.
    swap = np.arange(256, dtype=np.uint8)
    swap[[padding, IGNORE]] = IGNORE, padding
    image, classes = apply(transforms, image, swap[decode_mask(mask, (image.height, image.width))])
    return image, swap[classes]


def unused_value(counts: Iterable[Mapping[int, int] | None]) -> int:
    """Return the largest value that no mask has, to stand for what is in none: 255, where that is no class.

    Args:
        counts: pixels of each value in each mask.
    """
    used = {value for values in counts for value in values or ()}
    return max(set(range(256)) - used, default=IGNORE)


def _read_rgb(file: Path | str, draft: int | None) -> Image.Image:
    with _errors_named(file):
        if (row := _row(file)) is not None:
            return Image.fromarray(row).convert("RGB")
        with Image.open(file) as image:
            if draft:
                # JPEG only: decode at the smallest of 1/1, 1/2, 1/4, 1/8 whose sides are not below this.
                image.draft("RGB", (draft, draft))
            if image.format in TURNED:
                ImageOps.exif_transpose(image, in_place=True)
            rgb = to_rgb(image, file)
            rgb.load()
            return rgb


def to_rgb(image: Image.Image, file: Path | str) -> Image.Image:
    """Bring any mode to 8-bit RGB: 16 bits lose their lower half, transparency is laid on white.

    Raises:
        MMLError: floating-point or 32-bit values, whose range nobody knows.
    """
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise MMLError(f"the image {file} has values outside 0..65535; store it with 8 or 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise MMLError(f"the image {file} has floating-point values of unknown range; store it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def decode_mask(file: Path | str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return class numbers, uint8 H×W, as they are in the file (of a palette the indices, of 1 bit 0 and 1).

    Args:
        file: an image with one channel, a row of an array, or `EMPTY_MASK_TOKEN`.
        size: height and width that it must have.

    Raises:
        MMLError: colours, values over 255, another size.
    """
    if file == EMPTY_MASK_TOKEN:
        return np.zeros(size, dtype=np.uint8)
    with _errors_named(file, "mask"):
        row = _row(file)
        if row is None:
            with Image.open(file) as image:
                image.load()
                if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
                    raise MMLError(f"the mask {file} has colours ({image.mode}); store class numbers in one channel")
                row = np.asarray(image)
        if row.dtype != np.uint8:
            if row.size and (row.min() < 0 or row.max() > 255):
                raise MMLError(f"the mask {file} has values outside 0..255; store class numbers with 8 bits")
            row = row.astype(np.uint8)
        if size is not None and row.shape != tuple(size):
            raise MMLError(f"the mask {file} has {row.shape[0]}×{row.shape[1]} pixels, its image {size[0]}×{size[1]}")
        return np.array(row)


def count_values(file: Path | str, size: tuple[int, int]) -> tuple[tuple[int, int], dict[int, int]]:
    """Return height and width of a mask, and how many pixels each value has.

    Args:
        file: as for `decode_mask`.
        size: of the image, for an empty mask.
    """
    mask = decode_mask(file, size if file == EMPTY_MASK_TOKEN else None)
    counts = np.bincount(mask.ravel(), minlength=256)
    return mask.shape, {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
