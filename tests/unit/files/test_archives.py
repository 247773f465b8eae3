"""Archives: every kind is unpacked, and whatever is unsafe leaves nothing."""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files.archives import extract, is_archive
from tests.support.small_archives import FILES, KINDS, read, refused, tar_member, write, write_tar, write_zip, zip_info


@pytest.mark.parametrize("name", KINDS)
def test_archive_of_each_kind_is_unpacked(tmp_path: Path, name: str):
    archive = write(tmp_path / name)
    assert is_archive(archive)
    extract(archive, tmp_path / "new" / "folder")
    assert read(tmp_path / "new" / "folder") == FILES
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folder"]


def test_compression_is_told_by_content_not_by_name(tmp_path: Path):
    archive = write(tmp_path / "x.tar.xz").rename(tmp_path / "x.tar")
    assert is_archive(archive)
    extract(archive, tmp_path / "folder")
    assert read(tmp_path / "folder") == FILES


def test_names_tell_archives_and_contents_those_without_a_suffix(tmp_path: Path):
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"images"))
    (tmp_path / "labels.csv.bz2").write_bytes(bz2.compress(b"labels"))
    (tmp_path / "labels.csv.xz").write_bytes(lzma.compress(b"labels"))
    (tmp_path / "text").write_text("text" * 1000)
    (tmp_path / "packed").write_bytes(gzip.compress(b"text" * 1000))
    (tmp_path / "cut").write_bytes(gzip.compress(b"text" * 1000)[:20])
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    write(tmp_path / "x.zip").rename(tmp_path / "arrays.npz")
    write(tmp_path / "x.tar").rename(tmp_path / "tar.bin")
    assert [path.name for path in tmp_path.iterdir() if is_archive(path)] == []
    assert not is_archive(tmp_path / "missing")
    with pytest.raises(MMLError, match=r"arrays.npz is not a supported archive.* \.zip, \.tar"):
        extract(tmp_path / "arrays.npz", tmp_path / "folder")
    write(tmp_path / "x.zip").rename(tmp_path / "zip")
    write(tmp_path / "x.tar.gz").rename(tmp_path / "tar")
    for name in ("zip", "tar"):
        assert is_archive(tmp_path / name)
        extract(tmp_path / name, tmp_path / f"content of {name}")
        assert read(tmp_path / f"content of {name}") == FILES


def test_archive_that_is_missing_is_one_line(tmp_path: Path):
    for name in ("missing.zip", "missing.tar"):
        with pytest.raises(MMLError, match=f"{name} cannot be unpacked .*No such file"):
            extract(tmp_path / name, tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_folder_in_use_is_left_as_it_is_and_an_empty_one_is_filled(tmp_path: Path):
    archive = write(tmp_path / "x.zip")
    folder = tmp_path / "folder"
    folder.mkdir()
    extract(archive, folder)
    assert read(folder) == FILES
    (folder / "labels.csv").write_bytes(b"own")
    for place in (folder, folder / "labels.csv"):
        with pytest.raises(MMLError, match="which is not empty"):
            extract(archive, place)
    assert read(folder) == FILES | {"labels.csv": b"own"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "x.zip"]


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_modes_are_those_of_plain_files_and_folders(tmp_path: Path, name: str):
    if name == "x.zip":
        members = [(zip_info("a/", stat.S_IFDIR | 0o2000), b""), (zip_info("a/b", stat.S_IFREG | 0o6777), b"b")]
        write_zip(tmp_path / name, members)
    else:
        write_tar(
            tmp_path / name, [tar_member("a", kind=tarfile.DIRTYPE, mode=0), tar_member("a/b", b"b", mode=0o6777)]
        )
    before = os.umask(0o002)
    try:
        extract(tmp_path / name, tmp_path / "folder")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "folder").rglob("*")}
    assert modes == {"a": 0o755, "b": 0o644}
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_clutter_of_macos_is_left_out(tmp_path: Path, name: str):
    clutter = ["__MACOSX/a/a.png", "._labels.csv", ".DS_Store", "train/.DS_Store", "train/._a.png"]
    archive = write(tmp_path / name, FILES | dict.fromkeys(clutter, b"x"))
    extract(archive, tmp_path / "folder")
    assert read(tmp_path / "folder") == FILES
    assert not (tmp_path / "folder" / "__MACOSX").exists()


@pytest.mark.parametrize("kind", ["x.zip", "x.tar"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/evil", "would lie outside"),
        ("//evil", "would lie outside"),
        ("../evil", "would lie outside"),
        ("a/../../evil", "would lie outside"),
        ("a/../evil", "would lie outside"),
        ("a/..", "would lie outside"),
        ("C:evil", "would lie outside"),
        ("./c:/evil", "would lie outside"),
        ("..\\evil", "backslash"),
        ("a\\evil", "backslash"),
        ("\\\\host\\evil", "backslash"),
        ("a/" * 2000 + "evil", "more than 100 folders"),
    ],
)
def test_member_that_would_lie_outside_is_refused(tmp_path: Path, kind: str, name: str, why: str):
    message = refused(write(tmp_path / kind, {"first": b"1", name: b"evil", "last": b"2"}), why)
    assert repr(name[:50])[1:-1] in message


