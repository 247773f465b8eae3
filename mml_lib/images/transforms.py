"""Preprocessing: transforms of images and their masks before packing.

A transform is a function `(image, mask, **arguments) -> (image, mask)` of arrays. The image is H×W×C of the dtype of
the data set's pixels; the mask is H×W (uint8), or None without a mask. `_target_` names your own transforms.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mml_lib.config.factories import TARGET, check_arguments, import_target, is_of_plugin
from mml_lib.config.task_options import Preprocessing
from mml_lib.errors import MMLError, nearest
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.task_types import IGNORE
from mml_lib.tasks.pixel_format import PixelFormat

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    Pair = tuple[np.ndarray, np.ndarray | None]

Size = tuple[int, int]
EIGHT_BIT_RGB = PixelFormat()


def resize(image: "np.ndarray", mask: "np.ndarray | None", size: Size, interpolation: str = "bilinear") -> "Pair":
    """Resize to a height and width, without preserving proportions; masks by nearest neighbour."""
    from mml_lib.images.filters import resized, resized_mask

    size = size[0], size[1]
    return resized(image, size, interpolation), None if mask is None else resized_mask(mask, size)


def resize_smallest(
    image: "np.ndarray", mask: "np.ndarray | None", size: int, interpolation: str = "bilinear"
) -> "Pair":
    """Resize so that the shortest side has `size` pixels, preserving proportions."""
    from mml_lib.images.filters import size_of

    return resize(image, mask, scaled_to(size_of(image), size), interpolation)


def scaled_to(size: Size, side: int) -> Size:
    """Return height and width with the shortest side `side`, preserving proportions."""
    height, width = (max(1, round(length * side / min(size))) for length in size)
    return height, width


def resize_longest(
    image: "np.ndarray | Image",
    mask: "np.ndarray | None",
    size: int,
    interpolation: str = "bilinear",
    enlarge: bool = False,
) -> "Pair":
    """Resize so that the longest side has at most `size` pixels (exactly with `enlarge`), preserving proportions."""
    from mml_lib.images.filters import as_array, size_of

    bounded = bounded_to(size_of(image), size, enlarge)
    return (as_array(image), mask) if bounded == size_of(image) else resize(image, mask, bounded, interpolation)


def bounded_to(size: Size, side: int, enlarge: bool = False) -> Size:
    """Return height and width with the longest side at most `side` (exactly with `enlarge`), preserving proportions."""
    if max(size) <= side and not enlarge:
        return size
    height, width = (max(1, round(length * side / max(size))) for length in size)
    return height, width


def center_crop(image: "np.ndarray", mask: "np.ndarray | None", size: Size) -> "Pair":
    """Crop to the centre. Missing pixels are added as black, and as ignored (255) in masks."""
    return _window(image, size, 0), None if mask is None else _window(mask, size, IGNORE)


def pad_to_square(image: "np.ndarray", mask: "np.ndarray | None") -> "Pair":
    """Pad the shorter side with black borders, which are ignored (255) in masks."""
    side = max(image.shape[:2])
    return center_crop(image, mask, (side, side))


def _window(array: "np.ndarray", size: Size, fill: int) -> "np.ndarray":
    import numpy as np

    slices, pads = [], []
    for length, new_length in zip(array.shape[:2], size, strict=True):
        start = max(0, (length - new_length) // 2)
        slices.append(slice(start, start + new_length))
        missing = max(0, new_length - length)
        pads.append((missing // 2, missing - missing // 2))
    cut = array[tuple(slices)]
    if not any(map(sum, pads)):
        return cut
    return np.pad(cut, [*pads, *[(0, 0)] * (array.ndim - 2)], constant_values=fill)


def clahe(image: "np.ndarray", mask: "np.ndarray | None", clip_limit: float = 2.0, tiles: int = 8) -> "Pair":
    """Equalise the contrast in tiles×tiles tiles (CLAHE, Zuiderveld 1994, by OpenCV).

    Images of three channels are equalised in lightness, preserving colours; in others, each channel separately.
    """
    from mml_lib.images.filters import equalized

    return equalized(image, clip_limit, tiles), mask


def color_constancy(image: "np.ndarray", mask: "np.ndarray | None", power: float = 6) -> "Pair":
    """Remove the colour of the light by shades of grey (Finlayson and Trezzi 2004), as is usual in dermatoscopy.

    The colour of the light is the Minkowski norm of each channel with the exponent `power`; 1 is the grey world.
    """
    from mml_lib.images.filters import balanced

    return balanced(image, power), mask


TRANSFORMS: dict[str, Callable[..., "Pair"]] = {
    function.__name__: function
    for function in (resize, resize_smallest, resize_longest, center_crop, pad_to_square, clahe, color_constancy)
}
FIXING = ("resize", "center_crop")
"""Transforms after which all images have one size."""

RESIZING = ("resize", "resize_smallest", "resize_longest")
ONE_SIDE: Mapping[str, Callable[[Sequence[int]], int]] = {"resize_smallest": min, "resize_longest": max}
"""Transforms of one side, and the function that selects this side of a height and width."""

FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")
OF_COLOURS = ("color_constancy",)
"""Transforms that need red, green and blue."""

POSITIVE = ("clip_limit", "tiles", "power")

DRAFT = 1.5
"""Least size at which JPEGs are decoded, as a multiple of the resized size. This changes pixels by about one grey
level, and shifts them by less than half a pixel for odd sides."""


def resolve(preprocessing: Preprocessing) -> list[dict[str, Any]]:
    """Return the transforms as plain mappings, with the size of the preprocessing as default.

    Raises:
        MMLError: a transform does not exist, or does not take its arguments.
    """
    specs = []
    for number, transform in enumerate(preprocessing.transforms):
        spec: dict[str, Any] = {TARGET: transform.target} if transform.target else {"name": transform.name}
        spec |= transform.arguments
        where = f"preprocessing.transforms.{number}"
        if transform.name is not None and transform.name not in TRANSFORMS:
            raise MMLError(f"{where}: there is no transform '{transform.name}'{nearest(transform.name, TRANSFORMS)}")
        try:
            function = _function(spec)
            if transform.name is not None and "size" in inspect.signature(function).parameters:
                sides = _sides(spec.get("size", preprocessing.size))
                one_side = ONE_SIDE.get(transform.name)
                spec["size"] = one_side(sides) if one_side else sides
            _check(function, spec)
        except MMLError as error:
            raise MMLError(f"{where}: {error}") from error
        specs.append(spec)
    return specs


def _sides(size: Any) -> list[int]:
    sides = size if isinstance(size, list | tuple) else [size, size]
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise MMLError(f"{size} is not a size; write a number of pixels, or [height, width]")
    return list(sides)


def _check(function: Callable[..., "Pair"], spec: Mapping[str, Any]) -> None:
    """Check that a transform takes its arguments, that none is missing, and that values are valid."""
    label, arguments = spec.get("name") or spec[TARGET], _arguments(spec)
    if TARGET in spec and not (_takes_image_and_mask(function) or is_of_plugin(function)):
        raise MMLError(f"{label} is not called: a transform is a function of an image and a mask, (image, mask, …)")
    check_arguments(function, label, (None, None), arguments)
    try:
        inspect.signature(function).bind(None, None, **arguments)
    except TypeError as error:
        raise MMLError(f"{label} cannot be called with an image, a mask and {arguments}: {error}") from error
    if TARGET in spec:
        return
    for key, value in arguments.items():
        if key == "interpolation" and value not in FILTERS:
            raise MMLError(f"there is no interpolation '{value}'{nearest(value, FILTERS)}")
        if key == "enlarge" and not isinstance(value, bool):
            raise MMLError(f"{key} is {value!r}; write true or false")
        whole = key == "tiles"
        if key in POSITIVE and not (type(value) in ((int,) if whole else (int, float)) and 0 < value < float("inf")):
            raise MMLError(f"{key} is {value!r}; write a {'whole ' if whole else ''}number above 0")


def _takes_image_and_mask(function: Any) -> bool:
    return inspect.isfunction(function) and list(inspect.signature(function).parameters)[:2] == ["image", "mask"]


def _function(spec: Mapping[str, Any]) -> Callable[..., "Pair"]:
    return import_target(spec[TARGET]) if TARGET in spec else TRANSFORMS[spec["name"]]


def _arguments(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in ("name", TARGET)}


def packed_size(transforms: Sequence[Mapping[str, Any]]) -> Size | None:
    """Return the height and width of all images after the transforms; None if sizes differ.

    The user's own transforms are assumed to keep the size; packing notices if they do not.
    """
    size, square = None, False
    for spec in transforms:
        name = spec.get("name")
        if name in FIXING:
            size = tuple(spec["size"])
        elif name == "resize_smallest" and (size or square):
            size = scaled_to(size or (1, 1), spec["size"])
        elif name == "resize_longest" and size:
            size = bounded_to(size, spec["size"], spec.get("enlarge", False))
        elif name == "resize_longest" and square and spec.get("enlarge"):
            size = spec["size"], spec["size"]
        elif name == "pad_to_square":
            square, size = True, size and (max(size), max(size))
    return size


def size_after(transforms: Sequence[Mapping[str, Any]], size: Size) -> Size:
    """Return the size of an image after the transforms. The user's own are assumed to keep it."""
    for spec in transforms:
        name = spec.get("name")
        if name in FIXING:
            size = spec["size"][0], spec["size"][1]
        elif name == "resize_smallest":
            size = scaled_to(size, spec["size"])
        elif name == "resize_longest":
            size = bounded_to(size, spec["size"], spec.get("enlarge", False))
        elif name == "pad_to_square":
            size = max(size), max(size)
    return size


