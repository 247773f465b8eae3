"""Header fields: metadata from the headers of DICOM files, and the fields that are never read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.images.readers.frames import expand_frames
from mml_lib.images.readers.header_fields import collect_columns
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.metadata import HEADER_FIELDS, header_columns
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.dicom_files import dicom_file

pydicom = pytest.importorskip("pydicom")


def table(folder: Path) -> dict[str, str]:
    values = np.zeros((2, 4, 4))
    for number, sex in enumerate("FM"):
        dicom_file(folder / f"{number}.dcm", values + number, PatientSex=sex, PatientID=f"Doe{number}")
    (folder / "t.csv").write_text("image,label,site\n0.dcm,a,x\n1.dcm,b,y\n")
    return {"path": str(folder / "t.csv")}


def test_columns_of_table_and_headers_are_those_of_each_frame(tmp_path: Path):
    arguments = table(tmp_path)
    delivery = expand_frames(create("csv", arguments, tmp_path), "data", tmp_path, 1)
    dataset = Dataset("data", delivery, [(4, 4)] * 4, tmp_path)
    source = {"creator": "csv", "arguments": arguments, "columns": ["dicom.PatientSex", "site", "dicom.Modality"]}
    columns = collect_columns(dataset, "t", source)
    assert list(columns) == source["columns"]
    assert columns["site"] == {"0.dcm#0": "x", "0.dcm#1": "x", "1.dcm#0": "y", "1.dcm#1": "y"}
    assert list(columns["dicom.PatientSex"].values()) == ["F", "F", "M", "M"]
    assert set(columns["dicom.Modality"].values()) == {""}


@pytest.mark.parametrize("field", ["PatientName", "PatientBirthDate", "InstitutionName", "StudyDate", "patientsex"])
def test_field_that_may_identify_a_patient_is_refused_while_planning(tmp_path: Path, field: str):
    (tmp_path / "a").mkdir()
    task = Task(creator="image_folder", path=str(tmp_path), metadata=[f"dicom.{field}"])
    with pytest.raises(MMLError, match=rf"tasks\.t\.metadata: 'dicom\.{field}' .*may identify patients"):
        TaskIdentity.of("t", task)


def test_fields_are_elements_of_the_standard():
    keywords = {pydicom.datadict.keyword_for_tag(pydicom.datadict.tag_for_keyword(field)) for field in HEADER_FIELDS}
    assert keywords == set(HEADER_FIELDS)
    assert header_columns("t", ["site", "dicom.PatientSex"]) == ["dicom.PatientSex"]


def test_columns_of_a_creator_without_a_table_are_refused_beside_header_fields(tmp_path: Path):
    task = Task(creator="image_folder", path=str(tmp_path), metadata=["dicom.PatientSex", "site"])
    with pytest.raises(MMLError, match=r"tasks\.t\.metadata: the creator 'image_folder' has no columns"):
        TaskIdentity.of("t", task)


def test_metadata_are_no_part_of_a_task(tmp_path: Path):
    arguments = table(tmp_path)
    plain = TaskIdentity.of("t", Task(creator="csv", **arguments))
    with_fields = TaskIdentity.of("t", Task(creator="csv", **arguments, metadata=["dicom.PatientSex"]))
    assert replace(with_fields, about=plain.about).id == plain.id


def test_ages_are_years_and_none_is_over_90(tmp_path: Path, capsys: pytest.CaptureFixture):
    ages = {"045Y": "45", "018M": "1.5", "089Y": "89", "090Y": "90", "101Y": "90", "61": "61", "19300412": "", "": ""}
    for number, age in enumerate(ages):
        dicom_file(tmp_path / f"{number}.dcm", np.full((4, 4), number), PatientAge=age)
    samples = [Sample(str(number), f"{number}.dcm") for number in range(len(ages))]
    dataset = Dataset("data", Delivery(samples, [], "no_task"), [(4, 4)] * len(ages), tmp_path)
    source = {"creator": "image_folder", "arguments": {}, "columns": ["dicom.PatientAge"]}
    assert list(collect_columns(dataset, "t", source)["dicom.PatientAge"].values()) == list(ages.values())
    printed = capsys.readouterr().out
    assert "2 of 8 images have an age of 90" in printed
    assert "1 of 8 images have no age" in printed
    assert "101" not in printed
    assert "1930" not in printed
