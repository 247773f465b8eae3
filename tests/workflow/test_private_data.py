"""Private data: what identifies patients in headers of DICOM files stands in no file that MML writes."""

import numpy as np
import pytest

from tests.support.dicom_files import dicom_file
from tests.support.workplaces import TINY, Workplace

pytest.importorskip("pydicom")

PATIENTS = 6
IDENTIFYING = {
    "PatientName": "Mustermann{}^Erika",
    "PatientID": "Pat-88231{}",
    "PatientBirthDate": "193{}0217",
    "OtherPatientIDs": "Fallnummer{}",
    "PatientAddress": "Musterweg{}",
    "InstitutionName": "Klinikum-Wunderberg{}",
    "ReferringPhysicianName": "Zuweiser{}^Karl",
    "AccessionNumber": "ACC-5521{}",
    "StudyDate": "2019070{}",
}


@pytest.mark.long
def test_identifying_values_of_headers_are_written_nowhere(workplace: Workplace):
    rng = np.random.default_rng(0)
    for patient in range(PATIENTS):
        elements = {key: value.format(patient) for key, value in IDENTIFYING.items()}
        for label in "ab":
            folder = workplace.folder / "images" / label
            folder.mkdir(parents=True, exist_ok=True)
            values = rng.integers(0, 4096, (2, 24, 24))
            dicom_file(folder / f"{patient}.dcm", values, PatientSex="FM"[patient % 2], **elements)
    task = {"creator": "image_folder", "path": "images", "folds": 2, "test_fraction": 0.34}
    task["metadata"] = ["dicom.PatientSex"]
    workplace.write(TINY | {"mode": "post", "tasks": {"mine": task}})
    terminal = workplace.run()
    terminal += workplace.run("info")

    written = [path for path in workplace.folder.rglob("*") if path.is_file()]
    written = [path for path in written if "images" not in path.relative_to(workplace.folder).parts[:1]]
    contents = {path: path.read_bytes() for path in written}
    table = next(content for path, content in contents.items() if path.parts[-2] == "METADATA")
    assert sorted(line.rpartition(b",")[2] for line in table.splitlines()[1:]) == [b"F"] * 12 + [b"M"] * 12
    assert any(b'"patient-6"' in content for content in contents.values())
    for value in IDENTIFYING.values():
        for patient in range(PATIENTS):
            text = value.format(patient).partition("^")[0]
            assert text not in terminal
            assert not [path for path, content in contents.items() if text.encode() in content], text