def test_zip_name_with_zero_byte_is_refused(tmp_path: Path):
    archive = write(tmp_path / "x.zip", {"a.png?.exe": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"a.png?.exe", b"a.png\0.exe"))
    refused(archive, "zero byte")


@pytest.mark.parametrize("kind", ["x.zip", "x.tar"])
@pytest.mark.parametrize("names", [["a", "a/b"], ["a/b", "a"], ["a", "a/b/c"]])
def test_name_of_both_a_file_and_a_folder_is_refused(tmp_path: Path, kind: str, names: list[str]):
    refused(write(tmp_path / kind, dict.fromkeys(names, b"x")), "'a.*' is both a file and a folder")


def test_folder_in_the_place_of_a_file_is_refused(tmp_path: Path):
    refused(write_tar(tmp_path / "x.tar", [tar_member("a", b"x"), tar_member("a", kind=tarfile.DIRTYPE)]), "is both")
    refused(write_zip(tmp_path / "x.zip", [(zip_info("a"), b"x"), (zip_info("a/", stat.S_IFDIR), b"")]), "is both")


def test_last_of_files_with_the_same_name_stays(tmp_path: Path):
    write_tar(tmp_path / "x.tar", [tar_member("a", b"first, longer"), tar_member("./a", b"last")])
    extract(tmp_path / "x.tar", tmp_path / "folder")
    assert read(tmp_path / "folder") == {"a": b"last"}


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_special_member_of_a_zip_is_refused(tmp_path: Path, mode: int):
    refused(write_zip(tmp_path / "x.zip", [(zip_info("a", mode | 0o777), b"/etc/passwd")]), "'a' is a link, a device")


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"Z"])
def test_special_member_of_a_tar_is_refused(tmp_path: Path, kind: bytes):
    refused(write_tar(tmp_path / "x.tar", [tar_member("a", kind=kind)]), "'a' is a device")


def test_encrypted_zip_is_refused(tmp_path: Path):
    archive = write(tmp_path / "x.zip", {"a": b"x"})
    body = bytearray(archive.read_bytes())
    body[body.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(body)
    refused(archive, "'a' is encrypted")


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("a", tarfile.SYMTYPE, "/etc/passwd"),
        ("a", tarfile.SYMTYPE, "../secret"),
        ("a/b", tarfile.SYMTYPE, "../../secret"),
        ("a", tarfile.SYMTYPE, "train/../../secret"),
        ("a", tarfile.SYMTYPE, "/train/a.png"),
        ("a", tarfile.LNKTYPE, "/etc/passwd"),
        ("a", tarfile.LNKTYPE, "/train/a.png"),
        ("a", tarfile.LNKTYPE, "../secret"),
        ("a/b", tarfile.LNKTYPE, "../secret"),
        ("../a", tarfile.SYMTYPE, "train"),
        ("a", tarfile.SYMTYPE, "train"),
        ("a", tarfile.SYMTYPE, "."),
        ("a", tarfile.SYMTYPE, "missing"),
        ("a", tarfile.SYMTYPE, "a"),
        ("labels.csv", tarfile.SYMTYPE, "train/a.png"),
    ],
)
def test_link_to_anything_but_a_file_of_the_archive_is_refused(tmp_path: Path, name: str, kind: bytes, link: str):
    (tmp_path / "secret").write_text("secret")
    members = [tar_member(name, kind=kind, link=link), *(tar_member(*file) for file in FILES.items())]
    refused(write_tar(tmp_path / "x.tar", members), f"member '{name}' (is|would)")


def test_link_below_a_file_is_refused(tmp_path: Path):
    members = [tar_member("a", b"x"), tar_member("a/b", kind=tarfile.LNKTYPE, link="a")]
    refused(write_tar(tmp_path / "x.tar", members), "'a/b' is both a file and a folder")


def test_file_cannot_be_written_through_a_link(tmp_path: Path):
    members = [tar_member("a", kind=tarfile.SYMTYPE, link="train"), tar_member("a/evil", b"x")]
    refused(write_tar(tmp_path / "x.tar", members), "'a' is")


def test_links_inside_become_the_files_they_mean(tmp_path: Path):
    links = [
        tar_member("newest.csv", kind=tarfile.SYMTYPE, link="latest.csv"),
        tar_member("latest.csv", kind=tarfile.SYMTYPE, link="train/again.csv"),
        tar_member("train/again.csv", kind=tarfile.SYMTYPE, link=".././labels.csv"),
        tar_member("train/._a", kind=tarfile.SYMTYPE, link="missing"),
    ]
    hard = tar_member("hard/a.png", kind=tarfile.LNKTYPE, link="./train/a.png")
    members = [*links, *(tar_member(*file) for file in FILES.items()), hard]
    extract(write_tar(tmp_path / "x.tar", members), tmp_path / "folder")
    expected = {"hard/a.png": "train/a.png"}
    expected |= dict.fromkeys(["newest.csv", "latest.csv", "train/again.csv"], "labels.csv")
    assert read(tmp_path / "folder") == FILES | {link: FILES[target] for link, target in expected.items()}
    assert not any(path.is_symlink() for path in (tmp_path / "folder").rglob("*"))
