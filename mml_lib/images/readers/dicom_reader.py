"""The reader `dicom`: DICOM images of any transfer syntax that an installed decoder supports.

Stored values become modality values (rescaling or look-up table, PS3.3 C.11.1), palettes and YBR become RGB, and
MONOCHROME1 is marked as inverted. The window of a file for display (VOI, PS3.3 C.11.2) is read in addition.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.image_files import DENSEST, MANY_PIXELS
from mml_lib.images.readers.dicom_values import (
    GreyMeaning,
    displayed,
    modality_values,
    padding_of,
    stored_grey,
    without_padding,
)
from mml_lib.images.readers.plain_slices import keep, key_of, recall
from mml_lib.images.readers.reader_registry import Contents, Header, check_samples, register_reader, split_frame
from mml_lib.tasks.creators.file_kinds import DICOM_SUFFIXES

if TYPE_CHECKING:
    from pydicom import Dataset

EXTRA = "pip install 'mml[dicom]'"

DECODERS = ("pylibjpeg-openjpeg", "pyjpegls", "python-gdcm")
"""Packages of decoders that the extra installs."""

PLUGINS = ("pydicom", "pylibjpeg", "pyjpegls", "pillow", "gdcm")
"""Plugins of pydicom in order of preference. Only GDCM reads lossless JPEG, but some damaged files crash it."""

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

_IMPORTING = Lock()
_IMPORTED: list[ModuleType] = []

SLICED = ("CT", "MR", "PT")
"""Modalities whose series are volumes. All images of a series have the same size."""


@contextmanager
def _values_hidden(path: Path) -> Iterator[None]:
    """Convert exceptions to errors without their messages, which may contain values, such as names of patients."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (MMLError, FileNotFoundError):
        raise
    except OSError as error:
        raise MMLError(f"the image {path} cannot be read: {error.strerror or 'it is truncated'}") from None
    except Exception as error:
        raise MMLError(
            f"the image {path} is a truncated or damaged DICOM ({type(error).__name__}); replace or remove it"
        ) from None


def read_dicom_header(file: Path | str) -> Header:
    """Return the header of an image without decoding its pixels.

    Raises:
        MMLError: the file has no pixels, or no installed decoder supports them.
    """
    path, frame = split_frame(file)
    with _values_hidden(path):
        header = open_dicom(path, with_pixels=False)
        depth = _colour_depth(header) if _is_colour(header) else GreyMeaning.of(for_frame(header, frame)).depth
        return Header((int(header.Rows), int(header.Columns)), depth)


def read_contents(file: Path | str) -> Contents:
    """Return number of frames, patient and series of a file."""
    with _values_hidden(Path(file)):
        header = open_dicom(Path(file), with_pixels=False)
        keywords = ("PatientID", "IssuerOfPatientID", "StudyInstanceUID", "SeriesInstanceUID")
        patient, issuer, study, series = (str(header.get(keyword) or "").strip() for keyword in keywords)
        return Contents(
            frames=_frames(header),
            patient=patient,
            issuer=issuer,
            study=study or series,
            series=series,
            size=(int(header.Rows), int(header.Columns)) if header.get("Modality") in SLICED else None,
        )


def read_fields(file: Path | str, keywords: list[str]) -> dict[str, str]:
    """Return the values of elements of a file's header by keyword; empty texts for missing ones."""
    path, _ = split_frame(file)
    with _values_hidden(path):
        header = open_dicom(path, with_pixels=False)
        return {keyword: str(header.get(keyword) or "").strip() for keyword in keywords}


@register_reader("dicom", suffixes=DICOM_SUFFIXES, header=read_dicom_header, contents=read_contents, fields=read_fields)
def read_dicom(file: Path | str, own_window: bool = False, as_numbers: bool = False) -> DeepImage:
    """Return a frame of a file.

    Args:
        file: path of the file, followed by `#<frame>`.
        own_window: True to apply the file's look-up table or curve for display. Linear windows are only returned.
        as_numbers: True to return the numbers of a mask, without any mapping for display.
    """
    path, frame = split_frame(file)
    with _values_hidden(path):
        # Of a file with many frames only one is read from disk.
        is_whole = path == Path(file)
        dataset = _opened(path, with_pixels=is_whole)
        key = key_of(dataset) if is_whole and not own_window and not as_numbers else None
        if (plain := recall(key, dataset)) is not None:
            return plain
        _check(dataset, path, with_pixels=is_whole)
        if frame >= _frames(dataset):
            raise MMLError(f"the image {path} has no frame {frame}; list the data set again")
        stored = stored_grey(dataset)
        image = _image(
            dataset, _decoded(dataset, frame, path) if stored is None else stored, frame, own_window, as_numbers
        )
        if key:
            keep(key, image, GreyMeaning.of(dataset).ends, is_plain=image.stored is stored)
        check_samples(image.stored, "dicom", file)
        return image


