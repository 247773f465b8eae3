"""Downloads from a server that breaks off, ignores ranges, lies and changes its mind."""

import fcntl
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files import downloads
from mml_lib.files.downloads import CHUNK, download
from tests.support.unreliable_server import BODY, OTHER, Server, checksum


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir()) if path.parent.exists() else []


def begin(path: Path, body: bytes, **notes) -> None:
    """Leave what a stopped download leaves."""
    path.parent.mkdir()
    path.with_name("images.zip.part").write_bytes(body)
    path.with_name("images.zip.part.json").write_text(json.dumps(notes))


def test_file_arrives_with_its_checksum_and_nothing_else(server: Server, path: Path):
    download(server.url, path, checksum(BODY).upper())
    assert path.read_bytes() == BODY
    assert names(path) == ["images.zip"]
    assert server.starts == [None]


@pytest.mark.parametrize("reset", [False, True])
def test_broken_off_transfer_goes_on_where_it_stopped(server: Server, path: Path, reset: bool):
    server.reset = reset
    server.cuts = [CHUNK + 1, CHUNK, CHUNK]
    download(server.url, path, checksum(BODY))
    assert path.read_bytes() == BODY
    assert len(server.requests) == 4
    starts = [int(start.removeprefix("bytes=").removesuffix("-")) for start in server.starts[1:]]
    assert starts == sorted(starts)
    assert starts[0] >= CHUNK
    assert {headers.get("If-Range") for headers in server.requests[1:]} == {'"one"'}


