"""Downloads: where files come from, and what planning refuses before they are fetched."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.download_options import Download, without_passwords
from mml_lib.config.loading import load_study
from mml_lib.config.reading.layers import with_defaults
from mml_lib.engine.command_line import StudyLayers
from mml_lib.engine.opening import study_record
from mml_lib.errors import MMLError
from mml_lib.studies.checks.download_checks import check_downloads, export_passwords
from mml_lib.studies.study import Study
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.places import CONFIG

SHA256 = "0a1b" * 15 + "cdef"
MANUAL = {"manual": "scans.zip", "from": "https://example.org", "sha256": SHA256}
KAGGLE = {"kaggle": "owner/set", "sha256": SHA256}


def study(tmp_path: Path, *downloads: dict[str, Any]) -> Study:
    task = {"creator": "image_folder", "downloads": list(downloads)}
    paths = {"data": str(tmp_path / "data"), "results": str(tmp_path / "results"), "presets": [str(CONFIG)]}
    return Study(with_defaults({"project": "p", "tasks": {"t": task}, "paths": paths}))


@pytest.mark.parametrize(
    ("download", "address", "name"),
    [
        ({"url": "https://x/a%20b.zip?c=1"}, "https://x/a%20b.zip?c=1", "a_b.zip"),
        ({"manual": "Che Xpert.zip", "from": "https://y"}, "manual:Che Xpert.zip#https://y", "Che_Xpert.zip"),
        ({"kaggle": "owner/set"}, "kaggle:owner/set#", "set.zip"),
        ({"kaggle": "competitions/cells", "file": "a/b.csv"}, "kaggle:competitions/cells#a/b.csv", "b.csv"),
    ],
)
def test_addresses_and_names_of_files(download: dict[str, str], address: str, name: str):
    file = Download(**download, sha256=SHA256)
    assert (file.address, file.file_name, file.checksum) == (address, name, SHA256)
    trusted = Download(**download, trust="first_use").checksum
    assert trusted.startswith("url-")


@pytest.mark.parametrize(
    ("download", "line"),
    [
        ({"sha256": SHA256}, "one of the keys url, manual .* and kaggle"),
        (MANUAL | {"url": "https://x/y.zip"}, "one of the keys url, manual .* and kaggle"),
        ({"manual": "a.zip", "sha256": SHA256}, "manual needs from, and from needs manual"),
        ({"url": "https://x/y.zip", "from": "https://x", "sha256": SHA256}, "manual needs from, and from needs manual"),
        ({"url": "https://x/y.zip", "file": "a.csv", "sha256": SHA256}, "file is one file of a Kaggle data set"),
        (MANUAL | {"manual": "../a.zip"}, r"downloads\.0\.manual: '\.\./a\.zip' is not a file name"),
        ({"url": "https://x/y.zip", "sha256": "12"}, r"downloads\.0\.sha256: '12' is not a SHA-256 checksum"),
        ({"url": "https://x/y.zip", "md5": "12"}, r"downloads\.0\.md5: '12' is not an MD5 checksum"),
        (KAGGLE | {"kaggle": "set"}, r"downloads\.0\.kaggle: 'set' is not a data set of Kaggle"),
        (MANUAL | {"password": {"env": "A B"}}, r"downloads\.0\.password"),
        (MANUAL | {"password": {"variable": "A"}}, r"downloads\.0\.password"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, download: dict[str, Any], line: str):
    with pytest.raises(MMLError, match=line) as error:
        study(tmp_path, download)
    assert "\n" not in str(error.value)


def test_a_password_is_no_part_of_the_identity_and_nested_is():
    def identity(**keys: Any) -> str:
        task = {"creator": "image_folder", "downloads": [MANUAL | keys]}
        cfg = load_study(with_defaults({"project": "p", "tasks": {"t": task}, "paths": {"presets": [str(CONFIG)]}}))
        return TaskIdentity.of("t", cfg.tasks["t"]).id

    assert identity() == identity(password="a") == identity(password={"env": "B"}) == identity(nested=False)
    assert identity(nested=True) != identity()


def test_a_password_is_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plan = study(tmp_path, MANUAL | {"password": "s3cret"})
    (file,) = plan.cfg.tasks["t"].downloads
    assert "s3cret" not in f"{plan.cfg!r} {plan.cfg} {plan.cfg.model_dump_json()}"
    monkeypatch.setenv(file.password_variable, "")
    export_passwords(plan)
    assert os.environ[file.password_variable] == "s3cret"


def test_reports_and_records_of_a_study_hide_passwords(tmp_path: Path):
    download = MANUAL | {"password": "s3cret", "nested": True}
    plan = study(tmp_path, download)
    reported = plan.inputs.report.config(None)
    assert "s3cret" not in str(reported)
    assert reported["tasks"]["t"]["downloads"][0] == download | {"password": "not shown"}
    layers = StudyLayers(config={}, files=[], values={"tasks": {"t": {"downloads": [download]}}})
    assert "s3cret" not in str(study_record(layers))
    by_variable = MANUAL | {"password": {"env": "NAME"}}
    assert without_passwords({"downloads": [by_variable]}) == {"downloads": [by_variable]}


def test_missing_files_are_all_named_at_once(tmp_path: Path):
    plan = study(tmp_path, MANUAL, MANUAL | {"manual": "labels.csv", "sha256": "cdef" * 15 + "0a1b"})
    folder = tmp_path / "data/MANUAL"
    with pytest.raises(MMLError, match=f"scans.zip from https://example.org, labels.csv .* put them into {folder}"):
        check_downloads(plan)
    folder.mkdir(parents=True)
    (folder / "scans.zip").write_bytes(b"x")
    with pytest.raises(MMLError, match=f"download by hand: labels.csv .* put it into {folder}"):
        check_downloads(plan)
    (folder / "labels.csv").write_bytes(b"x")
    check_downloads(plan)


@pytest.mark.parametrize(
    ("download", "line"),
    [
        (KAGGLE, r'tasks.t.downloads: kaggle is missing: pip install "mml\[kaggle\]"'),
        ({"url": "https://x/y.7z", "sha256": SHA256}, r'py7zr is missing: pip install "mml\[archives\]"'),
        ({"url": "https://x/y.RAR", "sha256": SHA256}, r'rarfile is missing: pip install "mml\[archives\]"'),
    ],
)
def test_missing_packages_are_named_while_planning(
    tmp_path: Path, download: dict[str, str], line: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mml_lib.studies.checks.download_checks.find_spec", lambda name: None)
    with pytest.raises(MMLError, match=line):
        check_downloads(study(tmp_path, download))


def test_data_sets_that_are_made_need_nothing(tmp_path: Path):
    plan = study(tmp_path, MANUAL)
    manifest = Path(plan.fm.path("dataset", dataset=plan.tasks.bases["t"].dataset))
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    check_downloads(plan)
    assert "kaggle.api" not in sys.modules
