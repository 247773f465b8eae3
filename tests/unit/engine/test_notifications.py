"""Notifications: messages at the end of a run, whose failure changes nothing."""

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from mml_lib.config.loading import load_study
from mml_lib.engine.notifications import check_services, send, title_of_run
from mml_lib.errors import MMLError
from tests.support.studies import study


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps the JSON that it is sent."""

    messages: list[dict[str, str]]

    def do_POST(self) -> None:
        self.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Print nothing."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """Start a service, name its URL in the variable HERE, and yield its messages."""
    messages: list[dict[str, str]] = []
    handler = type("Handler", (Receiver,), {"messages": messages})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HERE", f"json://127.0.0.1:{server.server_port}/secret")
    yield messages
    server.shutdown()


def test_a_service_gets_title_and_text(service: list[dict[str, str]]):
    assert send(["HERE"], title_of_run("demo", ["train"], succeeded=True), "accuracy 0.99\nsecond line") == []
    (message,) = service
    assert message["title"].startswith("study demo, mode train has finished on ")
    assert "accuracy 0.99" in message["message"]
    assert "second line" in message["message"]


@pytest.mark.parametrize("url", ["json://127.0.0.1:9/secret", "no-url", "nothing://secret"])
def test_a_service_that_fails_has_a_line_without_its_url(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("AWAY", url)
    (line,) = send(["AWAY"], "title", "text")
    assert line.startswith("notify: the service of AWAY took no message; check")
    assert "secret" not in line


def test_a_service_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLOW", "json://127.0.0.1:9")
    (line,) = send(["SLOW"], "title", "text", timeout=0.01)
    assert "has not answered within 0.01 seconds" in line


def test_a_variable_that_is_not_set_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    check_services([])
    with pytest.raises(MMLError, match="NOWHERE is not set; export it"):
        check_services(["NOWHERE"])


def test_a_url_in_a_study_is_refused_and_not_repeated():
    with pytest.raises(MMLError, match=r"notify.*name of an environment variable") as error:
        load_study(study(notify=["mailto://user:password@example.org"]))
    assert "password" not in str(error.value)
    assert load_study(study(notify="MML_MAIL")).notify == load_study(study(notify=["MML_MAIL"])).notify == ["MML_MAIL"]
