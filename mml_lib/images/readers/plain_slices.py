"""Plain slices: single grey DICOM images without compression, many of which have equal headers.

Interpreting a header takes pydicom longer than reading pixels takes NumPy. Therefore the interpretation of a header is
cached by the bytes of all elements that affect it.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mml_lib.images.deep_images import DeepImage

if TYPE_CHECKING:
    from pydicom import Dataset

MOST_KEPT = 1024
"""Size of the cache. Files with separate windows have many different headers."""

PIXEL_DATA, TRANSFER_SYNTAX = 0x7FE00010, 0x00020010

DECIDING = (
    *(0x00080060, 0x00280002, 0x00280004, 0x00280010, 0x00280011),  # modality, samples, colours, rows, columns
    *(0x00280100, 0x00280101, 0x00280103),  # bits allocated and stored, sign
    *(0x00281050, 0x00281051, 0x00281056),  # window: centre, width, function
    *(0x00281052, 0x00281053, 0x00281054),  # rescale: intercept, slope, type
)
"""Elements that determine the meaning of stored values."""

OTHERS = (
    *(0x00280008, 0x00280120, 0x00280121),  # frames, padding
    *(0x00283000, 0x00283010),  # look-up tables
    *(0x52009229, 0x52009230),  # functional groups
    *(0x7FE00008, 0x7FE00009),  # floating-point pixels
)
"""Elements whose presence excludes plain images."""

Key: TypeAlias = tuple[bytes | str | None, ...]


@dataclass(frozen=True)
class PlainSlice:
    """Interpretation of a header.

    Args:
        shape: numbers of rows and columns.
        kind: dtype of the stored values.
        limits: least and largest value of the stored bits.
        image: image without pixels.
    """

    shape: tuple[int, int]
    kind: np.dtype
    limits: tuple[int, int]
    image: DeepImage

    def with_pixels(self, content: bytes) -> DeepImage | None:
        """Return the image for the pixel data of a file; None if their length is wrong, or unused bits are set."""
        count = self.shape[0] * self.shape[1]
        length = count * self.kind.itemsize
        if len(content) != length + length % 2:
            return None
        values = np.frombuffer(content, self.kind, count)
        if values.max() > self.limits[1] or (self.limits[0] < 0 and values.min() < self.limits[0]):
            return None
        return replace(self.image, stored=values.reshape(self.shape))


_KEPT: OrderedDict[Key, PlainSlice] = OrderedDict()


def key_of(dataset: "Dataset") -> Key | None:
    """Return the bytes that determine the interpretation of a header; None for images that are not plain."""
    if any(tag in dataset for tag in OTHERS):
        return None
    elements = [dataset.file_meta.get_item(TRANSFER_SYNTAX), *map(dataset.get_item, DECIDING)]
    key = tuple(None if element is None else element.value for element in elements)
    is_raw = key[0] is not None and all(value is None or isinstance(value, bytes | str) for value in key)
    return key if is_raw else None


def recall(key: Key | None, dataset: "Dataset") -> DeepImage | None:
    """Return the image of a file whose header is in the cache; None otherwise."""
    kept = _KEPT.get(key) if key else None
    content = dataset.get_item(PIXEL_DATA) if kept else None
    return kept.with_pixels(content.value) if kept and content and isinstance(content.value, bytes) else None


def keep(key: Key | None, image: DeepImage, limits: tuple[int, int], is_plain: bool) -> None:
    """Add the interpretation of a header to the cache, if the stored values of its image are those of the file.

    Args:
        key: result of `key_of`.
        image: the image.
        limits: least and largest value of the stored bits.
        is_plain: True if the stored values are a view of the file's bytes.
    """
    values = image.stored
    if key is None or not is_plain or values.ndim != 2:
        return
    _KEPT[key] = PlainSlice(values.shape, values.dtype, limits, replace(image, stored=values[:0, :0].copy()))
    while len(_KEPT) > MOST_KEPT:
        _KEPT.popitem(last=False)
