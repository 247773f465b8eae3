"""Archives in archives, with passwords, and of the formats 7z and rar."""

import gzip
import os
import sys
import zipfile
import zlib
from pathlib import Path

import py7zr
import pytest
import pyzipper
from py7zr.py7zr import ArchiveFile

from mml_lib.errors import MMLError
from mml_lib.files.archives import NESTING, extract
from mml_lib.files.unpacking import unpack
from tests.support.rar_archives import COMPRESSED, write_rar
from tests.support.small_archives import FILES, read, refused, write, write_zip, zip_info


def seven_zip(path: Path, files: dict[str, bytes], password: str | None = None, hidden: bool = False) -> Path:
    with py7zr.SevenZipFile(path, "w", password=password, header_encryption=hidden) as archive:
        for name, content in files.items():
            archive.writestr(content, name)
    return path


def aes_zip(path: Path, password: str) -> Path:
    with pyzipper.AESZipFile(path, "w", compression=zipfile.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(password.encode())
        for name, content in FILES.items():
            archive.writestr(name, content)
    return path


def zip_crypto(path: Path) -> Path:
    """Write a zip file of one stored member, `a.txt` with `inside`, encrypted by ZipCrypto with the password `open`."""
    keys = _zip_keys(b"open")
    content = b"inside"
    crc = zlib.crc32(content)
    plain = bytes(11) + bytes([crc >> 24]) + content
    write_zip(path, [(zip_info("a.txt", compress=zipfile.ZIP_STORED), bytes(len(plain)))])
    data = bytearray(path.read_bytes())
    start = 30 + len("a.txt")
    data[start : start + len(plain)] = bytes(_zip_encrypt(keys, plain))
    for place in (data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")):
        shift = 0 if data[place + 2] == 3 else 2
        data[place + 6 + shift] |= 1
        data[place + 14 + shift : place + 18 + shift] = crc.to_bytes(4, "little")
        data[place + 22 + shift : place + 26 + shift] = len(content).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    return path


def _zip_keys(password: bytes) -> list[int]:
    keys = [0x12345678, 0x23456789, 0x34567890]
    for byte in password:
        _update(keys, byte)
    return keys


def _update(keys: list[int], byte: int) -> None:
    def crc32(value: int, byte: int) -> int:
        return zlib.crc32(bytes([byte]), value ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    keys[0] = crc32(keys[0], byte)
    keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
    keys[2] = crc32(keys[2], keys[1] >> 24)


def _zip_encrypt(keys: list[int], plain: bytes):
    for byte in plain:
        temporary = keys[2] | 2
        yield byte ^ ((temporary * (temporary ^ 1)) >> 8 & 0xFF)
        _update(keys, byte)


# --- formats ------------------------------------------------------------------------------------------------------


def test_7z_and_rar_are_unpacked(tmp_path: Path):
    extract(seven_zip(tmp_path / "x.7z", FILES), tmp_path / "seven")
    assert read(tmp_path / "seven") == FILES
    plain = {name: content for name, content in FILES.items() if name.isascii()}
    extract(write_rar(tmp_path / "x.rar", plain), tmp_path / "rar")
    assert read(tmp_path / "rar") == plain


@pytest.mark.parametrize(("name", "module"), [("x.7z", "py7zr"), ("x.rar", "rarfile")])
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, name: str, module: str, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / name).write_bytes(b"content")
    monkeypatch.setitem(sys.modules, module, None)
    refused(tmp_path / name, rf'{module}; install it by pip install "mml\[archives\]"')


def test_a_compressed_rar_without_a_program_names_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    refused(write_rar(tmp_path / "x.rar", {"a": b"abc"}, COMPRESSED), "unrar, unar, 7z or bsdtar")


@pytest.mark.parametrize("member", ["../a", "/a", "b/../../a"])
def test_members_of_other_formats_that_lie_outside_are_refused(
    tmp_path: Path, member: str, monkeypatch: pytest.MonkeyPatch
):
    refused(write_rar(tmp_path / "x.rar", {member: b"a"}), "not unpacked: its member")
    archive = seven_zip(tmp_path / "x.7z", {"a": b"a"})  # py7zr writes no such names
    monkeypatch.setattr(ArchiveFile, "filename", member)
    refused(archive, "would lie outside")


def test_links_in_7z_are_refused(tmp_path: Path):
    (tmp_path / "link").symlink_to("/etc/passwd")
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w") as archive:
        archive.write(tmp_path / "link", "link")
    (tmp_path / "link").unlink()
    refused(tmp_path / "x.7z", "'link' is a link")


@pytest.mark.parametrize("writer", [seven_zip, write_rar])
def test_sizes_of_other_formats_are_limited(tmp_path: Path, writer):
    refused(
        writer(tmp_path / ("x.7z" if writer is seven_zip else "x.rar"), {"a": bytes(3000)}),
        "more than 2000",
        limit=2000,
    )


@pytest.mark.parametrize("name", ["x.7z", "x.rar"])
def test_damage_of_other_formats_is_one_line(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"no archive at all" * 20)
    refused(tmp_path / name, "damaged or cut off")
    content = (seven_zip if name == "x.7z" else write_rar)(tmp_path / name, {"a": os.urandom(3000)}).read_bytes()
    (tmp_path / name).write_bytes(content[:50] + bytes(100) + content[150:])
    refused(tmp_path / name, "damaged or cut off")


# --- passwords ----------------------------------------------------------------------------------------------------


def test_passwords_open_archives(tmp_path: Path):
    extract(aes_zip(tmp_path / "aes.zip", "öpen"), tmp_path / "aes", password="öpen")
    assert read(tmp_path / "aes") == FILES
    extract(zip_crypto(tmp_path / "crypto.zip"), tmp_path / "crypto", password="open")
    assert read(tmp_path / "crypto") == {"a.txt": b"inside"}
    for hidden in (False, True):
        archive = seven_zip(tmp_path / f"{hidden}.7z", FILES, "open", hidden)
        extract(archive, tmp_path / str(hidden), password="open")
        assert read(tmp_path / str(hidden)) == FILES


@pytest.mark.parametrize("name", ["aes.zip", "crypto.zip", "x.7z", "hidden.7z"])
def test_a_wrong_or_missing_password_is_one_line_without_it(tmp_path: Path, name: str):
    path = tmp_path / name
    if name == "aes.zip":
        aes_zip(path, "open")
    elif name == "crypto.zip":
        zip_crypto(path)
    else:
        seven_zip(path, FILES, "open", name == "hidden.7z")
    assert "s3cret" not in refused(path, "password is wrong", password="s3cret")
    refused(path, "set the key password of the download")


def test_aes_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    archive = aes_zip(tmp_path / "aes.zip", "open")
    monkeypatch.setitem(sys.modules, "pyzipper", None)
    refused(archive, r'pyzipper; install it by pip install "mml\[archives\]"', password="open")


# --- archives in archives -----------------------------------------------------------------------------------------


def nested(folder: Path, name: str = "outer.zip") -> Path:
    inner = write(folder / "inner.tar.gz").read_bytes()
    seven = seven_zip(folder / "deep.7z", {"b.txt": b"b"}).read_bytes()
    middle = write_zip(folder / "middle.zip", [(zip_info("part/deep.7z"), seven)]).read_bytes()
    members = {"a/inner.tar.gz": inner, "middle.zip": middle, "table.csv.gz": gzip.compress(b"x,y\n"), "v.nii.gz": b"v"}
    outer = write_zip(folder / name, [(zip_info(member), content) for member, content in members.items()])
    for rest in ("inner.tar.gz", "deep.7z", "middle.zip"):
        (folder / rest).unlink()
    return outer


INSIDE = {**{f"a/inner/{name}": content for name, content in FILES.items()}, "middle/part/deep/b.txt": b"b"}
INSIDE |= {"table.csv": b"x,y\n", "v.nii.gz": b"v"}


def test_archives_in_archives_are_unpacked_only_where_this_is_said(tmp_path: Path):
    archive = nested(tmp_path)
    extract(archive, tmp_path / "plain")
    assert sorted(read(tmp_path / "plain")) == ["a/inner.tar.gz", "middle.zip", "table.csv.gz", "v.nii.gz"]
    extract(archive, tmp_path / "nested", nested=True)
    assert read(tmp_path / "nested") == INSIDE


def test_a_download_states_nested_and_the_variable_of_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for checksum in "abc":
        (tmp_path / checksum).mkdir()
    nested(tmp_path / "a")
    (tmp_path / "b/labels.csv.gz").write_bytes(gzip.compress(b"label"))
    seven_zip(tmp_path / "c/x.7z", {"secret.txt": b"s"}, "open")
    files = [tmp_path / "a/outer.zip", tmp_path / "b/labels.csv.gz", tmp_path / "c/x.7z"]
    options = {"a": {"nested": True}, "b": {"nested": True}, "c": {"password_variable": "MML_TEST_PASSWORD"}}
    with pytest.raises(MMLError, match="MML_TEST_PASSWORD, for a password, is not set"):
        unpack(files, tmp_path / "files", options)
    monkeypatch.setenv("MML_TEST_PASSWORD", "open")
    assert read(unpack(files, tmp_path / "files", options)) == {**INSIDE, "labels.csv": b"label", "secret.txt": b"s"}
    assert (tmp_path / "b/labels.csv.gz").exists()


def test_the_limit_counts_what_inner_archives_hold(tmp_path: Path):
    inner = write_zip(tmp_path / "inner.zip", [(zip_info("zeros"), bytes(10**6))]).read_bytes()
    (tmp_path / "inner.zip").unlink()
    outer = write_zip(tmp_path / "outer.zip", [(zip_info(f"{number}.zip"), inner) for number in range(4)])
    extract(outer, tmp_path / "plain", limit=10**5)
    refused(
        outer, r"outer.zip/2.zip is not unpacked: its files take more than 3000000 bytes", limit=3 * 10**6, nested=True
    )
    zeros = write_zip(tmp_path / "zeros.zip", [(zip_info("z.csv.gz"), gzip.compress(bytes(10**6)))])
    refused(zeros, "z.csv.gz is not unpacked: its files take more than", limit=10**5, nested=True)


def test_inner_archives_are_as_safe_as_outer_ones(tmp_path: Path):
    bad = write_zip(tmp_path / "bad.zip", [(zip_info("../a"), b"a")]).read_bytes()
    (tmp_path / "bad.zip").unlink()
    refused(
        write_zip(tmp_path / "outer.zip", [(zip_info("x/bad.zip"), bad)]), "outer.zip/x/bad.zip .*outside", nested=True
    )
    cut = write_zip(tmp_path / "outer.zip", [(zip_info("bad.zip"), bad[:-30])])
    refused(cut, "outer.zip/bad.zip is damaged or cut off", nested=True)
    clash = [(zip_info("bad.zip"), bad), (zip_info("bad/a.png"), b"a")]
    refused(write_zip(tmp_path / "outer.zip", clash), "there is bad beside it", nested=True)


def test_archives_in_each_other_have_a_limit(tmp_path: Path):
    content = b"x"
    for _ in range(NESTING + 2):
        content = write_zip(tmp_path / "x.zip", [(zip_info("x.zip"), content)]).read_bytes()
    refused(tmp_path / "x.zip", f"more than {NESTING} archives are nested|damaged", nested=True)
