"""Archives: every kind is unpacked, and whatever is unsafe, too large, damaged or cut off leaves nothing."""

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files import archives
from mml_lib.files.archives import extract, is_archive

FILES = {
    "train/a.png": random.Random(0).randbytes(3000),
    "train/b/ü.png": b"b" * 512,
    "train/empty.csv": b"",
    "labels.csv": b"id,class\n" * 200,
}
KINDS = ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tbz2", "x.tar.xz", "x.txz", "X.ZIP", "X.Tar.Gz"]
Member = tuple[tarfile.TarInfo, bytes]


def zip_info(name: str, mode: int = stat.S_IFREG | 0o600, compress: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.filename = name  # ZipInfo cuts a name at a zero byte
    info.external_attr = mode << 16
    info.compress_type = compress
    return info


def write_zip(path: Path, members: list[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for info, body in members:
            zipped.writestr(info, body)
    return path


def tar_member(
    name: str, body: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o600
) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mode = len(body), kind, link, mode
    return info, body


def write_tar(path: Path, members: list[Member], mode: str = "w") -> Path:
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:
        for info, body in members:
            tar.addfile(info, io.BytesIO(body))
    return path


def write(path: Path, files: dict[str, bytes] = FILES) -> Path:
    """Write an archive of the kind that its name says."""
    if path.suffix.lower() == ".zip":
        return write_zip(path, [(zip_info(name), body) for name, body in files.items()])
    compression = {"r": "", "z": "gz", "2": "bz2"}.get(path.name.lower()[-1], "xz" if path.name[-2] == "x" else "gz")
    return write_tar(path, [tar_member(name, body) for name, body in files.items()], f"w:{compression}")


def read(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(archive: Path, why: str, **options) -> str:
    """Unpack what must be refused in one line, and look for what it may have left behind."""
    root = archive.parent / "unpacked"
    root.mkdir(exist_ok=True)
    before = {path: path.lstat().st_size for path in archive.parent.rglob("*") if not path.is_dir()}
    with pytest.raises(MMLError, match=why) as error:
        extract(archive, root / "folder", **options)
    assert str(error.value).startswith(str(archive))
    assert "\n" not in str(error.value)
    assert list(root.iterdir()) == []
    assert {path: path.lstat().st_size for path in archive.parent.rglob("*") if not path.is_dir()} == before
    return str(error.value)


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


def test_only_archives_by_name_and_content_are_archives(tmp_path: Path):
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"images"))
    (tmp_path / "labels.csv.bz2").write_bytes(bz2.compress(b"labels"))
    (tmp_path / "labels.csv.xz").write_bytes(lzma.compress(b"labels"))
    (tmp_path / "text.zip").write_text("text")
    (tmp_path / "text.tar").write_text("text" * 1000)
    (tmp_path / "text.tar.gz").write_bytes(gzip.compress(b"text" * 1000))
    (tmp_path / "empty.tar").write_bytes(b"")
    (tmp_path / "folder.zip").mkdir()
    write(tmp_path / "x.zip").rename(tmp_path / "arrays.npz")
    write(tmp_path / "y.zip").rename(tmp_path / "zip.tar")
    write(tmp_path / "x.tar").rename(tmp_path / "tar.zip")
    write(tmp_path / "y.tar").rename(tmp_path / "tar.bin")
    assert [path.name for path in tmp_path.iterdir() if is_archive(path)] == []
    assert not is_archive(tmp_path / "missing.zip")
    with pytest.raises(MMLError, match=r"arrays.npz is no archive .* \.zip, \.tar"):
        extract(tmp_path / "arrays.npz", tmp_path / "folder")


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
        with pytest.raises(MMLError, match="where something is already"):
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
@pytest.mark.parametrize("standard_filter", [True, False])
def test_special_member_of_a_tar_is_refused(
    tmp_path: Path, kind: bytes, standard_filter: bool, monkeypatch: pytest.MonkeyPatch
):
    if not standard_filter:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    refused(write_tar(tmp_path / "x.tar", [tar_member("a", kind=kind)]), "'a' is (a device|unsafe)")


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
@pytest.mark.parametrize("standard_filter", [True, False])
def test_link_to_anything_but_a_file_of_the_archive_is_refused(
    tmp_path: Path, name: str, kind: bytes, link: str, standard_filter: bool, monkeypatch: pytest.MonkeyPatch
):
    if not standard_filter:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    (tmp_path / "secret").write_text("secret")
    members = [tar_member(name, kind=kind, link=link), *(tar_member(*file) for file in FILES.items())]
    refused(write_tar(tmp_path / "x.tar", members), f"member '{name}' (is|would)")


def test_link_below_a_file_is_refused(tmp_path: Path):
    members = [tar_member("a", b"x"), tar_member("a/b", kind=tarfile.LNKTYPE, link="a")]
    refused(write_tar(tmp_path / "x.tar", members), "'a' is both a file and a folder")


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


@pytest.mark.parametrize("name", KINDS)
def test_limit_counts_what_is_written(tmp_path: Path, name: str):
    archive = write(tmp_path / name)
    size = sum(map(len, FILES.values()))
    refused(archive, f"take more than {size - 1} bytes", limit=size - 1)
    extract(archive, tmp_path / "folder", limit=size)
    assert read(tmp_path / "folder") == FILES


def test_bomb_is_stopped_by_the_default_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "SMALL", 1000)
    body = bytes(8 * 2**20)
    assert write_tar(tmp_path / "x.tar.bz2", [tar_member("a", body)], "w:bz2").stat().st_size < 2000
    refused(tmp_path / "x.tar.bz2", "take more than")


def test_default_limit_is_the_free_space_or_a_thousand_times_the_archive(tmp_path: Path):
    archive = tmp_path / "x.tar"
    archive.write_bytes(b"x")
    assert archives._default_limit(archive, tmp_path) == 2**30
    os.truncate(archive, 2 * 2**20)
    assert archives._default_limit(archive, tmp_path) == 2000 * 2**20
    os.truncate(archive, 2**40)
    assert archives._default_limit(archive, tmp_path) <= shutil.disk_usage(tmp_path).total


def test_declared_size_of_a_zip_member_is_not_believed(tmp_path: Path):
    archive = write(tmp_path / "x.zip", {"a": bytes(100_000)})
    for declared in (10, 2**31):
        body = archive.read_bytes().replace((100_000).to_bytes(4, "little"), declared.to_bytes(4, "little"))
        (tmp_path / "y.zip").write_bytes(body)
        refused(tmp_path / "y.zip", "is damaged or cut off")


def test_hole_in_a_tar_counts_as_bytes(tmp_path: Path):
    info, body = tar_member("a", b"x" * 10)
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(2**40)}
    info.pax_headers |= {"GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,10"}
    refused(write_tar(tmp_path / "x.tar", [(info, body)]), "take more than 100000 bytes", limit=100_000)


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_number_of_members_is_limited(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    archive = write(tmp_path / name)
    monkeypatch.setattr(archives, "MEMBERS", len(FILES) - 1)
    refused(archive, f"holds more than {len(FILES) - 1} members")
    monkeypatch.setattr(archives, "MEMBERS", len(FILES))
    extract(archive, tmp_path / "folder")


def test_huge_header_is_not_read_into_memory(tmp_path: Path):
    header = tar_member("././@LongLink", kind=tarfile.GNUTYPE_LONGNAME)[0]
    header.size = 2**33
    archive = tmp_path / "x.tar.gz"
    archive.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(2**16)))
    refused(archive, f"a header of {2**33} bytes")


