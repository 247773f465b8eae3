"""Checksums of downloads other than a SHA-256: published ones, and those of the first download."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files.downloads import download
from tests.support.unreliable_server import BODY, OTHER, Server, checksum


def pinned(path: Path) -> dict[str, str]:
    (pin,) = (path.parents[1] / "PINS").iterdir()
    return json.loads(pin.read_text())


def test_a_published_md5_is_checked(server: Server, path: Path):
    with pytest.raises(MMLError, match=f"{server.url} has the MD5 .* the fetched file was removed"):
        download(server.url, path, f"md5-{hashlib.md5(OTHER).hexdigest()}")
    assert not list(path.parent.iterdir())
    download(server.url, path, f"md5-{hashlib.md5(BODY).hexdigest()}")
    assert path.read_bytes() == BODY
    assert not (path.parents[1] / "PINS").exists()


def test_the_first_download_without_a_checksum_is_trusted_and_later_ones_are_compared(
    server: Server, path: Path, capsys: pytest.CaptureFixture[str]
):
    url_checksum, path = f"url-{'0a1b' * 8}", path.with_name("images.bin")
    download(server.url, path, url_checksum)
    assert pinned(path) == {"url": server.url, "sha256": checksum(BODY)}
    assert f"must have its SHA-256 {checksum(BODY)}" in capsys.readouterr().out
    path.unlink()
    server.body = OTHER
    with pytest.raises(MMLError, match=f"not {checksum(BODY)} .of the first download, in .*url-0a1b.*json"):
        download(server.url, path, url_checksum)
    assert not list(path.parent.iterdir())
    server.body = BODY
    download(server.url, path, url_checksum)
    assert path.read_bytes() == BODY
    assert capsys.readouterr().out == ""


def test_a_damaged_record_of_the_first_download_is_refused(server: Server, path: Path):
    url_checksum = f"url-{'0a1b' * 8}"
    pins = path.parents[1] / "PINS"
    pins.mkdir()
    (pins / f"{url_checksum}.json").write_text("{}")
    with pytest.raises(MMLError, match=f"{pins}/{url_checksum}.json cannot be read .* remove it to trust the next"):
        download(server.url, path, url_checksum)
    assert not path.exists()


@pytest.mark.parametrize("name", ["data.zip", "data.npz", "data.tar.gz"])
def test_a_page_in_place_of_an_archive_is_not_trusted(server: Server, path: Path, name: str):
    server.body = b"<html>Please log in</html>"
    with pytest.raises(MMLError, match=r"in place of the archive .* recorded no checksum"):
        download(server.url, path.with_name(name), f"url-{'0a1b' * 8}")
    assert not list(path.parent.iterdir())
    assert not (path.parents[1] / "PINS").exists()


def test_half_an_archive_is_not_trusted(server: Server, path: Path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.txt", BODY)
    server.body = content.getvalue()[:-30]
    with pytest.raises(MMLError, match="in place of the archive"):
        download(server.url, path.with_name("data.zip"), f"url-{'0a1b' * 8}")
    server.body = content.getvalue()
    download(server.url, path.with_name("data.zip"), f"url-{'0a1b' * 8}")
    assert pinned(path)["sha256"] == checksum(server.body)
