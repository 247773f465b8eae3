"""Server of the page about a project."""

import http.client
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files.manager import MMLFileManager
from mml_lib.watch.__main__ import main
from mml_lib.watch.page_server import PARTS, PageServer, open_server
from mml_lib.watch.project_view import ProjectView
from tests.support.messages import mentions
from tests.support.watched_projects import LOG, watched_project


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PageServer]:
    MMLFileManager.clear_instance()
    server = open_server(ProjectView(watched_project(tmp_path)), 0, "word")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
    MMLFileManager.clear_instance()


def get(server: PageServer, path: str, method: str = "GET", host: str | None = None) -> tuple[int, str]:
    """Return status and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request(method, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_page_its_parts_and_the_state_are_served(server: PageServer):
    assert server.address == f"http://127.0.0.1:{server.server_port}/word/"
    for name in PARTS:
        assert get(server, f"/word/{name}")[0] == 200
    status, text = get(server, "/word/state.json")
    assert (status, json.loads(text)["project"]) == (200, "watched")
    assert "epoch 2 of 4" in get(server, f"/word/log?path={LOG}")[1]


def test_page_names_files_that_are_served(server: PageServer):
    _, page = get(server, "/word/")
    assert set(re.findall(r'(?:src|href)="([\w.]+)"', page)) == set(PARTS) - {""}


def test_listens_on_this_machine_only(server: PageServer):
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/state.json", "/other/state.json", "//state.json", "/word2/"])
def test_without_the_secret_nothing_is_served(server: PageServer, path: str):
    assert get(server, path)[0] == 403


def test_other_names_of_this_machine_are_refused(server: PageServer):
    assert get(server, "/word/", host="evil.example:80")[0] == 403
    assert get(server, "/word/", host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize(
    "path", ["log", "log?path=.run.json", "log?path=../../x.log", "page_server.py", "../page_server.py", ".run.json"]
)
def test_nothing_else_is_served(server: PageServer, path: str):
    assert get(server, f"/word/{path}")[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_only_reads(server: PageServer, method: str):
    assert get(server, "/word/", method)[0] == 501


def test_port_in_use_is_one_line(server: PageServer):
    with pytest.raises(MMLError, match="--port"):
        open_server(server.view, server.server_port, "word")


def test_unknown_project_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["no_such", "--results", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: there is no project 'no_such'")


@pytest.mark.parametrize("place", ["../etc", "./"])
def test_a_folder_that_is_no_project_is_not_shown(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    watched_project(tmp_path)
    (tmp_path / "results/etc").mkdir()
    (tmp_path / "results/etc/passwd").touch()
    (tmp_path / "results/other/mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "results/other")
    assert main([place]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert mentions(message, "there is no project in", "no files of a study", "watched")
