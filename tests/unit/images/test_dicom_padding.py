"""Padding of DICOM images: pixels beside the image are black, and decide nothing about its values."""

from pathlib import Path

import numpy as np
import pytest

from mml_lib.config.image_options import Images
from mml_lib.images.decoding import decode
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from tests.support.dicom_files import dicom_file
from tests.support.image_samples import in_eight_bits

pydicom = pytest.importorskip("pydicom")

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
PERCENTILES = Images(percentiles=(5, 90))


def survey(folder: Path, file: Path, images: Images | None = None) -> Dataset:
    return survey_images(Delivery([Sample("x", str(file))], [], "no_task"), "data", folder, 1, images=images)


def decoded(dataset: Dataset) -> np.ndarray:
    return decode(dataset.image_path(0), conversion=in_eight_bits(dataset.conversion))[0][..., 0]


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("limit", [None, 3])
def test_padding_is_black_and_widens_no_range(tmp_path: Path, kind: str, limit: int | None):
    values = RAMP + 1000
    values[:2] = 0, *[2] * 63  # beside the image
    elements = {"PixelPaddingRangeLimit": limit} if limit else {}
    padding = 0 if limit else 2
    file = dicom_file(
        tmp_path / "x.dcm", values, bits=16, PhotometricInterpretation=kind, PixelPaddingValue=padding, **elements
    )
    dataset = survey(tmp_path, file)
    assert (decoded(dataset)[:2, 1:] == 0).all()
    assert dataset.value_range.low == (1128 if limit else 0)


def test_padding_is_no_part_of_percentiles(tmp_path: Path):
    values = RAMP + 1000
    values[:40] = 0
    dataset = survey(tmp_path, dicom_file(tmp_path / "x.dcm", values, 16, PixelPaddingValue=0), PERCENTILES)
    ends = np.percentile(values[40:], PERCENTILES.percentiles)
    assert (dataset.value_range.low, dataset.value_range.high) == pytest.approx(ends)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("bits", "window"), [(8, {}), (16, {"WindowCenter": 600, "WindowWidth": 1200})])
def test_padding_is_black_whatever_the_darkest_value_is(tmp_path: Path, kind: str, bits: int, window: dict[str, int]):
    values = (RAMP % 100) + (500 if window else 80)
    values[:2] = 7
    file = dicom_file(tmp_path / "x.dcm", values, bits, PhotometricInterpretation=kind, PixelPaddingValue=7, **window)
    image = decoded(survey(tmp_path, file))
    assert (image[:2] == 0).all()
    assert (image[2:] > 50).all()


def test_sign_of_padding_is_that_of_the_pixels(tmp_path: Path):
    values = RAMP.astype(np.int16)
    values[:2] = -2000
    file = dicom_file(tmp_path / "x.dcm", values.astype(np.uint16), 16, PixelRepresentation=1)
    dataset = pydicom.dcmread(file)
    dataset.add_new("PixelPaddingValue", "US", 2**16 - 2000)
    dataset.save_as(file)
    assert survey(tmp_path, file).value_range.low == 128
