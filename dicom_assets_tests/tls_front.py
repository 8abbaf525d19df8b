"""HTTPS before a server that speaks HTTP, as a hospital's reverse proxy does it.

Debian's Orthanc can't do it itself: its web server (libcivetweb1) looks up a function that OpenSSL 3 no longer
exports, and crashes at the first HTTPS request.
"""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 30.0
PIECE_BYTES = 1 << 16


@contextmanager
def running_tls_front(context: ssl.SSLContext, target_port: int) -> Iterator[int]:
    """The loopback port at which TLS is spoken for a server that does not; ends with the block."""
    front = _Front(context, target_port)
    thread = threading.Thread(target=asyncio.run, args=(front.serve(),), daemon=True)
    thread.start()
    try:
        yield front.port.get(timeout=START_SECONDS)
    finally:
        front.end()
        thread.join(STOP_SECONDS)
        assert not thread.is_alive(), "the TLS front did not end"


class _Front:
    def __init__(self, context: ssl.SSLContext, target_port: int) -> None:
        self.port: queue.Queue[int] = queue.Queue()
        self._context = context
        self._target_port = target_port
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _loop, _context: None)  # handshakes that fail are the client's to tell
        server = await asyncio.start_server(self._relay, HOST, 0, ssl=self._context)
        self.port.put(server.sockets[0].getsockname()[1])
        await self._ended.wait()
        server.close()

    def end(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(HOST, self._target_port)
        except OSError:
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_pipe(reader, inner_writer), _pipe(inner_reader, writer))
        finally:
            for one in (writer, inner_writer):
                one.transport.abort()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on until the source ends; TLS has no half-closed connections, so that ends the other direction, too."""
    with suppress(OSError):
        while data := await reader.read(PIECE_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
