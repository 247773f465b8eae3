"""Masks from other masks, from colours and from shapes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Union

from mml_lib.errors import MMLError
from mml_lib.tasks.drawings import Drawing, Part, Shape

if TYPE_CHECKING:
    import numpy as np

Pixels = Union["np.ndarray", str, Path]
"""An array, or an image file that Pillow reads."""

Colors = Sequence[int] | Sequence[Sequence[int]]
"""A colour `(255, 0, 0)`, or several."""


def merge_masks(masks: Mapping[int, Pixels]) -> "np.ndarray":
    """Return one mask, uint8 H×W, of a mask of each class; later ones lie above earlier ones.

    Args:
        masks: by class number (1 to 255; 0 is where none is) the mask of a class, an array or a file, in which all
            values but 0 stand for the class.

    Raises:
        MMLError: there is none, their sizes differ, or a number is none of a class.

    Example:
        >>> merge_masks({1: "organ/p1.png", 2: "lesion/p1.png"})
    """
    import numpy as np

    merged: np.ndarray | None = None
    for value, mask in masks.items():
        _check_value(value)
        pixels = _read(mask)
        covered = np.asarray(pixels.any(axis=2) if pixels.ndim == 3 else pixels != 0)
        if merged is None:
            merged = np.zeros(covered.shape, np.uint8)
        if covered.shape != merged.shape:
            raise MMLError(
                f"the mask of class {value}{_of(mask)} has {covered.shape[0]}×{covered.shape[1]} pixels, the ones "
                f"before it {merged.shape[0]}×{merged.shape[1]}; give them one size"
            )
        merged[covered] = value
    if merged is None:
        raise MMLError("there are no masks to merge")
    return merged


def mask_of_colors(picture: Pixels, colors: Mapping[int, Colors]) -> "np.ndarray":
    """Return the mask, uint8 H×W, of a picture that shows classes in colours.

    Args:
        picture: H×W×3 in uint8, or a file without lossy compression.
        colors: by class number (0 to 255; 255 is ignored) its colour `(255, 0, 0)`, or a list of colours.

    Raises:
        MMLError: a pixel has another colour.

    Example:
        >>> mask_of_colors("masks/p1.png", {0: (0, 0, 0), 1: [(255, 0, 0), (200, 0, 0)], 255: (255, 255, 255)})
    """
    import numpy as np

    pixels = _read(picture, as_color=True)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise MMLError(f"the picture{_of(picture)} is {pixels.dtype} {pixels.shape}; it must be uint8 H×W×3")
    codes = pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    mask, is_known = np.zeros(codes.shape, np.uint8), np.zeros(codes.shape, bool)
    for value, listed in colors.items():
        if value:
            _check_value(value)
        for red, green, blue in np.atleast_2d(np.array(listed)).tolist():
            covered = codes == (red << 16 | green << 8 | blue)
            mask[covered], is_known = value, is_known | covered
    if not is_known.all():
        row, column = np.argwhere(~is_known)[0].tolist()
        color = pixels[row, column].tolist()
        raise MMLError(f"the picture{_of(picture)} has the colour {color} (x {column}, y {row}), which is of no class")
    return mask


def draw_mask(size: tuple[int, int], shapes: Sequence[tuple[int, Shape]], where: str = "the mask") -> "np.ndarray":
    """Return the mask, uint8 H×W, of shapes with class numbers; later ones lie above earlier ones.

    Creators need not draw at all: `Delivery.drawings` takes shapes, and MML draws them when it knows the image's size.

    Args:
        size: height and width in pixels.
        shapes: class number and shape: `Box`, `Polygon`, `RunLengths` or `CocoRuns`.
        where: file and row that state the shapes, for errors.

    Raises:
        MMLError: a shape does not fit the image.

    Example:
        >>> draw_mask((64, 64), [(1, Box(10, 10, 20, 20)), (2, Polygon([12, 12, 20, 12, 16, 20]))])
    """
    import numpy as np

    return np.ascontiguousarray(Drawing([Part(value, shape, where) for value, shape in shapes]).draw(size).pixels)


def _check_value(value: int) -> None:
    if not isinstance(value, int) or not 0 < value <= 255:
        raise MMLError(f"{value!r} is not a class number of a mask; write 1 to 255")


def _read(pixels: Pixels, as_color: bool = False) -> "np.ndarray":
    import numpy as np
    from PIL import Image

    if not isinstance(pixels, str | Path):
        return np.asarray(pixels)
    try:
        with Image.open(pixels) as image:
            return np.asarray(image.convert("RGB") if as_color else image)
    except Exception as error:  # decoders raise whatever the bytes lead them to
        raise MMLError(f"the file {pixels} cannot be read as an image ({error})") from error


def _of(pixels: Pixels) -> str:
    return f" ({pixels})" if isinstance(pixels, str | Path) else ""
