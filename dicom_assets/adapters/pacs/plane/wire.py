"""One connection: whole PDUs in, whole PDUs out, each within its time."""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from dicom_assets.adapters.pacs.plane.faults import AssociationLostError, ProtocolViolationError
from dicom_assets.study import Piece

HEADER = struct.Struct(">BxI")
"""Type and length of a PDU (PS3.8 9.3.1)."""

MOST_BUFFERS = 512
"""Most buffers for one `sendmsg`; IOV_MAX is 1024 on Linux and macOS."""

_TIMEVAL = struct.Struct("@ll")
_LONGEST_TICK_SECONDS = 1.0
_SHORTEST_TICK_SECONDS = 0.01
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
_HAS_KERNEL_TIMERS = hasattr(socket, "SO_RCVTIMEO") and hasattr(socket.socket, "sendmsg")
_INVALID_PARAMETER_VALUE = 6


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, and the most bytes of one PDU.

    `connect_seconds` is for TCP and for the TLS handshake, `acse_seconds` for each answer to an association or release
    request, `idle_seconds` for the beginning of the peer's next PDU, `pdu_seconds` for the rest of one that has begun,
    and for the peer to take what we send at once (at most `MOST_BUFFERS` buffers). `linger_seconds` is how long the
    peer may take to close its side after us (the ARTIM timer of PS3.8 9.1.5), and to take an A-ABORT. `max_pdu` is
    what the peer is told; longer PDUs end the association, and so do more than `max_bytes` in all.
    """

    connect_seconds: float = 10.0
    acse_seconds: float = 30.0
    idle_seconds: float = 300.0
    pdu_seconds: float = 60.0
    linger_seconds: float = 2.0
    max_pdu: int = 262_144
    max_bytes: int = 2**62

    @property
    def tick_seconds(self) -> float:
        """How often a waiting call looks whether its time is over."""
        shortest = min(self.acse_seconds, self.idle_seconds, self.pdu_seconds)
        return min(max(shortest / 4, _SHORTEST_TICK_SECONDS), _LONGEST_TICK_SECONDS)


class Wire:
    """A connected socket, plain or TLS, with one receive buffer that is used again and again. For one thread."""

    def __init__(self, connection: socket.socket, limits: Limits) -> None:
        self._socket = connection
        self._is_plain = not isinstance(connection, ssl.SSLSocket) and _HAS_KERNEL_TIMERS
        self._limits = limits
        self._buffer = memoryview(bytearray(limits.max_pdu + 2 * HEADER.size))
        self._start = 0
        self._end = 0
        self.received_bytes = 0
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._set_tick(limits.tick_seconds)
        self._acknowledge_at_once()

    def _set_tick(self, seconds: float) -> None:
        """Let calls return after a while: by the kernel's timer where there is one, to save a `poll` for each."""
        if self._is_plain:
            value = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))
            self._socket.settimeout(None)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
        else:
            self._socket.settimeout(seconds)

    def _acknowledge_at_once(self) -> None:
        """A peer that leaves Nagle's algorithm on waits with half of a PDU until we acknowledge the other half."""
        if _QUICKACK is not None:
            with suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def read(self, seconds: float) -> tuple[int, memoryview]:
        """The next PDU's type and body; the body holds until the next call. Waits `seconds` for it to begin.

        Raises:
            AssociationLostError: the connection is lost, or the time is over.
            ProtocolViolationError: the PDU says that it is too long.
        """
        if self._end - self._start < HEADER.size:
            self._fill(HEADER.size, seconds)
        kind, length = HEADER.unpack_from(self._buffer, self._start)
        if length > self._limits.max_pdu:
            raise ProtocolViolationError(f"a PDU says that it has {length} bytes", _INVALID_PARAMETER_VALUE)
        size = HEADER.size + length
        if self._end - self._start < size:
            self._fill(size, self._limits.pdu_seconds)
        body = self._buffer[self._start + HEADER.size : self._start + size]
        self._start += size
        return kind, body

    def is_ready(self, seconds: float) -> bool:
        """Whether there is something to read, an end too; waits `seconds` for it."""
        if self._end > self._start or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def _fill(self, needed: int, seconds: float) -> None:
        """Receive until `needed` bytes are there; once one is, the rest has the time of a PDU."""
        self._make_room(needed)
        deadline = time.monotonic() + seconds
        while (missing := needed - (self._end - self._start)) > 0:
            had_none = self._end == self._start
            self._receive(missing)
            if self._end - self._start < needed:
                if had_none and self._end > self._start:
                    deadline = time.monotonic() + self._limits.pdu_seconds
                if time.monotonic() >= deadline:
                    raise AssociationLostError("the peer was silent, or too slow, for too long")

    def _make_room(self, needed: int) -> None:
        rest = self._end - self._start
        if not rest:
            self._start = self._end = 0
        elif self._start + needed > len(self._buffer):
            self._buffer[:rest] = self._buffer[self._start : self._end]
            self._start, self._end = 0, rest

    def _receive(self, missing: int) -> None:
        """One system call: for a header whatever is there, for a body all of it."""
        try:
            if self._is_plain and missing > HEADER.size:
                count = self._socket.recv_into(self._buffer[self._end :], missing, socket.MSG_WAITALL)
            else:
                count = self._socket.recv_into(self._buffer[self._end :])
        except (BlockingIOError, TimeoutError):
            return
        except (OSError, ValueError) as error:  # ValueError: closed by another thread during the TLS handshake
            raise AssociationLostError(f"the connection was lost ({type(error).__name__})") from None
        if not count:
            raise AssociationLostError("the peer closed the connection")
        self._end += count
        self.received_bytes += count
        if self.received_bytes > self._limits.max_bytes:
            raise AssociationLostError("the peer sent more than one association may bring")
        self._acknowledge_at_once()

    def write(self, buffers: Sequence[Piece], seconds: float | None = None) -> None:
        """Send the buffers, at most `MOST_BUFFERS`, with one system call if the peer takes them at once.

        It may take `seconds` (`Limits.pdu_seconds`).

        Raises:
            AssociationLostError: the connection is lost, or the peer does not take them in time.
        """
        deadline = time.monotonic() + (self._limits.pdu_seconds if seconds is None else seconds)
        left: Sequence[Piece] = buffers
        if not self._is_plain:
            left = [buffers[0] if len(buffers) == 1 else b"".join(buffers)]
        size = sum(map(len, left))
        while True:
            count = self._send(left)
            size -= count
            if not size:
                break
            if time.monotonic() >= deadline:
                raise AssociationLostError("the peer took nothing, or too little, for too long")
            left = _without(left, count)
        self._acknowledge_at_once()

    def _send(self, buffers: Sequence[Piece]) -> int:
        try:
            return self._socket.sendmsg(buffers) if self._is_plain else self._socket.send(buffers[0])
        except (BlockingIOError, TimeoutError):
            return 0
        except (OSError, ValueError) as error:
            raise AssociationLostError(f"the connection was lost ({type(error).__name__})") from None

    def linger(self) -> None:
        """Close our side and wait for the peer to close its own, so that it gets what we sent last; then close."""
        deadline = time.monotonic() + self._limits.linger_seconds
        with suppress(OSError, ValueError):
            self._set_tick(max(self._limits.linger_seconds / 4, _SHORTEST_TICK_SECONDS))
            if not isinstance(self._socket, ssl.SSLSocket):
                self._socket.shutdown(socket.SHUT_WR)
            while time.monotonic() < deadline:
                with suppress(BlockingIOError, TimeoutError):
                    if not self._socket.recv_into(self._buffer):
                        break
        self.close()

    def interrupt(self) -> None:
        """End what another thread is waiting for on this connection; that thread closes it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; harmless when it is closed."""
        with suppress(OSError):
            self._socket.close()


def _without(buffers: Sequence[Piece], count: int) -> list[Piece]:
    """What is left of the buffers after their first `count` bytes."""
    left: list[Piece] = []
    for buffer in buffers:
        if count >= len(buffer):
            count -= len(buffer)
        else:
            left.append(memoryview(buffer)[count:] if count else buffer)
            count = 0
    return left
