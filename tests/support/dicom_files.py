"""DICOM files: those that pydicom ships, and small ones to write."""

import os
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

SPEC = find_spec("pydicom")
SHIPPED = Path(os.path.dirname(SPEC.origin)) / "data/test_files" if SPEC and SPEC.origin else Path("pydicom")


def dicom_file(path: Path | BytesIO, values: np.ndarray, bits: int = 12, **elements: Any) -> Path | BytesIO:
    """Write grey values, H×W or frames×H×W, as a DICOM file without compression."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.SeriesInstanceUID = generate_uid(
        entropy_srcs=[str(path) if isinstance(path, Path) else ""]
    )
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = values.shape[-2:]
    if values.ndim == 3:
        dataset.NumberOfFrames = len(values)
    allocated = 8 if bits <= 8 else 16
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, bits, bits - 1
    dataset.PixelRepresentation = 0
    dataset.PixelData = values.astype(f"<u{allocated // 8}").tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path
