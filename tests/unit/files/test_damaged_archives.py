"""Archives that are too large, damaged or cut off: they leave nothing."""

import bz2
import gzip
import lzma
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files import archives
from mml_lib.files.archive_formats import members
from mml_lib.files.archives import extract
from tests.support.small_archives import FILES, KINDS, read, refused, tar_member, write, write_tar, write_zip, zip_info


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
    assert archives._limit(1, tmp_path) == 2**30
    assert archives._limit(2 * 2**20, tmp_path) == 2000 * 2**20
    assert archives._limit(2**40, tmp_path) <= shutil.disk_usage(tmp_path).total


def test_declared_size_of_a_zip_member_is_not_believed(tmp_path: Path):
    archive = write(tmp_path / "x.zip", {"a": bytes(100_000)})
    for declared in (10, 2**29):
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
    monkeypatch.setattr(members, "MEMBERS", len(FILES) - 1)
    refused(archive, f"contains more than {len(FILES) - 1} members")
    monkeypatch.setattr(members, "MEMBERS", len(FILES))
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
