"""Checksums: what has changed since it was made is refused, and named with the command that makes it again."""

import subprocess
import sys
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files.checksums import checksum_path, seal, seal_outputs, set_command, verify


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    file = tmp_path / "a.json"
    file.write_text("content")
    seal(file)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    (folder / "part").mkdir(parents=True)
    (folder / "images.npy").write_bytes(b"0123")
    (folder / "part/masks.npy").write_bytes(b"4567")
    seal(folder)
    return folder


@pytest.mark.parametrize("name", ["a.json", "pack"])
def test_half_written_checksum_of_a_killed_process_goes_with_the_next(tmp_path: Path, name: str):
    (tmp_path / name).mkdir() if name == "pack" else (tmp_path / name).touch()
    code = (
        "import os, sys; from mml_lib.files.atomic import write_whole\n"
        "with write_whole(sys.argv[1]) as beside: beside.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(checksum_path(tmp_path / name))], check=False)
    assert len(list(tmp_path.iterdir())) == 2, "what was to be sealed, and half a checksum"
    seal(tmp_path / name)
    assert set(tmp_path.iterdir()) == {tmp_path / name, checksum_path(tmp_path / name)}


def test_what_is_as_it_was_made_is_let_through(sealed: Path, folder: Path):
    verify(sealed, folder)


@pytest.mark.parametrize("content", ["", "conten", "Content", "content\n"])
def test_a_changed_file_is_refused(sealed: Path, content: str):
    sealed.write_text(content)
    with pytest.raises(MMLError, match=r"a\.json is damaged .*SHA-256"):
        verify(sealed)


def test_a_change_of_the_same_size_is_noticed_after_a_first_look(sealed: Path):
    verify(sealed)
    sealed.write_text("CONTENT")
    with pytest.raises(MMLError, match="is damaged"):
        verify(sealed)


@pytest.mark.parametrize("checksum", [b"", b"\xff\x00", b"0123  a.json\n"])
def test_a_damaged_checksum_vouches_for_nothing(sealed: Path, checksum: bytes):
    checksum_path(sealed).write_bytes(checksum)
    with pytest.raises(MMLError, match=r"a\.json is damaged"):
        verify(sealed)


def test_what_has_no_checksum_is_let_through(sealed: Path):
    checksum_path(sealed).unlink()
    sealed.write_text("of an older version")
    verify(sealed)


def test_each_file_of_a_folder_is_looked_at(folder: Path):
    (folder / "part/masks.npy").write_bytes(b"4568")
    with pytest.raises(MMLError, match=r"pack/part/masks\.npy is damaged .* again by: snakemake \S*/pack --force"):
        verify(folder)


def test_a_file_that_a_folder_lacks_is_missed(folder: Path):
    (folder / "images.npy").unlink()
    with pytest.raises(MMLError, match=r"pack/images\.npy is damaged"):
        verify(folder)


def test_the_time_stamp_of_snakemake_is_no_part_of_a_folder(folder: Path):
    (folder / ".snakemake_timestamp").touch()
    verify(folder)


def test_checksums_are_those_of_sha256sum(sealed: Path, folder: Path):
    for path in (sealed, folder):
        subprocess.run(["sha256sum", "--check", "--strict", checksum_path(path)], cwd=path.parent, check=True)


def test_a_message_gives_the_command_of_this_study(sealed: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MML_COMMAND", "")
    monkeypatch.setenv("MML_PROJECT", "")
    set_command(["train", "--configfile", "my study.yaml", "--cores", "2"])
    sealed.write_text("")
    with pytest.raises(MMLError) as caught:
        verify(sealed)
    remedy = f"again by: snakemake {sealed} --force train --configfile 'my study.yaml' --cores 2"
    assert str(caught.value).endswith(remedy)


def test_a_by_product_is_made_again_with_its_artefact(sealed: Path):
    sealed.write_text("")
    with pytest.raises(MMLError, match=r"a\.json is damaged .* again by: snakemake \S+/dataset\.json --force"):
        verify(sealed, artefact=sealed.with_name("dataset.json"))


def test_a_step_that_made_only_a_part_seals_nothing(tmp_path: Path):
    (tmp_path / "there").touch()
    seal_outputs([str(tmp_path / "there"), str(tmp_path / "missing")])
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
