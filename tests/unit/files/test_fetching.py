"""Downloads that are no URL: files fetched by hand, and Kaggle by a stand-in for its client."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from mml_lib.errors import MMLError
from mml_lib.files.fetching.fetch_file import fetch

BODY = b"id,label\n1,a\n"
SHA256 = hashlib.sha256(BODY).hexdigest()
PAGE = "https://example.org/register"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "DOWNLOADS" / SHA256 / "labels.csv"


# --- by hand --------------------------------------------------------------------------------------------------------


def by_hand(path: Path, body: bytes) -> Path:
    file = path.parents[2] / "MANUAL" / path.name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(body)
    return file


def test_a_missing_file_says_where_from_and_where_to(path: Path):
    with pytest.raises(MMLError, match=f"labels.csv from {PAGE}, and put it into {path.parents[2]}/MANUAL"):
        fetch(f"manual:labels.csv#{PAGE}", path, SHA256)
    assert not path.exists()


def test_a_file_at_another_place_is_named(path: Path, tmp_path: Path):
    (tmp_path / "labels.csv").write_bytes(BODY)
    with pytest.raises(MMLError, match=f"{tmp_path}/labels.csv exists: move it"):
        fetch(f"manual:labels.csv#{PAGE}", path, SHA256)


def test_a_file_fetched_by_hand_is_checked_and_stays(path: Path):
    file = by_hand(path, b"another")
    with pytest.raises(MMLError, match=f"{file} has the SHA-256 .*not {SHA256}.*from {PAGE}"):
        fetch(f"manual:labels.csv#{PAGE}", path, SHA256)
    assert file.read_bytes() == b"another"
    assert not path.exists()
    by_hand(path, BODY)
    fetch(f"manual:labels.csv#{PAGE}", path, SHA256)
    assert path.read_bytes() == file.read_bytes() == BODY
    assert path.samefile(file), "large files take their place once"


def test_the_first_file_fetched_by_hand_is_trusted_and_later_ones_are_compared(tmp_path: Path):
    checksum = f"url-{'0a1b' * 8}"
    path = tmp_path / "DOWNLOADS" / checksum / "labels.csv"
    by_hand(path, BODY)
    fetch(f"manual:labels.csv#{PAGE}", path, checksum)
    pin = json.loads((tmp_path / f"DOWNLOADS/PINS/{checksum}.json").read_text())
    assert pin == {"url": PAGE, "sha256": SHA256}
    path.unlink()
    by_hand(path, b"another")
    with pytest.raises(MMLError, match=f"not {SHA256} .of the first download"):
        fetch(f"manual:labels.csv#{PAGE}", path, checksum)


def test_half_an_archive_fetched_by_hand_is_not_trusted(tmp_path: Path):
    checksum = f"url-{'0a1b' * 8}"
    path = tmp_path / "DOWNLOADS" / checksum / "images.zip"
    by_hand(path, b"PK\x03\x04 half")
    with pytest.raises(MMLError, match="not a complete archive"):
        fetch(f"manual:images.zip#{PAGE}", path, checksum)
    assert not (tmp_path / "DOWNLOADS/PINS").exists()


# --- Kaggle ---------------------------------------------------------------------------------------------------------


class Answer(Exception):
    """An answer of Kaggle's server that is none of success."""

    def __init__(self, status: int):
        self.response = SimpleNamespace(status_code=status)


class StandIn:
    """Kaggle's client, as version 2.2 of the package kaggle has it."""

    calls: list[tuple] = []  # noqa: RUF012
    error: BaseException | None = None
    wrapped = False

    def authenticate(self) -> None:
        if isinstance(self.error, SystemExit):
            raise self.error

    def _send(self, name: str, path: str) -> None:
        if self.error:
            raise self.error
        if self.wrapped:
            with zipfile.ZipFile(Path(path) / f"{name}.zip", "w") as archive:
                archive.writestr(name, BODY)
        else:
            (Path(path) / name).write_bytes(BODY)

    def dataset_download_file(self, dataset, file_name, path=None, force=False, quiet=True, licenses=(), unzip=False):
        self.calls.append((dataset, file_name))
        self._send(file_name.rsplit("/", 1)[-1], path)

    def dataset_download_files(self, dataset, path=None, force=False, quiet=True, unzip=False, licenses=()):
        self.calls.append((dataset,))
        self._send(f"{dataset.split('/')[1]}.zip", path)

    def competition_download_file(self, competition, file_name, path=None, force=False, quiet=False, unzip=False):
        self.calls.append(("competition", competition, file_name))
        self._send(file_name, path)

    def competition_download_files(self, competition, path=None, force=False, quiet=True, unzip=False):
        self.calls.append(("competition", competition))
        self._send(f"{competition}.zip", path)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr(StandIn, "calls", [])
    module = ModuleType("kaggle.api.kaggle_api_extended")
    module.KaggleApi = StandIn  # type: ignore[attr-defined]
    for name in ("kaggle", "kaggle.api"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return StandIn


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_of_kaggle_is_fetched_and_checked(path: Path, client, wrapped: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(StandIn, "wrapped", wrapped)
    fetch("kaggle:owner/set#data/labels.csv", path, SHA256)
    assert client.calls == [("owner/set", "data/labels.csv")]
    assert path.read_bytes() == BODY
    assert [file.name for file in path.parent.iterdir()] == ["labels.csv"]


@pytest.mark.parametrize(
    ("address", "call"),
    [
        ("kaggle:owner/set#", ("owner/set",)),
        ("kaggle:competitions/cells#", ("competition", "cells")),
        ("kaggle:competitions/cells#labels.csv", ("competition", "cells", "labels.csv")),
    ],
)
def test_whole_data_sets_and_competitions_are_fetched(path: Path, client, address: str, call: tuple):
    fetch(address, path, SHA256)
    assert client.calls == [call]
    assert path.read_bytes() == BODY


def test_another_checksum_of_kaggle_is_refused(path: Path, client):
    with pytest.raises(MMLError, match=rf"not {'0a1b' * 16}.*kaggle.com/datasets/owner/set"):
        fetch("kaggle:owner/set#labels.csv", path, "0a1b" * 16)
    assert not path.parent.exists() or not list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SystemExit(1), "set KAGGLE_API_TOKEN, or save it as"),
        (OSError("Could not find kaggle.json"), "Could not find kaggle.json"),
        (type("Denied", (Exception,), {"response": SimpleNamespace(status_code=403)})(), "accept its rules"),
        (
            type("Gone", (Exception,), {"response": SimpleNamespace(status_code=404)})(),
            "check the keys kaggle and file",
        ),
    ],
)
def test_refusals_of_kaggle_name_the_remedy(path: Path, client, error, line: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(StandIn, "error", error)
    with pytest.raises(MMLError, match=line):
        fetch("kaggle:owner/set#labels.csv", path, SHA256)
    assert not path.exists()


def test_a_missing_client_names_the_extra(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "kaggle", None)
    with pytest.raises(MMLError, match=r'pip install "mml\[kaggle\]"'):
        fetch("kaggle:owner/set#labels.csv", path, SHA256)
