"""Downloads: files appear whole with the expected checksum or not at all; interrupted downloads resume."""

import fcntl
import hashlib
import json
import os
import re
import tarfile
import time
import zipfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from tqdm import tqdm

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.machine.progress import progress
from mml_lib.machine.terminal import print_line

CHUNK = 2**16
"""Number of bytes read at once; as many are lost if a connection is reset."""

TIMEOUT = (10, 60)
"""Time limits in seconds: to connect, and to wait for the next bytes."""

PAUSES = (1, 2, 4, 8, 16)
"""Seconds before each attempt in a row that receives nothing. After the last, the download fails."""

PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses of errors that may pass, so that MML tries again."""

CHECKSUM = r"[0-9a-f]{64}|md5-[0-9a-f]{32}|url-[0-9a-f]{32}"

PINS = "PINS"
"""Folder, beside those of the downloads, with the checksums of first downloads (`trust: first_use`)."""


def download(url: str, path: str | Path, checksum: str) -> None:
    """Fetch a URL to `path`. The file appears there only if its checksum is the expected one.

    Received bytes stay in `<path>.part` until the file is whole, so that a later call can resume.

    Args:
        url: http, https or file URL.
        path: path of the downloaded file.
        checksum: a SHA-256, `md5-<MD5>`, or `url-<digits>`. For the last, MML records the SHA-256 of the first download
            in the folder `PINS` beside that of the file, and compares later downloads with it.

    Raises:
        MMLError: the URL or the checksum is malformed, the file cannot be fetched or written, or has another checksum.
    """
    path, checksum = Path(path), checksum.lower()
    if not re.fullmatch(CHECKSUM, checksum):
        raise MMLError(f"'{checksum}' cannot be the SHA-256 of {url}: that has 64 hexadecimal digits")
    source = _local_source(url)
    try:
        with closing(_Part(url, path)) as part:
            if source:
                _copy(source, part)
            else:
                _fetch(part)
            part.settle(checksum)
    except OSError as error:
        raise MMLError(f"{path} cannot be written ({error.strerror or error})") from error


class _Interrupted(Exception):
    """A transfer that ended early and may be resumed."""


@dataclass
class _Notes:
    """Notes beside a partial download, for requesting the rest.

    Args:
        url: URL of the file.
        validator: the server's identifier of this version of the file; None if it states none.
        total: size of the whole file in bytes; None if the server does not state it.
    """

    url: str
    validator: str | None = None
    total: int | None = None


class _Part:
    """Partial download: an open and locked file beside its final path, with notes for requesting the rest."""

    def __init__(self, url: str, path: Path):
        if path.is_dir():
            raise MMLError(f"{path} is a folder; {url} cannot take its place")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.url = url
        self.target = path
        self.path = path.with_name(f"{path.name}.part")
        self.notes_path = path.with_name(f"{path.name}.part.json")
        self.file = open(self.path, "ab")
        self._lock()
        self.notes = self._read_notes()
        self.bar = tqdm(desc=path.name, unit="B", unit_scale=True, **progress())
        if self.notes.url != url:
            self.restart()
        self._show()

    def _lock(self) -> None:
        # Two processes would mix their bytes, and one could write to the file that the other has put in place.
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_locked = os.path.samestat(os.fstat(self.file.fileno()), os.stat(self.path))
        except (BlockingIOError, FileNotFoundError):
            is_locked = False
        if not is_locked:
            self.file.close()
            raise MMLError(f"another process is downloading {self.target}; wait for it or stop it")

    def _read_notes(self) -> _Notes:
        try:
            return _Notes(**json.loads(self.notes_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return _Notes("")

    @property
    def size(self) -> int:
        """Number of received bytes."""
        return self.file.tell()

    @property
    def whole(self) -> bool:
        """True if all announced bytes were received."""
        return self.notes.total is not None and self.size >= self.notes.total

    def restart(self, validator: str | None = None, total: int | None = None) -> None:
        """Discard the received bytes, and note the version of the file that follows."""
        self.file.truncate(0)
        self.file.seek(0)
        self.notes = _Notes(self.url, validator, total)
        write_text(self.notes_path, json.dumps(asdict(self.notes)))
        self._show()

    def write(self, chunk: bytes) -> None:
        """Append a chunk."""
        self.file.write(chunk)
        self.bar.update(len(chunk))

    def _show(self) -> None:
        self.bar.total = self.notes.total
        self.bar.n = self.bar.initial = self.size

    def settle(self, checksum: str) -> None:
        """Move the file to its path if it has this checksum; otherwise remove it."""
        self.file.flush()
        algorithm, expected, pin = expected_digest(self.target, checksum)
        with open(self.path, "rb") as file:
            digest = hashlib.file_digest(file, algorithm).hexdigest()
        if digest != (expected or digest):
            self.path.unlink()
            self.notes_path.unlink(missing_ok=True)
            name = "MD5" if algorithm == "md5" else "SHA-256"
            first = f" (of the first download, in {pin})" if pin else ""
            raise MMLError(f"{self.url} has the {name} {digest}, not {expected}{first}; the fetched file was removed")
        if pin and not expected and not fits_name(self.path, self.target.name):
            self.path.unlink()
            self.notes_path.unlink(missing_ok=True)
            raise MMLError(
                f"{self.url} sent a page (a login?) or a part in place of the archive {self.target.name}; MML removed "
                "it, and recorded no checksum: try again, or download the file by hand"
            )
        os.fsync(self.file.fileno())
        if pin and not expected:
            write_pin(pin, self.url, digest)
        os.replace(self.path, self.target)
        self.notes_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file. Received bytes stay."""
        self.bar.close()
        if not self.size and self.path.exists():
            self.path.unlink()
            self.notes_path.unlink(missing_ok=True)
        self.file.close()


