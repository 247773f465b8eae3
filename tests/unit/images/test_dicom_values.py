"""Stored values of DICOM images that are read without pydicom's decoders, next to those that it returns."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.images.readers import read_samples
from mml_lib.images.readers.dicom_values import stored_grey
from tests.support.dicom_files import SHIPPED, dicom_file

pydicom = pytest.importorskip("pydicom")


def test_values_of_shipped_files_are_those_of_pydicom():
    directly = 0
    for file in sorted(SHIPPED.glob("*.dcm")):
        dataset = pydicom.dcmread(file, force=True)
        if "PixelData" not in dataset or "TransferSyntaxUID" not in dataset.file_meta:
            continue
        values = stored_grey(dataset)
        if values is not None:
            directly += 1
            assert values.dtype == dataset.pixel_array.dtype, file.name
            assert (values == dataset.pixel_array).all(), file.name
    assert directly >= 5


@pytest.mark.parametrize("bits", [7, 12, 16])
@pytest.mark.parametrize("is_signed", [0, 1])
@pytest.mark.parametrize("are_unused_set", [False, True])
def test_unused_bits_are_cleared_as_pydicom_does(bits: int, is_signed: int, are_unused_set: bool):
    unused = (8 if bits <= 8 else 16) - bits
    stored = np.random.default_rng(0).integers(0, 2**bits, (6, 5))
    values = stored | ((2**unused - 1) << bits) if are_unused_set else stored
    file = dicom_file(BytesIO(), values, bits=bits, PixelRepresentation=is_signed)
    file.seek(0)
    dataset = pydicom.dcmread(file)
    direct = stored_grey(dataset)
    assert (direct is None) == (bits < 16 and (are_unused_set or is_signed == 1))
    if direct is not None:
        assert (direct == dataset.pixel_array).all()
        assert direct.dtype == dataset.pixel_array.dtype


@pytest.mark.parametrize("is_signed", [0, 1])
def test_image_with_unused_bits_is_read(is_signed: int, tmp_path: Path):
    values = np.arange(30).reshape(6, 5) | 0xF000
    file = dicom_file(tmp_path / "a.dcm", values, PixelRepresentation=is_signed, RescaleSlope="1", RescaleIntercept="0")
    assert (read_samples(file).values == np.arange(30).reshape(6, 5)).all()


@pytest.mark.parametrize(
    "elements", [{"NumberOfFrames": 1}, {"BitsStored": 17}, {"PixelRepresentation": 2}, {"PixelData": b"12"}]
)
def test_unusual_elements_are_left_to_pydicom(elements: dict[str, Any]):
    file = dicom_file(BytesIO(), np.zeros((6, 5)), **elements)
    file.seek(0)
    assert stored_grey(pydicom.dcmread(file)) is None
