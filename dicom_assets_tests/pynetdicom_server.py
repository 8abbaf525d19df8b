"""A server by pynetdicom that ends at once: `AE.start_server` takes half a second for that."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pynetdicom import AE, evt

from dicom_assets_tests.waiting import POLL_SECONDS


@contextmanager
def served(ae: AE, handlers: Sequence[evt.EventHandlerType], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of loopback at which the AE takes associations until the block ends."""
    server = ae.make_server(("127.0.0.1", 0), ssl_context=context, evt_handlers=list(handlers))
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield int(server.socket.getsockname()[1])
    finally:
        socketserver.BaseServer.shutdown(server)
        server.server_close()
        thread.join()