def fits_name(path: Path, name: str) -> bool:
    """Return False if a file has the name of an archive, but is not one (or not a complete zip file)."""
    suffix = name.lower()
    if suffix.endswith((".zip", ".npz")):
        return zipfile.is_zipfile(path)
    if suffix.endswith((".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")):
        return tarfile.is_tarfile(path)
    return True


def expected_digest(target: Path, checksum: str) -> tuple[str, str | None, Path | None]:
    """Return the algorithm, the expected digest, and the file that records it. Before a first download, it is None.

    Raises:
        MMLError: the file that records the digest is damaged.
    """
    kind, _, digits = checksum.rpartition("-")
    if kind != "url":
        return kind or "sha256", digits, None
    pin = target.absolute().parents[1] / PINS / f"{checksum}.json"
    try:
        expected = json.loads(pin.read_text(encoding="utf-8"))["sha256"]
    except FileNotFoundError:
        expected = None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MMLError(f"{pin} cannot be read ({error}); remove it to trust the next download") from error
    return "sha256", expected, pin


def write_pin(pin: Path, url: str, sha256: str) -> None:
    """Record the SHA-256 of a first download."""
    pin.parent.mkdir(parents=True, exist_ok=True)
    write_text(pin, json.dumps({"url": url, "sha256": sha256}, indent=1) + "\n")
    print_line(
        f"{url}: no checksum is published; MML trusts this first download, and later ones must have its SHA-256 "
        f"{sha256} ({pin})"
    )


