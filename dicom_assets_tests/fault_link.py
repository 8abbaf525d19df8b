"""One connection through the proxy of `faults`: two sockets, a thread for each direction, the faults waiting there."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from dicom_assets_tests.fault_actions import Acting, Action
from dicom_assets_tests.fault_places import Finder, Place
from dicom_assets_tests.pdu_stream import ByteSplitter, PduSplitter, Splitter, Unit

POLL_SECONDS = 0.02
"""How soon a direction notices that the other one ended the connection."""

GRACE_SECONDS = 1.0
"""How long what still comes is thrown away after a FIN, so that no RST overtakes it."""

JOIN_SECONDS = 10.0
PIECE_BYTES = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Direction(StrEnum):
    """Which way bytes go; the client is who connects to the proxy."""

    TO_TARGET = "to target"
    TO_CLIENT = "to client"


@dataclass(eq=False)
class Fault:
    """Something that goes wrong, and how often it did.

    Attributes:
        connection: The only connection it happens to, counted from 1 since it was injected; any, if None.
        times: How often it happens at most, at most once in one connection; without end, if None.
    """

    direction: Direction
    place: Place
    action: Action
    connection: int | None = None
    times: int | None = 1
    fired: int = 0
    _connections_before: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def concerns(self, connection: int, direction: Direction) -> bool:
        """Whether it can happen in this direction of the proxy's connection of this number."""
        number = connection - self._connections_before
        return direction is self.direction and number > 0 and self.connection in (None, number)

    def claim(self) -> bool:
        """Count it, unless it has happened as often as it may."""
        with self._changed:
            if self.times is not None and self.fired >= self.times:
                return False
            self.fired += 1
            self._changed.notify_all()
            return True

    def wait_until_fired(self, seconds: float, times: int = 1) -> None:
        """Return once it has happened so often; fail the test after so many seconds."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.fired >= times, seconds), "the fault did not come to its place"


class Link:
    """A connection; `passed` is told of bytes that were handed on, `over` of the end."""

    def __init__(
        self,
        client: socket.socket,
        target: socket.socket,
        passed: Callable[[Direction, int], None],
        over: Callable[[Link], None],
    ) -> None:
        self.let_go = threading.Event()
        self.is_cut = threading.Event()
        self.is_over = threading.Event()
        self._sockets = (client, target)
        self._passed = passed
        self._over = over
        self._reset = False
        self._mutex = threading.Lock()
        self._running = len(Direction)
        self._threads: list[threading.Thread] = []
        self._timers: list[threading.Timer] = []
        for one in self._sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.settimeout(POLL_SECONDS)

    def start(self, faults: Mapping[Direction, Sequence[Fault]]) -> None:
        """Begin to hand on, with the faults that wait in each direction."""
        client, target = self._sockets
        for direction, source, sink in (
            (Direction.TO_TARGET, client, target),
            (Direction.TO_CLIENT, target, client),
        ):
            stream = _Stream(self, direction, source, sink, faults[direction], self._passed)
            self._threads.append(threading.Thread(target=stream.run, daemon=True))
        for thread in self._threads:
            thread.start()

    def cut(self, *, reset: bool) -> None:
        """End both directions; by FIN, what still comes is thrown away for a while."""
        with self._mutex:
            if not self._running:
                return
            self._reset = self._reset or reset
            if not self.is_cut.is_set() and not reset:
                self._later(GRACE_SECONDS, self.is_over.set)
                for one in self._sockets:
                    with suppress(OSError):
                        one.shutdown(socket.SHUT_WR)
            self.is_cut.set()
            if reset:
                self.is_over.set()
        self.let_go.set()

    def cut_later(self, seconds: float) -> None:
        """End both directions by FIN when so many seconds have passed."""
        self._later(seconds, lambda: self.cut(reset=False))

    def direction_ended(self) -> None:
        """Close everything when both directions have ended."""
        with self._mutex:
            self._running -= 1
            if self._running:
                return
            for timer in self._timers:
                timer.cancel()
        for one in self._sockets:
            close_socket(one, reset=self._reset)
        self._over(self)

    def join(self) -> None:
        """Wait for both directions to end."""
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
            assert not thread.is_alive(), "a direction of the proxy did not end"

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, what)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()


class _Stream:
    """One direction of a connection; implements `Wire` for the action that has it."""

    def __init__(
        self,
        link: Link,
        direction: Direction,
        source: socket.socket,
        sink: socket.socket,
        faults: Sequence[Fault],
        passed: Callable[[Direction, int], None],
    ) -> None:
        self._passed = passed
        self._link = link
        self._direction = direction
        self._source = source
        self._sink = sink
        self._waiting = [_Waiting(fault, fault.place.finder()) for fault in faults]
        needs_pdus = any(fault.place.needs_pdus for fault in faults)
        self._splitter: Splitter = PduSplitter() if needs_pdus else ByteSplitter()
        self._acting: Acting | None = None

    def run(self) -> None:
        """Hand on until the source ends, or the connection is cut."""
        try:
            self._advance(Unit(0, b""))
            while data := self._read():
                for unit in self._splitter.feed(data):
                    self._advance(unit)
            self._pass_on(self._splitter.rest())
            self._act(b"")
            if not self._link.is_cut.is_set():
                self._sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._link.cut(reset=True)
        finally:
            self._link.direction_ended()

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._link.is_cut.is_set():
            with suppress(TimeoutError):
                sent = self._sink.send(view)
                self._passed(self._direction, sent)
                view = view[sent:]

    def cut(self, *, reset: bool, after_seconds: float = 0.0) -> None:
        if after_seconds:
            self._link.cut_later(after_seconds)
        else:
            self._link.cut(reset=reset)

    def pause(self, seconds: float | None) -> None:
        self._link.let_go.wait(seconds)

    def _read(self) -> bytes:
        while not self._link.is_over.is_set():
            with suppress(TimeoutError):
                return self._source.recv(PIECE_BYTES)
        return b""

    def _advance(self, unit: Unit) -> None:
        done = unit.start
        for position, fault in self._due(unit):
            self._pass_on(unit.content[done - unit.start : position - unit.start])
            done = max(done, position)
            if fault.claim():
                self._set_off(fault)
        self._pass_on(unit.content[done - unit.start :])

    def _due(self, unit: Unit) -> list[tuple[int, Fault]]:
        for one in self._waiting:
            if one.position is None:
                one.position = one.finder.look(unit)
        due = [one for one in self._waiting if one.position is not None and one.position <= unit.end]
        self._waiting = [one for one in self._waiting if one not in due]
        return sorted(((one.position or 0, one.fault) for one in due), key=lambda pair: pair[0])

    def _set_off(self, fault: Fault) -> None:
        if self._acting is not None:
            self._acting.close()
        self._acting = fault.action(self)
        try:
            next(self._acting)
        except StopIteration as stop:
            self._acting = None
            self._pass_on(stop.value)

    def _pass_on(self, data: bytes) -> None:
        if not data:
            return
        if self._acting is None:
            self.send(data)
        else:
            self._act(data)

    def _act(self, data: bytes) -> None:
        if self._acting is None:
            return
        try:
            self._acting.send(data)
        except StopIteration as stop:
            self._acting = None
            self.send(stop.value)


@dataclass(eq=False)
class _Waiting:
    """A fault that has not come to its place in a stream."""

    fault: Fault
    finder: Finder
    position: int | None = None


def close_socket(one: socket.socket, *, reset: bool) -> None:
    if reset:
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    one.close()
