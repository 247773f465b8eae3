"""Values of DICOM images: modality values of stored values, and the window of a file for display."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mml_lib.images.value_mapping import WholeRescale, fitted
from mml_lib.tasks.pixel_format import ValueRange

if TYPE_CHECKING:
    from pydicom import Dataset

LUT_STEPS = 65535
"""Largest output of look-up tables and curves, by which it is divided."""


class Rescale(NamedTuple):
    """Slope and intercept of modality values as a linear function of stored values."""

    slope: float
    intercept: float

    @property
    def is_whole(self) -> bool:
        """True if integers remain integers."""
        return self.slope.is_integer() and self.intercept.is_integer()


@dataclass(frozen=True)
class GreyMeaning:
    """Meaning of the stored values of a grey image.

    Args:
        depth: dtype of the modality values; `uint8` for pictures of 8 bits without a window.
        ends: least and largest stored value for the stated number of bits.
        rescale: slope and intercept; None if there are none, or if they change nothing.
        has_table: True if modality values are read from a look-up table.
        window: values for black and white by the file's own window; None without one.
        is_calibrated: True if a value has the same meaning in all images (Hounsfield units).
    """

    depth: str
    ends: tuple[int, int]
    rescale: Rescale | None
    has_table: bool
    window: ValueRange | None
    is_calibrated: bool

    @property
    def whole_rescale(self) -> WholeRescale | None:
        """Rescaling to integers, with the dtype of the values; None if values are not integers."""
        if self.rescale is None or self.depth.startswith("float"):
            return None
        return WholeRescale(int(self.rescale.slope), int(self.rescale.intercept), self.depth)

    @classmethod
    def of(cls, view: "Dataset") -> "GreyMeaning":
        """Return the meaning of stored values from the elements of an image."""
        bits = view.get("BitsAllocated")
        if not bits or any(f"{kind}FloatPixelData" in view for kind in ("", "Double")):
            ends, depth = (0, 0), "float32"
        else:
            stored = int(view.get("BitsStored") or bits)
            is_signed = view.get("PixelRepresentation")
            ends = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if is_signed else (0, 2**stored - 1)
            depth = ""
        slope, intercept = view.get("RescaleSlope"), view.get("RescaleIntercept")
        has_table = bool(view.get("ModalityLUTSequence"))
        rescale = None
        if slope is not None and intercept is not None and not has_table:
            rescale = Rescale(float(slope), float(intercept))
            rescale = None if rescale == (1, 0) else rescale
        window = display_range(view)
        calibrated = view.get("RescaleType") == "HU" or (slope is not None and view.get("Modality") == "CT")
        if not depth:
            depth = "uint16" if has_table else _depth_of(ends, rescale, window is not None, calibrated)
        return cls(depth, ends, rescale, has_table, window, calibrated)


def _depth_of(ends: tuple[int, int], rescale: Rescale | None, has_window: bool, is_calibrated: bool) -> str:
    """Return the type of modality values, which are whole numbers between two ends before they are rescaled."""
    low, high = ends
    if rescale is None:
        return "uint8" if low == 0 and high <= 255 and not has_window else _integer(low, high)
    if not rescale.is_whole:
        return "float32"
    if is_calibrated:
        return "int16"  # which holds all Hounsfield units, whatever the stored values could be
    values = [end * rescale.slope + rescale.intercept for end in ends]
    return _integer(min(values), max(values))


def _integer(low: float, high: float) -> str:
    kinds = ("uint16", "int16", "uint32", "int32", "int64")
    return next(kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)


def stored_grey(dataset: "Dataset") -> np.ndarray | None:
    """Return the stored values of a single grey image without compression, as a view of the file's bytes.

    pydicom returns the same values, but its copy, which clears unused bits, takes longer than reading the file.

    Args:
        dataset: file with its pixels.

    Returns:
        Values, H×W; None for any other image, or if unused bits are set.
    """
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    keywords = ("PixelData", "BitsAllocated", "BitsStored", "PixelRepresentation", "Rows", "Columns", "SamplesPerPixel")
    content, bits, stored, is_signed, rows, columns, samples = map(dataset.get, keywords)
    is_plain = dataset.file_meta.TransferSyntaxUID in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    is_single = samples == 1 and "NumberOfFrames" not in dataset
    if not (content and is_plain and is_single) or bits not in (8, 16) or is_signed not in (0, 1):
        return None
    length = rows * columns * bits // 8
    if len(content) != length + length % 2 or stored not in range(1, bits + 1):
        return None  # damaged: pydicom raises an error with the reason
    values = np.frombuffer(content, f"<{'i' if is_signed else 'u'}{bits // 8}", rows * columns)
    high = 2 ** (stored - is_signed) - 1
    if stored < bits and (values.max() > high or (is_signed and values.min() < -high - 1)):
        return None
    return values.reshape(rows, columns)


def modality_values(pixels: np.ndarray, view: "Dataset", meaning: GreyMeaning) -> np.ndarray:
    """Return the modality values of stored values, of the dtype `meaning.depth`."""
    depth, rescale = meaning.depth, meaning.rescale
    if meaning.has_table:
        return _looked_up(pixels, view).astype(depth)
    if meaning.whole_rescale is not None:
        return meaning.whole_rescale.of(pixels)
    if rescale is not None:
        return (pixels * rescale.slope + rescale.intercept).astype(np.float32)
    if depth == "uint8":
        largest = meaning.ends[1]
        return pixels.astype(np.uint8) if largest == 255 else np.rint(pixels * (255 / largest)).astype(np.uint8)
    return fitted(pixels, depth)


def _looked_up(pixels: np.ndarray, view: "Dataset") -> np.ndarray:
    """Return stored values by the modality look-up table of a file."""
    from pydicom.pixels import apply_modality_lut

    item = view.ModalityLUTSequence[0]
    if 8 < item.LUTDescriptor[2] < 16:  # entries of 12 bits are stored in 16; pydicom 3.0 supports 8 and 16 only
        item.LUTDescriptor = [*item.LUTDescriptor[:2], 16]
    return apply_modality_lut(pixels, view)


def padding_of(pixels: np.ndarray, view: "Dataset") -> np.ndarray | None:
    """Return True for pixels that are padding (PS3.3 C.7.5.1.1.2), H×W (bool); None if none or all are.

    Args:
        pixels: stored values.
        view: elements of the image.
    """
    ends = [view.get(keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    # In some files, the sign of the value does not agree with that of the pixels.
    limits = sorted(int(np.array(end).astype(pixels.dtype)) for end in ends if isinstance(end, int))
    if not limits:
        return None
    is_padding = (pixels >= limits[0]) & (pixels <= limits[-1])
    return is_padding if is_padding.any() and not is_padding.all() else None


def without_padding(values: np.ndarray, padding: np.ndarray, is_inverted: bool) -> np.ndarray:
    """Return modality values with the darkest value of the image as padding, so that padding affects no range."""
    image = values[~padding]
    return np.where(padding, image.max() if is_inverted else image.min(), values)


def _first(value: object) -> float | None:
    """Return the first of one or several numbers; None if it is not a finite number."""
    values = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    try:
        number = float(next(iter(values)))  # type: ignore[call-overload]
    except (TypeError, ValueError, StopIteration):
        return None
    return number if math.isfinite(number) else None


def display_range(view: "Dataset") -> ValueRange | None:
    """Return the values for black and white by a file's own window; None without one.

    The range of look-up tables and curves, which `displayed` applies, is 0 … 1.
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
    """Return values in 0..1 by the look-up table or the curve of a file; None for a linear window or none."""
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