def _local_source(url: str) -> Path | None:
    """Return the path of a file URL, None for http and https; refuse other URLs."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # raises ValueError for an invalid port
    except ValueError as error:
        raise MMLError(f"'{url}' is not a URL ({error})") from error
    if parts.scheme in ("http", "https"):
        if not host:
            raise MMLError(f"'{url}' names no server; write https://server/file")
        return None
    if parts.scheme != "file":
        raise MMLError(f"'{url}' cannot be fetched: a URL begins with https://, http:// or file://")
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or "\0" in path:
        raise MMLError(f"'{url}' does not name a file of this machine; write file:///folder/name")
    return Path(path)


def _copy(source: Path, part: _Part) -> None:
    try:
        file = open(source, "rb") if source.is_file() else None
    except OSError as error:
        raise MMLError(f"{part.url} cannot be read ({error.strerror})") from error
    if file is None:
        raise MMLError(f"{part.url} is not a file of this machine")
    with file:
        part.restart(total=os.fstat(file.fileno()).st_size)
        while chunk := file.read(2**20):
            part.write(chunk)


def _fetch(part: _Part) -> None:
    """Receive the whole file. Attempts are repeated as long as they make progress."""
    furthest, fruitless = part.size, 0
    while not part.whole:
        try:
            _receive(part)
            return
        except _Interrupted as error:
            fruitless = 0 if part.size > furthest else fruitless + 1
            furthest = max(furthest, part.size)
            if fruitless > len(PAUSES):
                total = "an unknown number of" if part.notes.total is None else part.notes.total
                raise MMLError(
                    f"{part.url}: {part.size} of {total} bytes were received ({error}); run the command again to resume"
                ) from error
        time.sleep(PAUSES[max(fruitless - 1, 0)])


def _receive(part: _Part) -> None:
    # Transfers with compression cannot be resumed, and the checksum is that of the uncompressed bytes.
    headers = {"Accept-Encoding": "identity", **_range(part)}
    try:
        with requests.get(part.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if _prepare(part, response):
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    part.write(chunk)
    except requests.exceptions.SSLError as error:
        raise MMLError(f"{part.url} is refused: {error}") from error
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise _Interrupted(f"the connection failed: {_cause(error)}") from error
    except (requests.RequestException, UnicodeError) as error:
        raise MMLError(f"{part.url} cannot be fetched: {error}") from error
    if part.notes.total is not None and not part.whole:
        raise _Interrupted("the server ended the connection early")


def _range(part: _Part) -> dict[str, str]:
    if not part.size:
        return {}
    validator = part.notes.validator
    return {"Range": f"bytes={part.size}-"} | ({"If-Range": validator} if validator else {})


def _prepare(part: _Part, response: requests.Response) -> bool:
    """Prepare the partial download for a response; return True if its body is to be read."""
    status, headers = response.status_code, response.headers
    if status in PASSING:
        raise _Interrupted(f"the server answers {status} {response.reason}")
    if status == 200:
        part.restart(_validator(headers), _integer(headers.get("Content-Length")))
    elif status == 206:
        _continue(part, headers)
    elif status == 416 and part.size:
        if _content_range(headers) != (None, part.size):
            part.restart()
            raise _Interrupted("the server has another version of the file")
        part.notes.total = part.size
    else:
        raise MMLError(f"{part.url} cannot be fetched: the server answers {status} {response.reason}")
    return status != 416


def _continue(part: _Part, headers: Mapping[str, str]) -> None:
    """Check that a partial body continues the download. Without If-Range, two versions of a file could be mixed."""
    start, total = _content_range(headers)
    same_total = part.notes.total is None or total in (None, part.notes.total)
    same_file = same_total and _validator(headers) in (None, part.notes.validator)
    if start != part.size or not same_file:
        part.restart()
        raise _Interrupted("the server has another version of the file")
    if part.notes.total is None:
        part.notes.total = total


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return the server's identifier of this version of a file. A weak ETag does not guarantee equal bytes."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return the first byte and the total of ``bytes 5-9/10`` or ``bytes */10``; None for a missing number."""
    match = re.fullmatch(r"bytes\s+(?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", ""))
    return (_integer(match[1]), _integer(match[2])) if match else (None, None)


def _integer(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]+", text) else None


def _cause(error: BaseException) -> str:
    """Return the innermost error. Outer errors repeat the URL and the names of Python objects."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return str(error) or type(error).__name__
