"""A web server on loopback that answers as a test tells it to, and writes down what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What is answered. `pieces` go out one by one; by `framing` "chunked", by their sum, or until the connection ends.

    `cut_after` bytes of the body the connection is closed.
    """

    status: int = 200
    pieces: Iterable[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: str = "length"
    cut_after: int | None = None


Respond = Callable[[Asked], Answer]


def dicom_json(*results: object, status: int = 200) -> Answer:
    """An answer in DICOM JSON."""
    return Answer(status, [json.dumps(list(results)).encode()], {"Content-Type": "application/dicom+json"})


def attributes(**values: object) -> dict[str, Any]:
    """A data set in DICOM JSON; attributes as `x00080018="1.2.3"`."""
    return {name[1:]: {"vr": "UI", "Value": [value]} for name, value in values.items()}


def related(*parts: bytes, boundary: str = "b0undary", counted: bool = True, **more: Any) -> Answer:
    """A multipart answer with these DICOM files."""
    body = b"".join(_part(part, boundary, counted) for part in parts) + f"\r\n--{boundary}--\r\n".encode()
    content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return Answer(**{"pieces": [body], "headers": {"Content-Type": content_type}, **more})


def _part(content: bytes, boundary: str, counted: bool) -> bytes:
    length = f"Content-Length: {len(content)}\r\n" if counted else ""
    return f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n{length}\r\n".encode() + content


class WebServer(ThreadingHTTPServer):
    """Answers by `respond`, which a test may exchange at any time."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, respond: Respond) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond = respond
        self.asked: list[Asked] = []
        self.clients: set[int] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/web"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WebServer

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/web")
        asked = Asked(self.command, path, parse_qs(parts.query), {k.lower(): v for k, v in self.headers.items()}, body)
        self.server.asked.append(asked)
        self.server.clients.add(self.client_address[1])
        answer = self.server.respond(asked)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        pieces = list(answer.pieces)
        if answer.framing == "length":
            self.send_header("Content-Length", str(sum(map(len, pieces))))
        elif answer.framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece] + [b"0\r\n\r\n"]
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self._send(pieces, answer.cut_after)
        self.close_connection = self.close_connection or answer.cut_after is not None or answer.framing == "close"

    def _send(self, pieces: list[bytes], cut_after: int | None) -> None:
        if cut_after is not None:
            pieces = [b"".join(pieces)[:cut_after]]
        for piece in pieces:
            try:
                self.wfile.write(piece)
                self.wfile.flush()
            except OSError:  # who asked has heard enough
                self.close_connection = True
                return

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: `asked` tells it all."""


@contextmanager
def web_server(respond: Respond) -> Iterator[WebServer]:
    """A server that runs for as long as the block."""
    server = WebServer(respond)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