def is_restorable(transforms: Sequence[Mapping[str, Any]]) -> bool:
    """Return True if the geometry of all transforms is known, which is not the case for the user's own."""
    return all(TARGET not in spec for spec in transforms)


def moves_pixels(transforms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the transforms that may change geometry: sizes, crops, padding, and the user's own."""
    kept = [
        spec for spec in transforms if TARGET in spec or spec["name"] in (*RESIZING, "center_crop", "pad_to_square")
    ]
    return [{key: value for key, value in spec.items() if key != "interpolation"} for spec in kept]


def transforms_of_masks(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Return the transforms between delivered images and the masks that networks of a pipeline predict.

    There are none for predictions by a sliding window, which have the size of delivered images.
    """
    transforms = resolve(Preprocessing(**pipeline.content["preprocessing"]))
    return [] if pipeline.content.get("patches") and is_restorable(transforms) else transforms


def apply(transforms: Sequence[Mapping[str, Any]], image: "np.ndarray | Image", mask: "np.ndarray | None") -> "Pair":
    """Return an image (an array or a Pillow image) and its mask after the transforms.

    Raises:
        MMLError: the user's own transform does not return an image and its mask.
    """
    from mml_lib.images.filters import as_array

    for spec in transforms:
        if TARGET in spec:
            image, mask = _apply_own(spec, as_array(image), mask)
            continue
        # Resizing uses Pillow, so its images need no conversion to arrays.
        image = image if spec["name"] in RESIZING else as_array(image)
        image, mask = TRANSFORMS[spec["name"]](image, mask, **_arguments(spec))
    return as_array(image), mask


def check_colours(transforms: Sequence[Mapping[str, Any]], pixels: PixelFormat) -> None:
    """Check that transforms of colours are only used for images with colours.

    Raises:
        MMLError: a transform changes colours, and the images have none.
    """
    for spec in transforms:
        if spec.get("name") in OF_COLOURS and not pixels.is_colour:
            raise MMLError(
                f"preprocessing: {spec['name']} changes colours, and the images have the channels "
                f"{', '.join(pixels.channels)}; leave it out, or set images: {{channels: rgb}} in the task"
            )


def _apply_own(spec: Mapping[str, Any], image: "np.ndarray", mask: "np.ndarray | None") -> "Pair":
    import numpy as np

    # Copies, because the function may change its arguments.
    result = _function(spec)(np.array(image), None if mask is None else np.array(mask), **_arguments(spec))
    try:
        changed, changed_mask = result
        fits = changed.dtype == image.dtype and changed.ndim == 3 and changed.shape[2] == image.shape[2]
        fits = fits and changed.size > 0
        if mask is None or changed_mask is None:
            fits = fits and mask is None and changed_mask is None
        else:
            fits = fits and changed_mask.dtype == np.uint8 and changed_mask.shape == changed.shape[:2]
    except (TypeError, ValueError, AttributeError):
        fits = False
    if not fits:
        raise MMLError(
            f"preprocessing: {spec[TARGET]} must return an image ({image.dtype}, H×W×{image.shape[2]}) and its mask "
            "(uint8, H×W; None without a mask)"
        )
    return changed, changed_mask


def check_masks_move(transforms: Sequence[Mapping[str, Any]], pixels: PixelFormat = EIGHT_BIT_RGB) -> None:
    """Check each of the user's own transforms with grey images that have a patch of noise, which masks mark.

    Args:
        transforms: result of `resolve`.
        pixels: format of the images.

    Raises:
        MMLError: a transform changes the geometry of images, but not of masks.
    """
    import numpy as np

    for spec in transforms:
        if TARGET not in spec:
            continue
        for top, left in ((8, 20), (64, 72)):
            channels, mask = len(pixels.channels), np.zeros((96, 128), np.uint8)
            levels = np.full((96, 128, channels), 128)
            patch = slice(top, top + 16), slice(left, left + 24)
            levels[patch] = np.random.default_rng(0).integers(0, 256, (16, 24, channels))
            image = (levels * (pixels.full_scale / 255)).astype(pixels.depth)
            mask[patch] = 1
            try:
                changed, changed_mask = _apply_own(spec, image, mask)
                assert changed_mask is not None
            except Exception:  # a transform may fail for this image only; packing reports errors for others
                continue
            grey = changed.astype(np.float64).sum(2)
            change = np.abs(np.diff(grey, axis=0))[:, 1:] + np.abs(np.diff(grey, axis=1))[1:]
            marked = changed_mask[1:, 1:] == 1
            inside = change[marked].mean() if marked.any() else 0
            outside = change[~marked].mean() if not marked.all() else 0
            if outside > inside:
                raise MMLError(
                    f"preprocessing: {spec[TARGET]} moves images and leaves their masks where they are; let it move "
                    "both, or leave it out"
                )


def draft_size(transforms: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the least length of the shortest side for decoding a JPEG; None for its full size.

    Decoding at a half or a quarter saves most of the time. It is possible if the first transform is a resize with
    antialiasing.
    """
    first = next((spec for spec in transforms if spec.get("name") != "pad_to_square"), {})
    if first.get("name") not in ("resize", "resize_smallest") or first.get("interpolation") == "nearest":
        return None  # resize_longest depends on the exact size of the image
    size = first["size"]
    return math.ceil(DRAFT * (size if isinstance(size, int) else max(size)))