def _image(dataset: "Dataset", pixels: np.ndarray, frame: int, own_window: bool, as_numbers: bool) -> DeepImage:
    """Return the image of the stored values of a frame; YBR becomes RGB."""
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        pixels = apply_color_lut(pixels, dataset)
        return DeepImage((pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels[..., :3])
    if _is_colour(dataset):
        return DeepImage(np.ascontiguousarray(pixels, _colour_depth(dataset)))
    view = for_frame(dataset, frame)
    meaning = GreyMeaning.of(view)
    if as_numbers and meaning.depth == "uint8":
        return DeepImage(pixels)
    is_inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    image = DeepImage(pixels, is_inverted, own_range=meaning.window, is_calibrated=meaning.is_calibrated)
    padding = padding_of(pixels, view)
    if padding is None and not (as_numbers or own_window) and meaning.whole_rescale is not None:
        return replace(image, rescale=meaning.whole_rescale)  # which becomes part of a look-up table
    values = modality_values(pixels, view, meaning)
    if as_numbers:
        return DeepImage(values)
    if values.dtype == np.uint8:
        picture = 255 - values if is_inverted else values
        return DeepImage(picture if padding is None else np.where(padding, 0, picture).astype(np.uint8))
    if padding is not None:
        values = without_padding(values, padding, is_inverted)
    if own_window and (windowed := displayed(values, view)) is not None:
        values = windowed
    return replace(image, stored=values, padding=padding)


def _frames(dataset: "Dataset") -> int:
    return int(dataset.get("NumberOfFrames") or 1)


def open_dicom(path: Path, with_pixels: bool = True) -> "Dataset":
    """Return the content of a file, with or without its pixels.

    Raises:
        MMLError: the file is not DICOM or has no pixels, or no installed decoder supports them.
    """
    dataset = _opened(path, with_pixels)
    _check(dataset, path, with_pixels)
    return dataset


def _opened(path: Path, with_pixels: bool) -> "Dataset":
    """Return the content of a file, with or without its pixels, without checking it."""
    pydicom = _import_pydicom(path)
    try:
        return pydicom.dcmread(path, stop_before_pixels=not with_pixels)
    except pydicom.errors.InvalidDicomError:
        return pydicom.dcmread(path, stop_before_pixels=not with_pixels, force=True)


def _import_pydicom(path: Path) -> ModuleType:
    """Return the module pydicom.

    Raises:
        MMLError: pydicom is not installed.
    """
    if (imported := sys.modules.get("pydicom")) is not None and imported in _IMPORTED:
        return imported
    # python-gdcm 3.2, which pydicom imports, takes any module or folder called so for one of Python 2.
    with _IMPORTING:
        hidden = {} if "gdcm" in sys.modules else {name: sys.modules.get(name) for name in ("dl", "DLFCN")}
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: there is no such module
        try:
            import pydicom
        except ImportError as error:
            raise MMLError(f"the image {path} is DICOM, which needs pydicom: {EXTRA}") from error
        finally:
            for name, module in hidden.items():
                sys.modules.pop(name)
                sys.modules.update({name: module} if module else {})
    # Warnings of values that are not as the standard says would repeat the values: names of patients, say.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    _IMPORTED.append(pydicom)
    return pydicom


def _check(dataset: "Dataset", path: Path, with_pixels: bool) -> None:
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    rows, columns = dataset.get("Rows"), dataset.get("Columns")
    lacks_pixels = with_pixels and not any(keyword in dataset for keyword in PIXELS)
    if not rows or not columns or lacks_pixels:
        sop_class = _name_of(dataset.get("SOPClassUID"))
        if not len(dataset):
            raise MMLError(f"the image {path} is not a DICOM file; give it the suffix of its format, or remove it")
        raise MMLError(f"the image {path} is a DICOM without pixels ({sop_class}); remove it")
    count, size = int(rows) * int(columns), path.stat().st_size
    if count > max(MANY_PIXELS, DENSEST * size):
        raise MMLError(f"the image {path} is damaged: {rows}×{columns} pixels in {size} bytes; replace or remove it")
    stated = dataset.get("PhotometricInterpretation")
    if (kind := "MONOCHROME2" if stated is None else str(stated).strip()) != stated:
        dataset.PhotometricInterpretation = kind
    if not getattr(dataset.file_meta, "TransferSyntaxUID", None):
        is_implicit, is_little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else explicit
    _check_decoder(dataset.file_meta.TransferSyntaxUID, path)


def _name_of(uid: object) -> str:
    """Return the name of a UID of the standard. Other texts of a damaged file may contain names of patients."""
    from pydicom.uid import UID, UID_dictionary

    return UID(str(uid)).name if str(uid) in UID_dictionary else "unknown"


def _check_decoder(syntax: "object", path: Path) -> None:
    """Check that an installed decoder supports the transfer syntax."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    try:
        decoder = get_decoder(UID(str(syntax)))
    except NotImplementedError as error:
        raise MMLError(
            f"the image {path} has the transfer syntax {_name_of(syntax)}, which no package reads; convert it to one "
            "without compression"
        ) from error
    if not decoder.is_available:
        missing = " ".join(decoder.missing_dependencies)
        packages = " or ".join(name for name in DECODERS if name.removeprefix("python-") in missing)
        needed = packages or "a decoder"
        raise MMLError(f"the image {path} has the transfer syntax {_name_of(syntax)}, which needs {needed}: {EXTRA}")


def _decoded(dataset: "Dataset", frame: int, path: Path) -> np.ndarray:
    """Return the stored values of a frame, H×W or H×W×3; YBR becomes RGB."""
    from pydicom.pixels import get_decoder, pixel_array

    try:
        source = dataset if any(keyword in dataset for keyword in PIXELS) else path
        available = get_decoder(dataset.file_meta.TransferSyntaxUID).available_plugins
        plugin = next((name for name in PLUGINS if name in available), "")
        pixels = pixel_array(source, index=frame, decoding_plugin=plugin, view_only=True)
    except RuntimeError as error:  # all decoders failed, each for reasons of its own
        name = dataset.file_meta.TransferSyntaxUID.name
        hint = "; pylibjpeg-libjpeg decodes it (GPL licence)" if name.startswith("JPEG Extended") else ""
        raise MMLError(
            f"the image {path} is damaged, or of a kind of {name} ({dataset.BitsStored} bits) that no installed "
            f"package decodes{hint or '; convert it to one without compression'}"
        ) from error
    if pixels.shape[:2] != (dataset.Rows, dataset.Columns):
        raise MMLError(f"the image {path} is damaged: its pixels have the shape {pixels.shape}; replace or remove it")
    if dataset.PhotometricInterpretation.startswith("YBR_PARTIAL"):
        raise MMLError(f"the image {path} has colours as {dataset.PhotometricInterpretation}; convert it to RGB")
    return pixels


def _is_colour(dataset: "Dataset") -> bool:
    return int(dataset.get("SamplesPerPixel") or 1) > 1 or dataset.PhotometricInterpretation == "PALETTE COLOR"


def _colour_depth(dataset: "Dataset") -> str:
    bits = int(dataset.get("BitsAllocated") or 8)
    is_palette = dataset.PhotometricInterpretation == "PALETTE COLOR"
    return "uint8" if bits <= 8 or is_palette else "uint16" if bits <= 16 else "uint32"


def for_frame(dataset: "Dataset", frame: int) -> "Dataset":
    """Return the elements that determine the meaning of a frame's values, including those of functional groups."""
    from pydicom import Dataset

    groups = [dataset.get(f"{kind}FunctionalGroupsSequence") for kind in ("Shared", "PerFrame")]
    if not any(groups):
        return dataset
    view = Dataset()
    view.update(dataset)
    view.file_meta = dataset.file_meta
    for group, place in zip(groups, (0, frame), strict=True):
        with suppress(IndexError, TypeError):
            for macro in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
                view.update((group[place].get(macro) or [Dataset()])[0])
    return view
