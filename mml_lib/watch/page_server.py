"""Server of the page about a project: local, read-only, and limited to files of the project.

All addresses begin with a secret, because other users of a login node can connect to the server as well.
"""

import errno
import http.server
import json
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mml_lib.errors import MMLError
from mml_lib.watch.project_view import ProjectView

HOST = "127.0.0.1"

DEFAULT_PORT = 8686

PAGES = Path(__file__).parent
"""Folder of the page and its parts."""

PARTS = {
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
    "charts.js": ("charts.js", "text/javascript"),
}
"""Files of the page with their types, by address."""

LOG_TAIL = 100_000
"""Bytes at the end of a log that are served."""

INTERVAL = 2.0
"""Least seconds between two readings of a project."""

SHARE = 0.1
"""Largest share of time that is spent on reading."""

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageServer(http.server.ThreadingHTTPServer):
    """Serves the page about a project.

    Args:
        view: the project.
        port: the port; 0: any free one.
        secret: first part of all addresses.

    Raises:
        OSError: the port cannot be used.
    """

    daemon_threads = True

    def __init__(self, view: ProjectView, port: int, secret: str):
        self.view = view
        self.secret = secret
        self._lock = threading.Lock()
        self._state, self._next = b"", 0.0
        super().__init__((HOST, port), _Handler)

    @property
    def address(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.server_port}/{self.secret}/"

    def state(self) -> bytes:
        """Return the state of the project as JSON. It is read now and then, however many pages are open."""
        with self._lock:
            started = time.monotonic()
            if started >= self._next:
                self._state = json.dumps(self.view.read(), allow_nan=False, default=str).encode()
                cost = time.monotonic() - started
                self._next = started + cost + max(INTERVAL, cost / SHARE)
            return self._state


def open_server(view: ProjectView, port: int, secret: str) -> PageServer:
    """Return a server that listens.

    Raises:
        MMLError: the port is in use or not allowed.
    """
    try:
        return PageServer(view, port, secret)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise MMLError(f"port {port} {reason}; choose another one by --port, or any free one by --port 0") from error


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers a request."""

    server: PageServer
    server_version = "mml"
    sys_version = ""

    def do_GET(self) -> None:
        # Refuse pages of other sites that resolve their host name to this machine (DNS rebinding).
        host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
        if host not in (HOST, "localhost"):
            return self._answer(403, "text/plain", b"open the address that python -m mml_lib.watch printed")
        address = urlsplit(self.path)
        _, secret, name = ("/" + address.path.lstrip("/") + "/").split("/", 2)
        if not secrets.compare_digest(secret.encode(), self.server.secret.encode()):
            return self._answer(403, "text/plain", b"open the address that python -m mml_lib.watch printed")
        name = name.rstrip("/")
        if name == "state.json":
            return self._answer(200, "application/json", self.server.state())
        if name == "log":
            return self._log(parse_qs(address.query))
        if name in PARTS:
            file, kind = PARTS[name]
            return self._answer(200, kind, (PAGES / file).read_bytes())
        return self._answer(404, "text/plain", b"not found")

    def _log(self, query: Mapping[str, list[str]]) -> None:
        """Send the end of a log."""
        path = self.server.view.log_path(query.get("path", [""])[0])
        try:
            if path is None:
                raise FileNotFoundError
            with open(path, "rb") as file:
                file.seek(max(0, path.stat().st_size - LOG_TAIL))
                self._answer(200, "text/plain", file.read(LOG_TAIL))
        except OSError:
            self._answer(404, "text/plain", b"there is no such log")

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Stay silent: the terminal is the user's."""