def test_last_modified_serves_where_the_etag_is_weak(server: Server, path: Path):
    server.headers = {"ETag": 'W/"one"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    server.cuts = [CHUNK]
    download(server.url, path, checksum(BODY))
    assert server.requests[1]["If-Range"] == "Mon, 01 Jan 2024 00:00:00 GMT"
    assert server.starts[1] == f"bytes={CHUNK}-"


def test_chunked_transfer_that_breaks_off_is_noticed_and_resumed(server: Server, path: Path):
    server.chunked = True
    server.cuts = [2 * CHUNK]
    download(server.url, path, checksum(BODY))
    assert path.read_bytes() == BODY
    assert len(server.requests) == 2


def test_body_without_length_is_taken_to_its_end(server: Server, path: Path):
    server.length = False
    download(server.url, path, checksum(BODY))
    assert path.read_bytes() == BODY


def test_progress_pays_for_further_attempts(server: Server, path: Path):
    server.cuts = [CHUNK // 8] * 20
    download(server.url, path, checksum(BODY))
    assert path.read_bytes() == BODY
    assert len(server.requests) == 21


def test_attempts_without_progress_end_in_one_line_and_the_next_run_resumes(server: Server, path: Path):
    server.cuts = [1000, *[0] * 6]
    with pytest.raises(
        MMLError, match=f"{server.url}: 1000 of {len(BODY)} bytes were received .*; run the command again to resume"
    ):
        download(server.url, path, checksum(BODY))
    assert len(server.requests) == 7
    assert names(path) == ["images.zip.part", "images.zip.part.json"]
    download(server.url, path, checksum(BODY))
    assert server.starts[-1] == "bytes=1000-"
    assert path.read_bytes() == BODY
    assert names(path) == ["images.zip"]


def test_server_that_ignores_ranges_and_breaks_off_is_given_up(server: Server, path: Path):
    server.ranges = False
    server.cuts = [1000] * 100
    with pytest.raises(MMLError, match="1000 of"):
        download(server.url, path, checksum(BODY))
    assert len(server.requests) == 7


def test_server_that_ignores_ranges_starts_over(server: Server, path: Path):
    server.ranges = False
    server.cuts = [1000]
    download(server.url, path, checksum(BODY))
    assert path.read_bytes() == BODY


def test_server_that_gives_less_than_the_range_is_asked_for_the_rest(server: Server, path: Path):
    server.cuts = [CHUNK]
    server.span = 2 * CHUNK
    download(server.url, path, checksum(BODY))
    assert path.read_bytes() == BODY
    assert server.starts == [None, f"bytes={CHUNK}-", f"bytes={3 * CHUNK}-", f"bytes={5 * CHUNK}-"]


def test_pauses_grow_with_the_attempts(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(downloads, "PAUSES", (0.1, 0.2, 0.3))
    server.statuses = [503] * 10
    began = time.monotonic()
    with pytest.raises(MMLError, match="503"):
        download(server.url, path, checksum(BODY))
    assert 0.6 <= time.monotonic() - began < 3
    assert len(server.requests) == 4


def test_killed_process_leaves_its_part_and_the_next_resumes(server: Server, path: Path):
    server.hang = True
    server.cuts = [3 * CHUNK]
    code = "import sys; from mml_lib.files.downloads import download; download(*sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, server.url, str(path), checksum(BODY)], stderr=subprocess.DEVNULL
    )
    part = path.with_name("images.zip.part")
    deadline = time.monotonic() + 15
    while not (part.exists() and part.stat().st_size >= 2 * CHUNK) and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(MMLError, match="another process is downloading"):
        download(server.url, path, checksum(BODY))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    arrived = part.stat().st_size
    download(server.url, path, checksum(BODY))
    assert server.starts[-1] == f"bytes={arrived}-"
    assert path.read_bytes() == BODY
    assert names(path) == ["images.zip"]


def test_part_of_a_file_that_has_changed_is_dropped(server: Server, path: Path):
    begin(path, OTHER[:CHUNK], url=server.url, validator='"old"', total=len(OTHER))
    download(server.url, path, checksum(BODY))
    assert server.starts == [f"bytes={CHUNK}-"]
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("notes", [{"validator": '"old"', "total": len(BODY)}, {"validator": '"one"', "total": 9**9}])
def test_changed_file_is_noticed_where_the_server_knows_no_if_range(server: Server, path: Path, notes: dict):
    server.if_range = False
    begin(path, OTHER[:CHUNK], url=server.url, **notes)
    download(server.url, path, checksum(BODY))
    assert path.read_bytes() == BODY


def test_part_of_another_url_or_without_notes_is_dropped(server: Server, path: Path):
    begin(path, BODY[:CHUNK], url="http://other/images.zip", validator=None, total=None)
    download(server.url, path, checksum(BODY))
    path.with_name("images.zip.part").write_bytes(OTHER)
    download(server.url, path, checksum(BODY))
    path.with_name("images.zip.part").write_bytes(OTHER)
    path.with_name("images.zip.part.json").write_text('["half')
    download(server.url, path, checksum(BODY))
    assert server.starts == [None] * 3
    assert path.read_bytes() == BODY


def test_whole_part_is_not_fetched_again(server: Server, path: Path):
    begin(path, BODY, url=server.url, validator='"one"', total=len(BODY))
    download(server.url, path, checksum(BODY))
    assert server.requests == []
    assert path.read_bytes() == BODY


def test_whole_part_of_unknown_size_is_recognised_by_the_server(server: Server, path: Path):
    begin(path, BODY, url=server.url, validator='"one"', total=None)
    download(server.url, path, checksum(BODY))
    assert server.starts == [f"bytes={len(BODY)}-"]
    assert path.read_bytes() == BODY


def test_part_that_is_too_long_is_dropped(server: Server, path: Path):
    begin(path, BODY + b"more", url=server.url, validator='"one"', total=None)
    download(server.url, path, checksum(BODY))
    assert server.starts == [f"bytes={len(BODY) + 4}-", None]
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refused_request_is_one_line_at_once(server: Server, path: Path, status: int):
    server.statuses = [status]
    with pytest.raises(MMLError, match=f"{server.url} cannot be fetched: the server answers {status} "):
        download(server.url, path, checksum(BODY))
    assert list(path.parent.iterdir()) == []
    assert len(server.requests) == 1


def test_overloaded_server_is_asked_again(server: Server, path: Path):
    server.statuses = [503, 429, 500]
    download(server.url, path, checksum(BODY))
    assert path.read_bytes() == BODY


def test_content_length_below_the_truth_is_noticed(server: Server, path: Path):
    server.headers["Content-Length"] = str(len(BODY) - 10)
    with pytest.raises(MMLError, match="SHA-256"):
        download(server.url, path, checksum(BODY))
    assert names(path) == []


def test_content_length_above_the_truth_is_noticed(server: Server, path: Path):
    server.headers["Content-Length"] = str(len(BODY) + 10)
    server.ranges = False
    with pytest.raises(MMLError, match=f"{len(BODY)} of {len(BODY) + 10} bytes were received"):
        download(server.url, path, checksum(BODY))
    assert not path.exists()


def test_body_cut_politely_without_ranges_is_refused(server: Server, path: Path):
    server.body = BODY[:-1]
    server.length = False
    with pytest.raises(MMLError, match="SHA-256"):
        download(server.url, path, checksum(BODY))
    assert names(path) == []


def test_wrong_checksum_names_both_and_leaves_nothing(server: Server, path: Path):
    with pytest.raises(MMLError) as error:
        download(server.url, path, checksum(OTHER))
    assert all(part in str(error.value) for part in (server.url, checksum(BODY), checksum(OTHER)))
    assert names(path) == []
    download(server.url, path, checksum(BODY))
    assert path.read_bytes() == BODY


def test_compressed_file_is_kept_as_it_is(server: Server, path: Path):
    server.body = gzip.compress(BODY)
    server.headers["Content-Encoding"] = "gzip"
    download(server.url, path, checksum(server.body))
    assert path.read_bytes() == server.body
    assert server.requests[0]["Accept-Encoding"] == "identity"


def test_old_file_stays_until_the_new_one_is_whole(server: Server, path: Path):
    path.parent.mkdir()
    path.write_bytes(b"old")
    with pytest.raises(MMLError):
        download(server.url, path, checksum(OTHER))
    assert path.read_bytes() == b"old"
    download(server.url, path, checksum(BODY))
    assert path.read_bytes() == BODY


def test_server_that_does_not_answer_is_one_line(server: Server, path: Path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.zip"
        with pytest.raises(MMLError, match=rf"{url}: 0 of .* \(the connection failed: .*refused\)") as error:
            download(url, path, checksum(BODY))
    assert "\n" not in str(error.value)


def test_second_download_of_a_file_waits_for_the_first_to_be_done(server: Server, path: Path):
    begin(path, b"")
    with open(path.with_name("images.zip.part"), "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(MMLError, match="another process is downloading"):
            download(server.url, path, checksum(BODY))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://host/a.zip", "begins with https://"),
        ("images.zip", "begins with https://"),
        ("", "begins with https://"),
        ("http:///a.zip", "names no server"),
        ("https://", "names no server"),
        ("http://[::1/a.zip", "is not a URL"),
        ("http://host:port/a.zip", "is not a URL"),
        ("http://a..b/x.zip", "http://a..b/x.zip"),
        ("http://*/x.zip", "cannot be fetched"),
        ("file://host/a.zip", "does not name a file of this machine"),
        ("file:a.zip", "does not name a file of this machine"),
        ("file:///a%00b", "does not name a file of this machine"),
        ("file:///no/such/file", "is not a file"),
        ("file:///tmp", "is not a file"),
        ("file:///dev/zero", "is not a file"),
    ],
)
def test_malformed_url_is_one_line(server: Server, path: Path, url: str, why: str):
    with pytest.raises(MMLError, match=why) as error:
        download(url, path, checksum(BODY))
    assert "\n" not in str(error.value)
    assert not path.exists()


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 64, "0" * 63, "0" * 64 + "\n"])
def test_malformed_checksum_is_refused_before_anything_is_fetched(server: Server, path: Path, sha256: str):
    with pytest.raises(MMLError, match="64 hexadecimal digits"):
        download(server.url, path, sha256)
    assert server.requests == []


def test_file_url_is_copied_and_checked(tmp_path: Path, path: Path):
    source = tmp_path / "my images#1.zip"
    source.write_bytes(BODY)
    begin(path, OTHER + OTHER)
    download(source.as_uri(), path, checksum(BODY))
    assert path.read_bytes() == BODY
    assert names(path) == ["images.zip"]
    path.unlink()
    with pytest.raises(MMLError, match=checksum(BODY)):
        download(source.as_uri(), path, checksum(OTHER))
    assert names(path) == []
    assert source.read_bytes() == BODY


def test_target_that_cannot_be_written_is_one_line(server: Server, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MMLError, match="cannot be written"):
        download(server.url, tmp_path / "file" / "a.zip", checksum(BODY))
    with pytest.raises(MMLError, match="is a folder"):
        download(server.url, tmp_path, checksum(BODY))
