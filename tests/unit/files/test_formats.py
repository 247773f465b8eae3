"""Formats: files of every kind are read, also of the former versions that have a migration; others are refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from mml_lib import __version__
from mml_lib.errors import MMLError
from mml_lib.files.containers import PACKED_FORMAT, TEXTS, stamp_of
from mml_lib.files.formats import FORMATS, STAMP
from mml_lib.files.manager import MMLFileManager
from mml_lib.files.templates import BUILT_IN
from mml_lib.models.model_storage import ModelStorage
from tests.support.former_formats import FIXTURES, FORMER, OLDER, READ, older

RELEASES = sorted(path for path in FIXTURES.glob("formats-*") if (path / "data").exists())


"""How the files of each kind are read."""


def files_of(fm: MMLFileManager, kind: str) -> list[Path]:
    return [fm.construct_saving_path(None, key, **tokens) for key in FORMATS[kind].keys for tokens in fm.existing(key)]


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
@pytest.mark.parametrize("kind", FORMATS)
def test_files_of_every_release_are_read(release: Path, kind: str):
    fm = MMLFileManager(release / "data", release / "results", "demo")
    paths = files_of(fm, kind)
    if release.name.endswith(__version__):
        assert {key for key in FORMATS[kind].keys if fm.existing(key)} == set(FORMATS[kind].keys), "one of each key"
    for path in paths:
        READ[kind](path)


def test_the_files_of_this_release_have_the_present_formats():
    release = FIXTURES / f"formats-{__version__}"
    fm = MMLFileManager(release / "data", release / "results", "demo")
    stamps = {kind: [stamp_of(kind, path) for path in files_of(fm, kind)] for kind in FORMATS}
    older = [kind for kind, form in FORMATS.items() if stamps[kind][0] != form.stamp]
    assert not older, f"{older}: write the files again with `python -m tests.fixtures.make_formats`"


def test_every_artefact_of_json_yaml_and_arrays_has_a_format():
    ends = (".json", ".yaml", ".npz", ".npy", ".safetensors")
    keys = {key for form in FORMATS.values() for key in form.keys}
    missing = {template.key for template in BUILT_IN if template.path.endswith(ends)} - keys
    assert not missing, f"{missing}: add entries to FORMATS in mml_lib/files/formats.py"


def test_a_release_is_small_and_names_no_machine():
    for release in [*RELEASES, OLDER]:
        files = [path for path in release.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 300_000
        assert not [path for path in files if b"/tmp/" in path.read_bytes() or b"/home/" in path.read_bytes()]


@pytest.mark.parametrize(("kind", "version"), FORMER)
def test_files_of_former_versions_are_read(kind: str, version: int):
    path = older(kind, version)
    assert stamp_of(kind, path)["format"] == version
    READ[kind](path)


def test_there_is_a_migration_from_each_version_that_is_read_and_a_way_to_rewrite_it():
    for kind, form in FORMATS.items():
        assert list(form.migrations) == list(range(form.oldest, form.version))
        assert not form.migrations or kind in TEXTS


def test_what_former_versions_did_not_say_is_known():
    storage = ModelStorage.read(older("models", 2))
    assert (storage.stored_epoch, storage.co_tasks, storage.pretrained) == (1, [], None)


def test_a_migration_keeps_what_its_file_says_already():
    former = {"format": 2, "epochs": 3, "co_tasks": ["x"], "pretrained": {"run": "0a1b2c3d"}}
    assert FORMATS["models"].migrated(former, "m.json") == {key: former[key] for key in former if key not in STAMP}


def test_a_version_older_than_any_release_is_refused(tmp_path: Path):
    path = tmp_path / "m.json"
    path.write_text(older("models", 2).read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(MMLError, match=r"m\.json has format 1, .*2 on; remove it, and run the study"):
        ModelStorage.read(path)


def newer(kind: str, folder: Path) -> Path:
    """Write a file of a kind that a later MML has made."""
    release = RELEASES[-1]
    with MMLFileManager.for_a_while(release / "data", release / "results", "demo") as fm:
        source = files_of(fm, kind)[0]
    path = folder / source.name
    shutil.copytree(source, path) if source.is_dir() else shutil.copy(source, path)
    target = path / PACKED_FORMAT if kind == "packed" else path
    present, later = FORMATS[kind].stamp, {"format": 99, "needs_mml": "7.0.0"}
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            np.savez(path, **dict(arrays) | later)
        return path
    content = target.read_bytes()
    for before, after in (
        (json.dumps(present)[1:-1], json.dumps(later)[1:-1]),
        (json.dumps(present, indent=2)[2:-2], json.dumps(later, indent=2)[2:-2]),
        (yaml.safe_dump(present, sort_keys=False), yaml.safe_dump(later, sort_keys=False)),
        ("# format 2, needs MML 0.1.0", "# format 99, needs MML 7.0.0"),
        (r"\"format\": 2, ", r"\"format\":99, "),
        (r"\"needs_mml\": \"0.1.0\"", r"\"needs_mml\": \"7.0.0\""),
    ):
        content = content.replace(before.encode(), after.encode())
    target.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_a_newer_file_is_refused_with_the_version_needed(kind: str, tmp_path: Path):
    path = newer(kind, tmp_path)
    with pytest.raises(MMLError, match=rf"{path.name} has format 99, .* {kind} up to \d; install MML 7\.0\.0 or newer"):
        FORMATS[kind].version_of(stamp_of(kind, path), path)
    if kind != "study_config":  # nothing reads it
        with pytest.raises(MMLError, match=r"install MML 7\.0\.0 or newer"):
            READ[kind](path)


@pytest.mark.parametrize(("content", "why"), [('{"format": "two"}', "format is 'two'"), ("{}", "it states no format")])
def test_a_file_without_a_format_is_damaged(tmp_path: Path, content: str, why: str):
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(MMLError, match=rf"m\.json is damaged \({why}\); make it again by"):
        ModelStorage.read(tmp_path / "m.json")


@pytest.mark.parametrize(("kind", "key"), [("metrics", "intervals"), ("description", "samples")])
def test_a_file_without_a_key_is_damaged(kind: str, key: str, tmp_path: Path):
    content = {"metrics": {}, "header": {}, **FORMATS[kind].stamp}
    (tmp_path / "m.json").write_text(json.dumps(content))
    with pytest.raises(MMLError, match=rf"m\.json is damaged \(it has no {key}\); make it again by"):
        READ[kind](tmp_path / "m.json")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_weights_of_another_program_are_refused(metadata: dict[str, str] | None, tmp_path: Path):
    save_file({"weight": np.zeros(1)}, tmp_path / "m.safetensors", metadata)
    with pytest.raises(MMLError, match=r"m\.safetensors is damaged \(its header is not from MML\); make it again by"):
        READ["parameters"](tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="its header is not from MML"):
        stamp_of("parameters", tmp_path / "m.safetensors")
