"""An association of ours with a peer, in either role: messages in and out, release and abort. For one thread."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress

from dicom_assets.adapters.pacs.plane.commands import Command, decode
from dicom_assets.adapters.pacs.plane.faults import (
    AssociationLostError,
    AssociationReleasedError,
    PeerAbortedError,
    ProtocolViolationError,
)
from dicom_assets.adapters.pacs.plane.negotiation import Agreement, Context
from dicom_assets.adapters.pacs.plane.wire import HEADER, MOST_BUFFERS, Limits, Wire
from dicom_assets.study import Piece

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA_TF, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
"""Types of PDUs (PS3.8 9.3.1)."""

LONGEST_COMMAND = 65_536
"""Bytes of a command set; the longest that makes sense has some hundred."""

LONGEST_FRAGMENT = 262_144
"""Bytes of one of our fragments where the peer takes any."""

MOST_BYTES_AT_ONCE = 4 << 20
"""Bytes that go out under one time limit; TLS copies them together."""

ABORTED_BY_USER = 0
ABORTED_BY_PROVIDER = 2
"""Sources of an A-ABORT (PS3.8 Table 9-26)."""

_PDV = struct.Struct(">IBB")
"""Length of what follows, context identifier, message control header (PS3.8 9.3.5.1, E.2)."""
_PDU_AND_PDV = struct.Struct(">BxIIBB")
_COMMAND, _LAST = 1, 2
_UNRECOGNIZED_PDU, _UNEXPECTED_PDU, _INVALID_PARAMETER_VALUE = 1, 2, 6
_RELEASE_BODY = bytes(4)


class Association:
    """An established association. What is asked of it when it is over raises `AssociationLostError`.

    Receive a message with `receive`, then its data set, where it has one, with `pieces`; send one with `send`.
    """

    def __init__(self, wire: Wire, agreement: Agreement, limits: Limits, *, is_requestor: bool) -> None:
        self._wire = wire
        self._limits = limits
        self._is_requestor = is_requestor
        self.contexts = agreement.contexts
        """The accepted presentation contexts by identifier."""
        room = agreement.max_pdu - _PDV.size if agreement.max_pdu else LONGEST_FRAGMENT
        self._fragment = max(min(room, LONGEST_FRAGMENT) & ~1, 2)
        self._at_once = max(2, min(MOST_BUFFERS, MOST_BYTES_AT_ONCE // self._fragment * 2))
        self._body = memoryview(b"")
        self._offset = 0
        self._context_id = 0
        self._has_more = False
        self.is_over = False

    @property
    def received_bytes(self) -> int:
        """All bytes of the connection so far, headers and command sets included."""
        return self._wire.received_bytes

    def context_for(self, sop_class_uid: str, transfer_syntax_uid: str | None = None) -> Context | None:
        """The accepted context for a SOP Class, in a transfer syntax if one is given, else in any; None without one."""
        for context in self.contexts.values():
            if context.sop_class_uid == sop_class_uid and transfer_syntax_uid in (None, context.transfer_syntax_uid):
                return context
        return None

    def send(self, context_id: int, command: bytes, data_set: Piece = b"") -> None:
        """Send a message: an encoded command set (`commands`) and the encoded data set that it announces, if any.

        The data set is not copied; it goes out in as few system calls as the peer's PDU length allows.

        Raises:
            AssociationLostError: the connection is lost, or the peer does not take it in time.
        """
        self._require_open()
        buffers = self._fragments(context_id, command, _COMMAND)
        if len(data_set):
            buffers += self._fragments(context_id, data_set, 0)
        try:
            for first in range(0, len(buffers), self._at_once):
                self._wire.write(buffers[first : first + self._at_once])
        except AssociationLostError:
            self._end()
            raise

    def _fragments(self, context_id: int, content: Piece, control: int) -> list[Piece]:
        """Headers and slices, in turn: one PDV in each PDU."""
        size, view = len(content), memoryview(content)
        buffers: list[Piece] = []
        for start in range(0, size, self._fragment):
            piece = view[start : start + self._fragment]
            last = _LAST if start + self._fragment >= size else 0
            length = len(piece) + 2
            buffers.append(_PDU_AND_PDV.pack(P_DATA_TF, length + 4, length, context_id, control | last))
            buffers.append(piece)
        return buffers

    def is_ready(self, seconds: float) -> bool:
        """Whether `receive` need not wait; waits `seconds` for that. An end of the association is something, too."""
        return self.is_over or self._offset < len(self._body) or self._wire.is_ready(seconds)

    def receive(self, seconds: float | None = None) -> Command | None:
        """The next command set; None once the peer has released the association, which is answered.

        What is left of the data set before it is skipped. Waits `seconds` (`Limits.idle_seconds`) for it to begin.

        Raises:
            AssociationLostError: aborted by either side, silent for too long, connection lost.
        """
        self._require_open()
        try:
            for _ in self._pieces():
                pass
            return self._receive(self._limits.idle_seconds if seconds is None else seconds)
        except ProtocolViolationError as error:
            self.abort(ABORTED_BY_PROVIDER, error.reason)
            raise
        except AssociationLostError:
            self.abort(ABORTED_BY_PROVIDER)
            raise

    def _receive(self, seconds: float) -> Command | None:
        encoded, context_id = bytearray(), 0
        while True:
            if self._offset >= len(self._body):
                if not self._next_body(seconds, may_be_released=not encoded and not context_id):
                    return None
                seconds = self._limits.pdu_seconds
                continue
            fragment_context, control, fragment = self._pdv()
            if not control & _COMMAND or (context_id and fragment_context != context_id):
                raise ProtocolViolationError("a data set without its command", _UNEXPECTED_PDU)
            context_id = fragment_context
            encoded += fragment
            if len(encoded) > LONGEST_COMMAND:
                raise ProtocolViolationError("a command set without end", _INVALID_PARAMETER_VALUE)
            if control & _LAST:
                break
        try:
            command = decode(context_id, encoded)
        except ValueError as error:
            raise ProtocolViolationError(str(error), _INVALID_PARAMETER_VALUE) from None
        self._context_id, self._has_more = context_id, command.has_data_set
        return command

    def pieces(self) -> Iterator[memoryview]:
        """The data set of the message that was received last, each piece good until the next one is asked for.

        Raises:
            AssociationLostError: the association ended before the data set did, or the peer released it.
        """
        self._require_open()
        try:
            yield from self._pieces()
        except ProtocolViolationError as error:
            self.abort(ABORTED_BY_PROVIDER, error.reason)
            raise
        except AssociationLostError:
            self.abort(ABORTED_BY_PROVIDER)
            raise

    def _pieces(self) -> Iterator[memoryview]:
        while self._has_more:
            if self._offset >= len(self._body):
                self._next_body(self._limits.pdu_seconds, may_be_released=False)
                continue
            context_id, control, fragment = self._pdv()
            if control & _COMMAND or context_id != self._context_id:
                raise ProtocolViolationError("a command within a data set", _UNEXPECTED_PDU)
            self._has_more = not control & _LAST
            yield fragment

    def _pdv(self) -> tuple[int, int, memoryview]:
        """The next presentation data value of the PDU at hand."""
        body, offset = self._body, self._offset
        if len(body) - offset < _PDV.size:
            raise ProtocolViolationError("a P-DATA-TF that ends within a header", _INVALID_PARAMETER_VALUE)
        length, context_id, control = _PDV.unpack_from(body, offset)
        end = offset + 4 + length
        if length < 2 or end > len(body):
            raise ProtocolViolationError("a fragment that is longer than its PDU", _INVALID_PARAMETER_VALUE)
        if context_id not in self.contexts:
            raise ProtocolViolationError("a fragment in a context that was not accepted", _INVALID_PARAMETER_VALUE)
        self._offset = end
        return context_id, control, body[offset + _PDV.size : end]

    def _next_body(self, seconds: float, *, may_be_released: bool) -> bool:
        """Read the next P-DATA-TF; False if the peer released the association instead, which is answered."""
        kind, body = self._wire.read(seconds)
        if kind == P_DATA_TF:
            if not len(body):
                raise ProtocolViolationError("an empty P-DATA-TF", _INVALID_PARAMETER_VALUE)
            self._body, self._offset = body, 0
            return True
        if kind == ABORT:
            self._end()
            raise PeerAbortedError(*_source_and_reason(body))
        if kind == RELEASE_RQ:
            self._wire.write([_pdu(RELEASE_RP, _RELEASE_BODY)])
            self._end(linger=True)
            if may_be_released:
                return False
            raise AssociationReleasedError("the peer released the association within a message")
        known = kind in (ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, RELEASE_RP)
        reason = _UNEXPECTED_PDU if known else _UNRECOGNIZED_PDU
        raise ProtocolViolationError(f"a PDU of type 0x{kind:02X} that has no place here", reason)

    def release(self) -> None:
        """Release the association and close the connection; data that still comes is skipped (PS3.8 7.2).

        Raises:
            AssociationLostError: the peer does not answer the release.
        """
        self._require_open()
        try:
            self._wire.write([_pdu(RELEASE_RQ, _RELEASE_BODY)])
            while (kind := self._wire.read(self._limits.acse_seconds)[0]) != RELEASE_RP:
                if kind == RELEASE_RQ:  # a collision: the requestor answers first, the acceptor after its answer came
                    self._collide()
                    break
                if kind != P_DATA_TF:
                    raise AssociationLostError(f"a PDU of type 0x{kind:02X} instead of a release")
        except AssociationLostError:
            self.abort(ABORTED_BY_PROVIDER)
            raise
        self._end()

    def _collide(self) -> None:
        """Both sides asked for a release at once (PS3.8 7.2.2.7)."""
        answer = [_pdu(RELEASE_RP, _RELEASE_BODY)]
        if self._is_requestor:
            self._wire.write(answer)
        if self._wire.read(self._limits.acse_seconds)[0] != RELEASE_RP:
            raise AssociationLostError("a release that both sides asked for was not answered")
        if not self._is_requestor:
            self._wire.write(answer)

    def abort(self, source: int = ABORTED_BY_USER, reason: int = 0) -> None:
        """Send an A-ABORT where that is still possible, and close the connection; harmless when it is over."""
        if self.is_over:
            return
        with suppress(AssociationLostError):
            self._wire.write([_pdu(ABORT, bytes((0, 0, source, reason)))], self._limits.linger_seconds)
            self._end(linger=True)
        self._end()

    def interrupt(self) -> None:
        """From another thread: end whatever the association is waiting for; it is lost then."""
        self._wire.interrupt()

    def _require_open(self) -> None:
        if self.is_over:
            raise AssociationLostError("the association is over")

    def _end(self, *, linger: bool = False) -> None:
        self.is_over = True
        self._has_more = False
        self._body, self._offset = memoryview(b""), 0
        if linger:
            self._wire.linger()
        self._wire.close()


def _pdu(kind: int, body: bytes) -> bytes:
    return HEADER.pack(kind, len(body)) + body


def _source_and_reason(body: memoryview) -> tuple[int, int]:
    return (body[2], body[3]) if len(body) >= 4 else (0, 0)
