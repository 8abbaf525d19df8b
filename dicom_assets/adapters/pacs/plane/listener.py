"""Listening for connections: a thread for each, within limits, from addresses that are expected."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

ADDRESSES_HOLD_SECONDS = 60.0
"""For how long a host's addresses are believed."""

BACKLOG = 1024
_JOIN_SECONDS = 10.0
_ACCEPT_SECONDS = 0.25
_PAUSE_SECONDS = 0.02

Serve = Callable[[socket.socket, str, bool], None]
"""Serves a connection from an address and closes it; True says that there is no room for it."""


class Listener:
    """Accepts connections from the time it is made until `stop`.

    At most `room` connections are served as usual and `anteroom` more with the remark that there is no room; those
    beyond, and those from addresses that `is_expected` does not know, are closed at once.
    """

    def __init__(
        self, address: tuple[str, int], serve: Serve, is_expected: Callable[[str], bool], *, room: int, anteroom: int
    ) -> None:
        """Begin to listen.

        Raises:
            OSError: the port is taken, or the address is not ours.
        """
        self._serve = serve
        self._is_expected = is_expected
        self._room = room
        self._most = room + anteroom
        self._mutex = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._is_stopped = False
        family, _, _, _, place = socket.getaddrinfo(
            address[0] or None, address[1], type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self._socket = socket.create_server((str(place[0]), int(place[1])), family=family, backlog=BACKLOG)
        self._socket.settimeout(_ACCEPT_SECONDS)
        self._thread = threading.Thread(target=self._accept_all, name="listener", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    def stop(self) -> None:
        """Listen no more, end what is open, and wait until it has ended."""
        with self._mutex:
            self._is_stopped = True
            still_open = dict(self._open)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # on Linux, wakes `accept` at once
        self._socket.close()
        for connection in still_open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # its thread reads an end, and may still say that it aborts
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in (self._thread, *still_open.values()):
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0))

    def _accept_all(self) -> None:
        while not self._is_stopped:
            try:
                connection, peer = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                time.sleep(_PAUSE_SECONDS)  # stopped, or no file descriptors for now
                continue
            self._begin(connection, _plain_address(str(peer[0])))

    def _begin(self, connection: socket.socket, peer: str) -> None:
        if not self._is_expected(peer):
            connection.close()
            return
        with self._mutex:
            if self._is_stopped or len(self._open) >= self._most:
                connection.close()
                return
            is_crowded = len(self._open) >= self._room
            thread = threading.Thread(
                target=self._run, args=(connection, peer, is_crowded), name="association", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # no room for one more thread in this process: the next connection may find some
                connection.close()
                return
            self._open[connection] = thread

    def _run(self, connection: socket.socket, peer: str, is_crowded: bool) -> None:
        try:
            self._serve(connection, peer, is_crowded)
        finally:
            with suppress(OSError):
                connection.close()
            with self._mutex:
                self._open.pop(connection, None)


@dataclass
class HostAddresses:
    """The addresses of a host; looked up again when an unknown one turns up after a while."""

    host: str
    _addresses: frozenset[str] = frozenset()
    _looked_up_at: float = field(default=float("-inf"))

    def include(self, address: str) -> bool:
        """Whether the host has this address."""
        now = time.monotonic()
        if address not in self._addresses and now - self._looked_up_at > ADDRESSES_HOLD_SECONDS:
            self._looked_up_at = now
            with suppress(OSError):
                found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
                self._addresses = frozenset(_plain_address(str(entry[4][0])) for entry in found)
        return address in self._addresses


def _plain_address(address: str) -> str:
    """An address without scope, and IPv4 as such where it came through an IPv6 socket."""
    return address.partition("%")[0].removeprefix("::ffff:")