def test_endless_headers_are_refused(tmp_path: Path):
    header = tar_member("././@LongLink", b"a\0", kind=tarfile.GNUTYPE_LONGNAME)[0].tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "x.tar").write_bytes((header + b"a".ljust(512, b"\0")) * 5000 + bytes(1024))
    refused(tmp_path / "x.tar", "is damaged or cut off")


def test_header_with_negative_size_is_refused(tmp_path: Path):
    info, _ = tar_member("a")
    info.size = -1024
    body = info.tobuf(tarfile.GNU_FORMAT) + bytes(10240)
    (tmp_path / "x.tar").write_bytes(body)
    refused(tmp_path / "x.tar", "is damaged or cut off")


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def test_compressed_archive_cut_anywhere_is_refused(tmp_path: Path, name: str):
    body = write(tmp_path / f"whole-{name}").read_bytes()
    for size in [*range(0, len(body), len(body) // 60), *range(len(body) - 12, len(body))]:
        (tmp_path / name).write_bytes(body[:size])
        refused(tmp_path / name, "is damaged or cut off")


def test_tar_cut_before_the_end_of_its_end_marks_is_refused(tmp_path: Path):
    body = write(tmp_path / "whole.tar").read_bytes()
    end = len(body.rstrip(b"\0"))
    end += -end % 512 + 1024
    for size in {*range(0, end, 128), end - 1, end - 511, end - 512, end - 513, end - 1024, end - 1025}:
        (tmp_path / "x.tar").write_bytes(body[:size])
        refused(tmp_path / "x.tar", "is damaged or cut off")
    (tmp_path / "x.tar").write_bytes(body[:end])
    extract(tmp_path / "x.tar", tmp_path / "folder")
    assert read(tmp_path / "folder") == FILES


@pytest.mark.parametrize("name", ["labels.csv", "last.csv"])
def test_tar_with_a_bad_header_in_its_middle_is_refused(tmp_path: Path, name: str):
    archive = write(tmp_path / "x.tar", FILES | {"last.csv": b""})
    body = bytearray(archive.read_bytes())
    body[body.index(name.encode())] ^= 1
    archive.write_bytes(body)
    refused(archive, "is damaged or cut off")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_member_of_a_zip_is_refused(tmp_path: Path, method: int):
    archive = write_zip(tmp_path / "x.zip", [(zip_info("a", compress=method), FILES["labels.csv"])])
    body = bytearray(archive.read_bytes())
    start = 31 + (9 if method == zipfile.ZIP_LZMA else 0)  # after the local header, and that of the method
    body[start : start + 16] = b"\xff" * 16
    archive.write_bytes(body)
    refused(archive, "is damaged or cut off")


@pytest.mark.parametrize("start", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def test_damaged_compression_is_refused(tmp_path: Path, name: str, start: float):
    body = bytearray(write(tmp_path / name).read_bytes())
    place = int(start * len(body))
    body[place : place + 16] = b"\xff" * 16
    (tmp_path / name).write_bytes(body)
    refused(tmp_path / name, "is damaged or cut off")


def test_name_that_is_no_text_is_refused_in_one_line(tmp_path: Path):
    archive = write(tmp_path / "x.zip", {"ü": b"x"})
    archive.write_bytes(archive.read_bytes().replace("ü".encode(), b"\xff\xff"))
    refused(archive, "is damaged or cut off")


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def test_flipped_bits_never_yield_other_files(tmp_path: Path, name: str):
    body = write(tmp_path / name).read_bytes()
    accepted = 0
    for position in range(0, len(body), 37):
        (tmp_path / name).write_bytes(body[:position] + bytes([body[position] ^ 0x55]) + body[position + 1 :])
        folder = tmp_path / str(position)
        try:
            extract(tmp_path / name, folder)
        except MMLError:
            assert not folder.exists()
        else:
            accepted += 1
            assert sorted(read(folder).values()) == sorted(FILES.values())
    assert accepted < len(body) / 37 / 2
    assert not list(tmp_path.glob(".*"))


def test_unknown_method_of_compression_is_refused(tmp_path: Path):
    archive = write(tmp_path / "x.zip", {"a": b"x"})
    body = bytearray(archive.read_bytes())
    body[8] = body[body.index(b"PK\1\2") + 10] = 99
    archive.write_bytes(body)
    refused(archive, "is damaged or cut off .*compression")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_damage_after_the_end_marks_is_noticed(tmp_path: Path, compress: Callable[[bytes], bytes]):
    body = write(tmp_path / "whole.tar").read_bytes() + bytes(2**20)
    (tmp_path / "x.tar").write_bytes(compress(body)[:-2])
    refused(tmp_path / "x.tar", "is damaged or cut off")


def test_name_too_long_for_the_disk_is_one_line(tmp_path: Path):
    refused(write(tmp_path / "x.zip", {"a" * 300: b"x"}), "cannot be unpacked .*too long")


def test_leftovers_of_a_killed_process_go_and_those_of_a_living_one_stay(tmp_path: Path):
    archive = write(tmp_path / "x.zip")
    code = (
        "import sys, time; from pathlib import Path; from mml_lib.files.archives import _make_whole\n"
        "with _make_whole(Path(sys.argv[1])) as root: print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "folder")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    extract(archive, tmp_path / "folder")
    assert len(list(tmp_path.glob(".folder.unpack-*"))) == 1
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    (tmp_path / "folder").rename(tmp_path / "other")
    extract(archive, tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "other", "x.zip"]
