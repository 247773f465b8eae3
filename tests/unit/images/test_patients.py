"""Patients of DICOM files: groups, splits and series."""

from pathlib import Path

import numpy as np
import pytest

from mml_lib.config.image_options import Images
from mml_lib.errors import MMLError
from mml_lib.images.readers.frames import expand_frames
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from tests.support.dicom_files import dicom_file

pytest.importorskip("pydicom")

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def survey(folder: Path, *files: Path, images: Images | None = None, **about: str) -> Dataset:
    samples = [Sample(file.name, str(file), **about) for file in files]
    delivery = expand_frames(Delivery(samples, [], "no_task"), "data", folder, 1, images)
    return survey_images(delivery, "data", folder, 1, images=images)


def test_patients_are_groups_by_number_only(tmp_path: Path):
    names = ["Doe", "Roe", "Doe", None]
    files = [dicom_file(tmp_path / f"{n}.dcm", RAMP + n, PatientID=name or "") for n, name in enumerate(names)]
    samples = survey(tmp_path, *files).delivery.samples
    assert [sample.group for sample in samples] == ["patient-1", "patient-2", "patient-1", None]
    by_file = survey(tmp_path, *files, images=Images(group="file")).delivery.samples
    assert [sample.group for sample in by_file] == [None] * 4
    stated = survey(tmp_path, *files, group="g").delivery.samples
    assert {sample.group for sample in stated} == {"g"}


def test_patient_in_two_splits_is_refused(tmp_path: Path):
    files = [dicom_file(tmp_path / f"{n}.dcm", RAMP + n, PatientID=f"Doe{n % 2}") for n in range(3)]
    samples = [Sample(str(n), str(file), split="test" if n else "train") for n, file in enumerate(files)]
    with pytest.raises(
        MMLError, match=r"0\.dcm and \S+2\.dcm are of one patient \(PatientID\), but in the splits"
    ) as raised:
        expand_frames(Delivery(samples, [], "no_task"), "data", tmp_path, 1)
    assert "Doe" not in str(raised.value)


@pytest.mark.parametrize("spelling", ["doe1", "DOE01 ", "Doe001"])
def test_spellings_of_an_id_are_one_patient(tmp_path: Path, spelling: str):
    files = [
        dicom_file(tmp_path / f"{n}.dcm", RAMP + n, PatientID=id_) for n, id_ in enumerate(["Doe1", spelling, "x"])
    ]
    groups = [sample.group for sample in survey(tmp_path, *files).delivery.samples]
    assert groups == ["patient-1", "patient-1", "patient-2"]


@pytest.mark.parametrize(("issuers", "patients"), [(("A", "B", "B"), [1, 2, 2]), (("A", "", "B"), [1, 1, 1])])
def test_issuers_tell_patients_apart_where_all_files_state_one(
    tmp_path: Path, issuers: tuple[str, ...], patients: list[int]
):
    files = [
        dicom_file(tmp_path / f"{n}.dcm", RAMP + n, PatientID="7", IssuerOfPatientID=issuer)
        for n, issuer in enumerate(issuers)
    ]
    other = dicom_file(tmp_path / "other.dcm", RAMP + 9, PatientID="Roe")
    groups = [sample.group for sample in survey(tmp_path, *files, other).delivery.samples]
    assert groups[:3] == [f"patient-{number}" for number in patients]


@pytest.mark.parametrize("id_", ["", "ANONYMOUS"])
def test_studies_are_groups_where_ids_tell_no_patients_apart(tmp_path: Path, id_: str):
    files = [
        dicom_file(tmp_path / f"{n}.dcm", RAMP + n, PatientID=id_, StudyInstanceUID=f"1.2.{n // 2}") for n in range(5)
    ]
    groups = [sample.group for sample in survey(tmp_path, *files).delivery.samples]
    assert groups == ["study-1", "study-1", "study-2", "study-2", None]


def test_file_without_id_belongs_to_the_patient_of_its_study(tmp_path: Path):
    files = [
        dicom_file(tmp_path / f"{n}.dcm", RAMP + n, PatientID=id_, SeriesInstanceUID=f"1.2.{min(n, 1)}")
        for n, id_ in enumerate(["Doe", "", "Roe"])
    ]
    groups = [sample.group for sample in survey(tmp_path, *files).delivery.samples]
    assert groups == ["patient-1", "patient-2", "patient-2"]


def test_patient_in_two_folds_of_the_data_is_refused(tmp_path: Path):
    files = [dicom_file(tmp_path / f"{n}.dcm", RAMP + n, PatientID=f"Doe{n % 2}") for n in range(3)]
    samples = [Sample(str(n), str(file), fold=n) for n, file in enumerate(files)]
    with pytest.raises(
        MMLError, match=r"of one patient \(PatientID\), but in the folds 0 and 2; put them into one fold"
    ):
        expand_frames(Delivery(samples, [], "no_task"), "data", tmp_path, 1)


@pytest.mark.parametrize(
    ("groups", "divided"), [(("x", "x", "y"), False), (("x", "z", "y"), True), (("x", None, "y"), True)]
)
def test_groups_of_the_data_that_divide_a_patient_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture, groups: tuple[str | None, ...], divided: bool
):
    files = [dicom_file(tmp_path / f"{n}.dcm", RAMP + n, PatientID=id_) for n, id_ in enumerate(["Doe", "doe", "Roe"])]
    samples = [
        Sample(str(n), str(file), group=group) for n, (file, group) in enumerate(zip(files, groups, strict=True))
    ]
    delivery = expand_frames(Delivery(samples, [], "no_task"), "data", tmp_path, 1)
    assert tuple(sample.group for sample in delivery.samples) == groups
    text = capsys.readouterr().out
    assert ("divide 1 of 2 patients" in text) == divided
    assert "doe" not in text.lower()


def test_same_patient_everywhere_is_no_group(tmp_path: Path, capsys: pytest.CaptureFixture):
    files = [dicom_file(tmp_path / f"{n}.dcm", RAMP + n, PatientID="ANONYMOUS") for n in range(2)]
    assert [sample.group for sample in survey(tmp_path, *files).delivery.samples] == [None, None]
    error = capsys.readouterr().out
    assert "all 2 files have the same PatientID" in error
    assert "ANONYMOUS" not in error


@pytest.mark.parametrize("modality", ["CT", "DX"])
def test_series_of_two_patients_or_sizes_is_refused(tmp_path: Path, modality: str):
    about = {"SeriesInstanceUID": "1.2.3", "Modality": modality}
    files = [dicom_file(tmp_path / f"{n}.dcm", RAMP, PatientID=f"Doe{n}", **about) for n in range(2)]
    with pytest.raises(MMLError, match="are of one series and of two patients"):
        survey(tmp_path, *files)
    small = dicom_file(tmp_path / "small.dcm", RAMP[:32], PatientID="Doe0", **about)
    if modality == "DX":
        assert len(survey(tmp_path, files[0], small).sizes) == 2, "views of one examination"
        return
    with pytest.raises(MMLError, match="slices of one series with 64×64 and 32×64 pixels"):
        survey(tmp_path, files[0], small)
