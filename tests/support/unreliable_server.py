"""A server that breaks off, ignores ranges, lies and changes its mind."""

import hashlib
import random
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mml_lib.files.downloads import CHUNK

BODY = random.Random(0).randbytes(5 * CHUNK + 123)
OTHER = random.Random(1).randbytes(4 * CHUNK)


def checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Server(ThreadingHTTPServer):
    """A server of one file that misbehaves as configured; `requests` contains the headers of each request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/images.zip"
        self.body = BODY
        self.headers = {"ETag": '"one"'}
        self.statuses: list[int] = []  # answered first, one after the other
        self.cuts: list[int] = []  # bytes after which the first answers end
        self.reset = self.hang = False  # how they end, if not politely
        self.ranges = self.if_range = True
        self.span = 10 * len(BODY)  # bytes it gives for a range at most
        self.length = True
        self.chunked = False
        self.requests: list[dict[str, str]] = []

    @property
    def starts(self) -> list[str | None]:
        return [headers.get("Range") for headers in self.requests]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        start, status = self._start()
        body = server.body[start:][: server.span if status == 206 else None]
        if start >= len(server.body) > 0:
            status, body = 416, b""
        self.protocol_version = "HTTP/1.1" if server.chunked else "HTTP/1.0"
        self.send_response(status)
        size = len(server.body)
        extra = {206: f"bytes {start}-{start + len(body) - 1}/{size}", 416: f"bytes */{size}"}
        headers = server.headers | ({"Content-Range": extra[status]} if status in extra else {})
        if server.chunked:
            headers |= {"Transfer-Encoding": "chunked", "Connection": "close"}
        elif server.length:
            headers = {"Content-Length": str(len(body))} | headers
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self._send(body)

    def _start(self) -> tuple[int, int]:
        requested = self.headers.get("Range")
        same = not self.server.if_range or self.headers.get("If-Range") in (None, *self.server.headers.values())
        if not (requested and self.server.ranges and same):
            return 0, 200
        return int(requested.removeprefix("bytes=").removesuffix("-")), 206

    def _send(self, body: bytes):
        server = self.server
        cut = server.cuts.pop(0) if server.cuts else None
        body = body[:cut]
        if server.chunked:
            body = b"%x\r\n%s\r\n" % (len(body), body) + (b"0\r\n\r\n" if cut is None else b"")
        self.wfile.write(body)
        self.wfile.flush()
        if cut is not None and server.hang:
            time.sleep(60)
        if cut is not None and server.reset:
            time.sleep(0.05)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
