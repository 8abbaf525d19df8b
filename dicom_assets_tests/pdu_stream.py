"""Where in one direction of a connection something is: PDUs (PS3.8 9.3) and parts of DIMSE messages (PS3.7 6.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

HEADER_BYTES = 6
LONGEST_PDU = 1 << 26
"""A longer one is no PDU, or none that should be kept in memory; from there on the stream is taken as bytes."""

_COMMAND_FIELD = 0x00000100
_IS_COMMAND, _IS_LAST = 1, 2


class PduType(IntEnum):
    """The first byte of a PDU (PS3.8 Table 9-11 and following)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class Command(IntEnum):
    """Command Field (0000,0100) (PS3.7 E.1)."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a message: what one PDV holds of it. Places are counted in bytes from the start of the stream.

    `begin` is where the PDV begins, or its PDU where it is the first one in it.
    """

    command: int | None
    is_command: bool
    is_first: bool
    is_last: bool
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Unit:
    """A whole PDU, or, where `pdu` is None, bytes as they came."""

    start: int
    content: bytes
    pdu: int | None = None
    fragments: tuple[Fragment, ...] = ()

    @property
    def end(self) -> int:
        """The place after its last byte."""
        return self.start + len(self.content)


class Splitter(Protocol):
    """Makes units of a stream; nothing is lost, added or moved."""

    def feed(self, data: bytes) -> Iterator[Unit]:
        """The units that are whole with these bytes."""

    def rest(self) -> bytes:
        """What is left of a unit that never became whole; the splitter forgets it."""


class ByteSplitter:
    """Takes what comes as it comes: for TLS, HTTP and places that are given in bytes."""

    def __init__(self) -> None:
        self._position = 0

    def feed(self, data: bytes) -> Iterator[Unit]:
        """One unit."""
        yield Unit(self._position, data)
        self._position += len(data)

    def rest(self) -> bytes:
        """Nothing is ever kept."""
        return b""


class PduSplitter:
    """Keeps bytes until a PDU is whole; what is no PDU goes on as bytes, and so does all that follows it."""

    def __init__(self) -> None:
        self._position = 0
        self._kept = b""
        self._is_dicom = True
        self._message = _Message()

    def feed(self, data: bytes) -> Iterator[Unit]:
        """The PDUs that are whole now."""
        self._kept += data
        while self._is_dicom and len(self._kept) >= HEADER_BYTES:
            kind, length = struct.unpack_from(">BxL", self._kept)
            self._is_dicom = kind in set(PduType) and length <= LONGEST_PDU
            if not self._is_dicom or len(self._kept) < HEADER_BYTES + length:
                break
            yield self._unit(kind, HEADER_BYTES + length)
        if not self._is_dicom and self._kept:
            yield self._unit(None, len(self._kept))

    def rest(self) -> bytes:
        """The beginning of a PDU whose end never came."""
        kept, self._kept = self._kept, b""
        return kept

    def _unit(self, kind: int | None, length: int) -> Unit:
        content, self._kept = self._kept[:length], self._kept[length:]
        start, self._position = self._position, self._position + length
        fragments = tuple(self._message.fragments(start, content)) if kind == PduType.P_DATA_TF else ()
        return Unit(start, content, kind, fragments)


class _Message:
    """Follows the messages of a stream: which command a PDV belongs to (PS3.8 Annex E.2)."""

    def __init__(self) -> None:
        self._command_set = b""
        self._command: int | None = None
        self._ended = {True: True, False: True}

    def fragments(self, start: int, pdu: bytes) -> Iterator[Fragment]:
        offset = HEADER_BYTES
        while offset + HEADER_BYTES <= len(pdu):
            length, _context, control = struct.unpack_from(">LBB", pdu, offset)
            end = min(offset + 4 + length, len(pdu))
            yield self._fragment(
                control,
                pdu[offset + HEADER_BYTES : end],
                start + (0 if offset == HEADER_BYTES else offset),
                start + end,
            )
            offset = end

    def _fragment(self, control: int, value: bytes, begin: int, end: int) -> Fragment:
        is_command, is_last = bool(control & _IS_COMMAND), bool(control & _IS_LAST)
        is_first, self._ended[is_command] = self._ended[is_command], is_last
        if is_command:
            self._command_set = value if is_first else self._command_set + value
            self._command = command_field(self._command_set)
        return Fragment(self._command, is_command, is_first, is_last, begin, end)


def command_field(command_set: bytes) -> int | None:
    """The Command Field of a command set as it is on the wire, implicit VR little endian (PS3.7 6.3.1)."""
    offset = 0
    while offset + 10 <= len(command_set):
        group, element, length = struct.unpack_from("<HHL", command_set, offset)
        if (group << 16 | element) == _COMMAND_FIELD:
            return int(struct.unpack_from("<H", command_set, offset + 8)[0])
        offset += 8 + length
    return None
