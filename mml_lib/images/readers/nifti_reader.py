"""The reader `nifti`: slices of NIfTI volumes along the third axis of their arrays, oriented by their affine.

Slices have the orientation of DICOM images: the left of the patient is on the right, front or head at the top.
"""

import os
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.readers.reader_registry import Contents, Header, check_samples, register_reader, split_frame
from mml_lib.tasks.creators.file_kinds import NIFTI_SUFFIXES

EXTRA = "pip install 'mml[nifti]'"

KEPT_BYTES, FEWEST_KEPT = 2**29, 2
"""Size of the cache of volumes in bytes, and number of volumes that are cached whatever their size, because an image
may have several files of channels, and a mask."""

_KEPT: dict[tuple[str, int, int], "Volume"] = {}
_LOADING = Lock()


def read_nifti_header(file: Path | str) -> Header:
    """Return the header of a slice."""
    path, frame = split_frame(file)
    image = _slice(path, frame)
    return Header(image.shape[:2], str(image.dtype))


def read_nifti_contents(file: Path | str) -> Contents:
    """Return the number of slices of all volumes of a file, and their direction."""
    volume = _volume(Path(file))
    slices, volumes = volume.values.shape[2:4]
    return Contents(frames=slices * volumes, axes=volume.axes, volumes=volumes)


@register_reader("nifti", suffixes=NIFTI_SUFFIXES, header=read_nifti_header, contents=read_nifti_contents)
def read_nifti(file: Path | str) -> DeepImage:
    """Return a slice, selected by `#<slice>` after the path. Slices are numbered volume by volume."""
    path, frame = split_frame(file)
    return DeepImage(check_samples(_slice(path, frame), "nifti", file))


def _slice(path: Path, frame: int) -> np.ndarray:
    values = _volume(path).values
    slices = values.shape[2]
    if frame >= slices * values.shape[3]:
        raise MMLError(f"the image {path} has no slice {frame}; list the data set again")
    return np.ascontiguousarray(values[:, :, frame % slices, frame // slices])


class Volume(NamedTuple):
    """Upright values, H×W×slices×volumes or H×W×slices×volumes×3, and the directions of axes; None if unknown."""

    values: np.ndarray
    axes: str | None


def _volume(path: Path) -> Volume:
    """Return a volume from the cache, or load it if it is new or has changed."""
    state = os.stat(path)
    key = str(path), state.st_mtime_ns, state.st_size
    with _LOADING:  # several threads may read slices of one volume
        volume = _KEPT.pop(key, None) or _loaded(path)
        _KEPT[key] = volume  # the latest volume is at the end
        while len(_KEPT) > FEWEST_KEPT and sum(kept.values.nbytes for kept in _KEPT.values()) > KEPT_BYTES:
            _KEPT.pop(next(iter(_KEPT)))
        return volume


def _loaded(path: Path) -> Volume:
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
    except ImportError as error:
        raise MMLError(f"the image {path} is a NIfTI volume, which needs nibabel: {EXTRA}") from error
    try:
        image: Any = nibabel.load(path)
    except ImageFileError as error:
        raise MMLError(f"the image {path} is damaged, or is not a NIfTI volume; replace or remove it") from error
    values = _values(image)
    if not 2 <= values.ndim <= 4 or 0 in values.shape:
        raise MMLError(f"the image {path} has the shape {values.shape}; volumes of 2 to 4 dimensions are read")
    if values.dtype.names:  # colours
        values = np.stack([values[name] for name in values.dtype.names[:3]], axis=-1)
        values = values.reshape(*values.shape[:-1], *[1] * (5 - values.ndim), 3)
    elif values.dtype.kind not in "uif":
        raise MMLError(f"the image {path} has values of type {values.dtype}; save its magnitude as numbers")
    else:
        values = values.reshape(*values.shape, *[1] * (4 - values.ndim))
    codes = nibabel.aff2axcodes(image.affine)
    axes = None if None in codes else "".join(codes)
    return Volume(_upright(values, nibabel.io_orientation(image.affine)), axes)


def _values(image: Any) -> np.ndarray:
    """Return the values of a volume: stored values, scaled if the header states a scale."""
    proxy = image.dataobj
    if (proxy.slope, proxy.inter) != (1, 0):
        return image.get_fdata(dtype=np.float32, caching="unchanged")
    values = np.asanyarray(proxy)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _upright(values: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """Return a volume with rows from top to bottom as first axis, and columns from left to right as second axis.

    Args:
        values: volume whose first two axes are those of its slices.
        orientation: for each axis, the axis of the body (0: right, 1: front, 2: head) and its sign.
    """
    axes, signs = orientation[:2].T.tolist()
    if np.isnan(orientation[:2]).any():  # the header does not state it
        return values.swapaxes(0, 1)
    values = np.flip(values, tuple(axis for axis, sign in enumerate(signs) if sign > 0))
    return values.swapaxes(0, 1) if axes[0] < axes[1] else values
