"""Plain slices: what a header means is kept for the next file with the same bytes, and for no other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.errors import MMLError
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.readers import dicom_reader, plain_slices
from mml_lib.images.readers.dicom_reader import read_dicom
from tests.support.dicom_files import SHIPPED, dicom_file

pytest.importorskip("pydicom")

VALUES = np.arange(12, dtype=np.uint16).reshape(3, 4) * 300
RESCALED = {"Modality": "CT", "RescaleSlope": "1", "RescaleIntercept": "-1024"}


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_slices, "_KEPT", type(plain_slices._KEPT)())


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files whose headers are read element by element."""
    files: list[Path] = []
    check = dicom_reader._check
    monkeypatch.setattr(
        dicom_reader, "_check", lambda data, path, **how: files.append(path) or check(data, path, **how)
    )
    return files


def same(one: DeepImage, other: DeepImage) -> bool:
    """Return True if two images are the same, and stored in the same way."""
    fields = ("inverted", "findings", "own_range", "is_calibrated", "rescale", "channels")
    arrays = ((getattr(image, name) for image in (one, other)) for name in ("stored", "padding", "alpha"))
    alike = [first is second is None or np.array_equal(first, second) for first, second in arrays]
    return (
        all(alike)
        and one.stored.dtype == other.stored.dtype
        and all(getattr(one, name) == getattr(other, name) for name in fields)
    )


@pytest.mark.parametrize(
    ("elements", "is_kept"),
    [
        (RESCALED, True),
        ({}, True),
        ({"WindowCenter": "600", "WindowWidth": "800"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", **RESCALED}, True),
        ({"RescaleSlope": "0.5", "RescaleIntercept": "0"}, False),
        ({"PixelPaddingValue": 300}, False),
        ({"VOILUTFunction": "SIGMOID", "WindowCenter": "600", "WindowWidth": "800"}, True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_second_file_of_one_header_is_read_alike(
    tmp_path: Path, checked: list[Path], elements: dict[str, Any], is_kept: bool
):
    one = dicom_file(tmp_path / "1.dcm", VALUES, PatientID="a", **elements)
    other = dicom_file(tmp_path / "2.dcm", VALUES[::-1], PatientID="b", **elements)
    first, second = read_dicom(one), read_dicom(other)
    assert checked == [one] if is_kept else [one, other]
    plain_slices._KEPT.clear()
    assert same(second, read_dicom(other))
    assert same(first, read_dicom(one))


@pytest.mark.parametrize(
    "change",
    [{"RescaleIntercept": "-1000"}, {"Modality": "MR"}, {"WindowCenter": "9", "WindowWidth": "9"}, {"BitsStored": 11}],
    ids=" ".join,
)
def test_other_header_is_read_anew(tmp_path: Path, checked: list[Path], change: dict[str, Any]):
    read_dicom(dicom_file(tmp_path / "1.dcm", VALUES, **RESCALED))
    other = dicom_file(tmp_path / "2.dcm", VALUES // 2, **RESCALED | change)
    second = read_dicom(other)
    assert len(checked) == 2
    plain_slices._KEPT.clear()
    assert same(second, read_dicom(other))


def test_pixels_that_are_no_plain_ones_are_read_in_full(tmp_path: Path, checked: list[Path]):
    read_dicom(dicom_file(tmp_path / "1.dcm", VALUES, **RESCALED))
    beyond = dicom_file(tmp_path / "2.dcm", VALUES | 0x8000, **RESCALED)  # a bit beside the 12 stored ones
    assert read_dicom(beyond).stored.max() < 2**12
    cut = Path(tmp_path / "3.dcm")
    cut.write_bytes((tmp_path / "1.dcm").read_bytes()[:-6])
    with pytest.raises(MMLError, match=r"3\.dcm"):
        read_dicom(cut)
    assert len(checked) == 3


def test_shipped_files_are_the_same_when_they_are_read_again():
    kept = 0
    for path in sorted(SHIPPED.glob("*.dcm")):
        try:
            first = read_dicom(path)
        except MMLError:
            continue
        assert same(first, read_dicom(path)), path.name
        kept = max(kept, len(plain_slices._KEPT))
    assert kept > 2


def test_meanings_of_headers_do_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plain_slices, "MOST_KEPT", 2)
    for number in range(4):
        window = {"WindowCenter": str(100 + number), "WindowWidth": "50"}
        read_dicom(dicom_file(tmp_path / f"{number}.dcm", VALUES, **window))
    assert len(plain_slices._KEPT) == 2
