"""Values of DICOM images: from stored values to modality values, and the window that a file brings for display."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mml_lib.tasks.value_range import ValueRange

if TYPE_CHECKING:
    from pydicom import Dataset

LUT_STEPS = 65535
"""Largest output of look-up tables and curves, before it is divided to 0 … 1."""


class Rescale(NamedTuple):
    """Slope and intercept of the modality values over the stored ones."""

    slope: float
    intercept: float

    @property
    def is_whole(self) -> bool:
        """True if whole numbers stay whole."""
        return self.slope.is_integer() and self.intercept.is_integer()


def _rescale(view: "Dataset") -> Rescale | None:
    """Return the rescale of a file, None where it has none or one that changes nothing."""
    slope, intercept = view.get("RescaleSlope"), view.get("RescaleIntercept")
    if slope is None or intercept is None or view.get("ModalityLUTSequence"):
        return None
    rescale = Rescale(float(slope), float(intercept))
    return None if rescale == (1, 0) else rescale


def _stored_ends(view: "Dataset") -> tuple[int, int]:
    bits = int(view.get("BitsStored") or view.BitsAllocated)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if view.get("PixelRepresentation") else (0, 2**bits - 1)


def _integer(low: float, high: float) -> str:
    kinds = ("uint16", "int16", "uint32", "int32", "int64")
    return next(kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)


def grey_depth(view: "Dataset") -> str:
    """Return the type of the modality values of a grey image: `uint8` for pictures of 8 bits without a window."""
    if "FloatPixelData" in view or "DoubleFloatPixelData" in view or not view.get("BitsAllocated"):
        return "float32"
    if view.get("ModalityLUTSequence"):
        return "uint16"
    low, high = _stored_ends(view)
    rescale = _rescale(view)
    if rescale is None:
        if low == 0 and high <= 255 and display_range(view) is None:
            return "uint8"
        return _integer(low, high)
    if not rescale.is_whole:
        return "float32"
    if is_calibrated(view):
        return "int16"  # which holds all Hounsfield units, whatever the stored values could be
    ends = [end * rescale.slope + rescale.intercept for end in (low, high)]
    return _integer(min(ends), max(ends))


def modality_values(pixels: np.ndarray, view: "Dataset") -> np.ndarray:
    """Return the modality values of stored values, in the type that `grey_depth` states."""
    depth = grey_depth(view)
    if view.get("ModalityLUTSequence"):
        return _looked_up(pixels, view).astype(depth)
    rescale = _rescale(view)
    if rescale is not None and depth == "float32":
        return (pixels * rescale.slope + rescale.intercept).astype(np.float32)
    if rescale is not None:
        return _rescaled(pixels, int(rescale.slope), int(rescale.intercept), depth)
    if depth == "uint8":
        largest = _stored_ends(view)[1]
        return pixels.astype(np.uint8) if largest == 255 else np.rint(pixels * (255 / largest)).astype(np.uint8)
    return _fitted(pixels, depth)


def _rescaled(pixels: np.ndarray, slope: int, intercept: int, depth: str) -> np.ndarray:
    """Return stored values times the slope plus the intercept; values beyond the type are cut off."""
    limits = np.iinfo(depth)
    ends = [int(end) * slope + intercept for end in (pixels.min(), pixels.max())]
    if min(ends) < limits.min or max(ends) > limits.max:
        return _fitted(pixels.astype(np.int64) * slope + intercept, depth)
    # Where all results fit, those of a type that wraps around are right, and this is several times as fast.
    factor, summand = (np.array(number).astype(depth) for number in (slope, intercept))
    values = pixels.astype(depth)
    return (values if slope == 1 else values * factor) + summand


def _looked_up(pixels: np.ndarray, view: "Dataset") -> np.ndarray:
    """Return stored values by the modality look-up table of a file."""
    from pydicom.pixels import apply_modality_lut

    item = view.ModalityLUTSequence[0]
    if 8 < item.LUTDescriptor[2] < 16:  # entries of 12 bits stand in 16; pydicom 3.0 knows 8 and 16 only
        item.LUTDescriptor = [*item.LUTDescriptor[:2], 16]
    return apply_modality_lut(pixels, view)


def padding_of(pixels: np.ndarray, view: "Dataset") -> np.ndarray | None:
    """Return the pixels that are padding (PS3.3 C.7.5.1.1.2), None where none or all are.

    Args:
        pixels: stored values.
        view: elements of the image.
    """
    ends = [view.get(keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    # Some files write the value without a sign where pixels have one, or the other way round.
    limits = sorted(int(np.array(end).astype(pixels.dtype)) for end in ends if isinstance(end, int))
    if not limits:
        return None
    is_padding = (pixels >= limits[0]) & (pixels <= limits[-1])
    return is_padding if is_padding.any() and not is_padding.all() else None


def without_padding(values: np.ndarray, padding: np.ndarray, is_inverted: bool) -> np.ndarray:
    """Return modality values in which padding is the darkest value of the image, so that it widens no range."""
    image = values[~padding]
    return np.where(padding, image.max() if is_inverted else image.min(), values)


def _fitted(values: np.ndarray, depth: str) -> np.ndarray:
    """Return values as another type; files may have more bits than they state."""
    if depth.startswith("float"):
        return values.astype(depth)
    limits = np.iinfo(depth)
    if values.dtype != depth and values.size and (values.min() < limits.min or values.max() > limits.max):
        values = values.clip(limits.min, limits.max)
    return values.astype(depth, copy=False)


def is_calibrated(view: "Dataset") -> bool:
    """Return True if one value means the same in all images: Hounsfield units."""
    return view.get("RescaleType") == "HU" or (view.get("Modality") == "CT" and view.get("RescaleSlope") is not None)


def _first(value: object) -> float | None:
    """Return the first of one or several numbers."""
    values = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    try:
        number = float(next(iter(values)))  # type: ignore[call-overload]
    except (TypeError, ValueError, StopIteration):
        return None
    return number if math.isfinite(number) else None


def display_range(view: "Dataset") -> ValueRange | None:
    """Return the values that become black and white by a file's own window, None where it has none.

    Of look-up tables and curves it is 0 … 1: `displayed` applies them.
    """
    if view.get("VOILUTSequence"):
        return ValueRange(0, 1, "own")
    center, width = _first(view.get("WindowCenter")), _first(view.get("WindowWidth"))
    function = str(view.get("VOILUTFunction") or "LINEAR")
    if center is None or width is None or width <= (1 if function == "LINEAR" else 0):
        return None
    if function == "SIGMOID":
        return ValueRange(0, 1, "own")
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    return ValueRange(center - width / 2, center + width / 2, "own")


def displayed(values: np.ndarray, view: "Dataset") -> np.ndarray | None:
    """Return values, 0 … 1, by the look-up table or the curve of a file; None where its window is linear or none."""
    if not view.get("VOILUTSequence") and view.get("VOILUTFunction") != "SIGMOID":
        return None
    from pydicom import Dataset
    from pydicom.pixels import apply_voi, apply_windowing

    # Without a rescale and with 16 bits, pydicom spreads the output over 0 … 65535.
    plain = Dataset()
    keywords = ("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction")
    plain.update({view[keyword].tag: view[keyword] for keyword in keywords if keyword in view})
    plain.file_meta = view.file_meta
    plain.PhotometricInterpretation, plain.PixelRepresentation, plain.BitsStored = "MONOCHROME2", 0, 16
    if view.get("VOILUTSequence"):
        bits = int(view.VOILUTSequence[0].LUTDescriptor[2])
        return apply_voi(values, plain).astype(np.float64) / (2**bits - 1)
    return apply_windowing(values, plain) / LUT_STEPS
