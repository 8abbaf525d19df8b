"""Places in one direction of a connection at which something is to go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from dicom_assets_tests.pdu_stream import Command, Fragment, PduType, Unit


class Finder(Protocol):
    """Looks for a place in one stream."""

    def look(self, unit: Unit) -> int | None:
        """The place, in bytes from the start of the stream, once it is known; never before the unit's start."""


class Place(Protocol):
    """Says where something is to happen; `needs_pdus` if only whole PDUs show it."""

    needs_pdus: ClassVar[bool]

    def finder(self) -> Finder:
        """One that looks for the place in a new stream."""


@dataclass(frozen=True, slots=True)
class AfterBytes:
    """After so many bytes of the stream: with 0 as soon as the connection is open."""

    needs_pdus: ClassVar[bool] = False
    count: int = 0

    def finder(self) -> Finder:
        """Knows the place from the start."""
        return _Known(self.count)


@dataclass(frozen=True, slots=True)
class AfterText:
    """`offset` bytes after these bytes were there for the `number`-th time."""

    needs_pdus: ClassVar[bool] = False
    text: bytes
    number: int = 1
    offset: int = 0

    def finder(self) -> Finder:
        """Finds it where two pieces of the stream meet, too."""
        return _TextFinder(self)


@dataclass(frozen=True, slots=True)
class AtPdu:
    """`offset` bytes into the `number`-th PDU of this type: 0 is before it, -1 before its last byte."""

    needs_pdus: ClassVar[bool] = True
    pdu: PduType
    number: int = 1
    offset: int = 0

    def finder(self) -> Finder:
        """Counts PDUs."""
        return _PduFinder(self)


@dataclass(frozen=True, slots=True)
class AtCommand:
    """`offset` bytes into the `number`-th message with this command: 0 is before it."""

    needs_pdus: ClassVar[bool] = True
    command: Command
    number: int = 1
    offset: int = 0

    def finder(self) -> Finder:
        """Counts the beginnings of command sets."""
        return _MessageFinder(self.command, self.number, self.offset, is_command=True)


@dataclass(frozen=True, slots=True)
class InDataSet:
    """`offset` bytes into the data set of the `number`-th message with this command: 0 is before it."""

    needs_pdus: ClassVar[bool] = True
    command: Command
    number: int = 1
    offset: int = 0

    def finder(self) -> Finder:
        """Counts the beginnings of data sets."""
        return _MessageFinder(self.command, self.number, self.offset, is_command=False)


@dataclass(frozen=True, slots=True)
class AfterDataSet:
    """After the last byte of the data set of the `number`-th message with this command."""

    needs_pdus: ClassVar[bool] = True
    command: Command
    number: int = 1

    def finder(self) -> Finder:
        """Counts the ends of data sets."""
        return _MessageFinder(self.command, self.number, 0, is_command=False, at_end=True)


@dataclass(frozen=True, slots=True)
class _Known:
    position: int

    def look(self, unit: Unit) -> int | None:
        return max(self.position, unit.start)


class _TextFinder:
    def __init__(self, place: AfterText) -> None:
        self._place = place
        self._left = place.number
        self._window = b""

    def look(self, unit: Unit) -> int | None:
        text = self._place.text
        self._window += unit.content
        while (found := self._window.find(text)) >= 0:
            self._window = self._window[found + len(text) :]
            self._left -= 1
            if not self._left:
                return unit.end - len(self._window) + self._place.offset
        self._window = self._window[max(0, len(self._window) - len(text) + 1) :]
        return None


class _PduFinder:
    def __init__(self, place: AtPdu) -> None:
        self._place = place
        self._left = place.number

    def look(self, unit: Unit) -> int | None:
        self._left -= unit.pdu == self._place.pdu
        if self._left:
            return None
        offset = self._place.offset
        return max(unit.start, unit.start + offset if offset >= 0 else unit.end + offset)


class _MessageFinder:
    def __init__(self, command: Command, number: int, offset: int, *, is_command: bool, at_end: bool = False) -> None:
        self._command = command
        self._left = number
        self._offset = offset
        self._is_command = is_command
        self._at_end = at_end

    def look(self, unit: Unit) -> int | None:
        for fragment in unit.fragments:
            self._left -= self._is_it(fragment)
            if not self._left:
                return fragment.end if self._at_end else fragment.begin + self._offset
        return None

    def _is_it(self, fragment: Fragment) -> bool:
        is_of_it = fragment.command == self._command and fragment.is_command == self._is_command
        return is_of_it and (fragment.is_last if self._at_end else fragment.is_first)
