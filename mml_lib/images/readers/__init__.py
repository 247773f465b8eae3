"""Readers read the image files of one format each. Register your own in a plugin:

@register_reader("raw12", suffixes=[".r12"])
def read_raw12(file: Path) -> np.ndarray:
    ...return the samples of the upright image, H×W or H×W×C...
"""

from mml_lib.images.readers import (  # noqa: F401  (they register themselves)
    array_files,
    array_rows,
    dicom_reader,
    nifti_reader,
    pillow_reader,
)
from mml_lib.images.readers.reader_registry import READERS, Contents, Header, Picture, register_reader, split_frame
from mml_lib.images.readers.reading import as_deep_image, read_header, read_samples

__all__ = [
    "READERS",
    "Contents",
    "Header",
    "Picture",
    "as_deep_image",
    "read_header",
    "read_samples",
    "register_reader",
    "split_frame",
]
