"""A server that breaks off, and the file that is downloaded from it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mml_lib.files import downloads
from tests.support.unreliable_server import Server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloads, "PAUSES", (0,) * 5)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "images.zip"
