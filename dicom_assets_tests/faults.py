"""A TCP proxy on loopback that does to connections what networks, firewalls and dying machines do.

It carries whatever it is given (DICOM, TLS, HTTP) unchanged until a fault comes to its place in one direction:
`fault_places` says where, `fault_actions` what. Everything ends with the block `running_proxy`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dicom_assets_tests.fault_actions import Action
from dicom_assets_tests.fault_link import JOIN_SECONDS, Direction, Fault, Link, close_socket
from dicom_assets_tests.fault_places import Place

HOST = "127.0.0.1"
CONNECT_SECONDS = 5.0


class FaultProxy:
    """A running proxy. Faults concern connections that are made after they were injected.

    Attributes:
        port: Where it listens.
        target_port: Where it connects to; may be changed for connections to come.
        connections: How many connections it has taken.
        unreachable: How many of them it could not hand on, because nobody listened at the target.
        bytes_passed: How many bytes it has handed on, in each direction.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.connections = 0
        self.unreachable = 0
        self.bytes_passed = dict.fromkeys(Direction, 0)
        self._faults: list[Fault] = []
        self._links: list[Link] = []
        self._mutex = threading.Lock()
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self.port = 0
        self.accept()

    def inject(
        self,
        direction: Direction,
        place: Place,
        action: Action,
        *,
        connection: int | None = None,
        times: int | None = 1,
    ) -> Fault:
        """Let something go wrong from now on; the fault tells whether it did."""
        fault = Fault(direction, place, action, connection, times)
        with self._mutex:
            fault._connections_before = self.connections
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Take all faults away; what was held or delayed goes on."""
        with self._mutex:
            self._faults.clear()
            links = list(self._links)
        for link in links:
            link.let_go.set()

    def open_connections(self) -> int:
        """How many connections have not ended."""
        with self._mutex:
            return len(self._links)

    def refuse(self) -> None:
        """Stop listening, so that the system refuses new connections; those that are there stay."""
        listener, accepting = self._listener, self._accepting
        if listener is None or accepting is None:
            return
        self._listener = self._accepting = None
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept()
        accepting.join(JOIN_SECONDS)
        listener.close()

    def accept(self) -> None:
        """Listen, at the same port as before."""
        if self._listener is not None:
            return
        self._listener = socket.create_server((HOST, self.port), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._serve, args=(self._listener,), daemon=True)
        self._accepting.start()

    def stop(self) -> None:
        """End listening and all connections."""
        self.refuse()
        self.cut_all()
        with self._mutex:
            links = list(self._links)
        for link in links:
            link.join()

    def cut_all(self) -> None:
        """End all connections that are there, by RST."""
        with self._mutex:
            links = list(self._links)
        for link in links:
            link.cut(reset=True)

    def _count(self, direction: Direction, passed: int) -> None:
        with self._mutex:
            self.bytes_passed[direction] += passed

    def _forget(self, link: Link) -> None:
        with self._mutex:
            self._links.remove(link)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._mutex:
                self.connections += 1
                number = self.connections
                faults = list(self._faults)
            try:
                target = socket.create_connection((HOST, self.target_port), CONNECT_SECONDS)
            except OSError:
                self.unreachable += 1
                close_socket(client, reset=True)
                continue
            link = Link(client, target, self._count, self._forget)
            with self._mutex:
                self._links.append(link)
            link.start({one: [f for f in faults if f.concerns(number, one)] for one in Direction})


@contextmanager
def running_proxy(target_port: int) -> Iterator[FaultProxy]:
    """A proxy at a free port of loopback before that port; ends with the block."""
    proxy = FaultProxy(target_port)
    try:
        yield proxy
    finally:
        proxy.stop()
