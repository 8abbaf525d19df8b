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
    """What is answered.

    `framing`: the length is told ("length"), the pieces go out in chunks as they are made ("chunked"), or until the
    connection ends ("close"). The connection is closed after `cut_after` bytes of the body, or at once (`hang_up`).
    """

    status: int = 200
    pieces: Iterable[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: str = "length"
    cut_after: int | None = None
    hang_up: bool = False


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

    def do_DELETE(self) -> None:
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
        self.close_connection = answer.hang_up or answer.framing == "close" or answer.cut_after is not None
        if answer.hang_up:
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        pieces = answer.pieces
        if answer.framing == "length":
            pieces = list(pieces)
            self.send_header("Content-Length", str(sum(map(len, pieces))))
        elif answer.framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            pieces = _chunks(pieces)
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self._send(pieces if answer.cut_after is None else [b"".join(pieces)[: answer.cut_after]])

    def _send(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            try:
                self.wfile.write(piece)
                self.wfile.flush()
            except OSError:  # who asked has heard enough
                self.close_connection = True
                return

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: `asked` tells it all."""


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in filter(None, pieces):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


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
