"""Which study an instance belongs to, read from the first bytes of its encoded data set."""

from __future__ import annotations

import struct
import zlib

from pydicom.uid import UID

from dicom_assets.study import Piece

MOST_BYTES = 4 * 2**20
"""An instance that has not named its study by then does not name it."""

_FIRST_LOOK = 4096
_STUDY_INSTANCE_UID = 0x0020000D
_PIXEL_DATA_GROUP = 0x7FE00000
_ITEM, _ITEM_DELIMITER, _SEQUENCE_DELIMITER = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_LONGEST_UID = 66
_DEEPEST = 32
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})


class _MoreNeededError(Exception):
    """The bytes at hand do not tell."""


class StudyPeek:
    """Looks for Study Instance UID (0020,000D) at the top level, nested references aside, as bytes arrive.

    `study_uid` is None where the data set names none, or is no data set.
    """

    def __init__(self, transfer_syntax_uid: str) -> None:
        syntax = UID(transfer_syntax_uid)
        is_known = syntax.is_transfer_syntax
        self._is_implicit = is_known and syntax.is_implicit_VR
        self._order = "<" if not is_known or syntax.is_little_endian else ">"
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if is_known and syntax.is_deflated else None
        self._bytes = bytearray()
        self._offset = 0
        self._next_look = 0
        self.is_decided = False
        self.study_uid: str | None = None

    def feed(self, piece: Piece) -> bool:
        """Take the next piece; True once nothing more is needed."""
        view = memoryview(piece)
        for part in (view[:_FIRST_LOOK], view[_FIRST_LOOK:]):
            if not self.is_decided and len(part):
                self._take(part)
        return self.is_decided

    def finish(self) -> None:
        """There are no more pieces."""
        if not self.is_decided:
            self._look()
            self.is_decided = True

    def _take(self, part: memoryview) -> None:
        if self._inflate is None:
            self._bytes += part
        else:
            try:
                self._bytes += self._inflate.decompress(part, MOST_BYTES)
            except zlib.error:
                self.is_decided = True
                return
        if len(self._bytes) >= self._next_look:
            self._look()
            self._next_look = len(self._bytes) * 5 // 4
        self.is_decided = self.is_decided or len(self._bytes) > MOST_BYTES

    def _look(self) -> None:
        try:
            while not self.is_decided:
                self._element()
        except _MoreNeededError:
            return
        except ValueError:
            self.is_decided = True

    def _element(self) -> None:
        """Step over a top-level element, or decide."""
        tag, length, start, is_implicit = self._header(self._offset, is_implicit=self._is_implicit)
        if tag == _STUDY_INSTANCE_UID:
            if length > _LONGEST_UID:
                raise ValueError("not a UID")
            self._require(start + length)
            text = bytes(self._bytes[start : start + length]).decode("ascii", "replace").strip("\0 ")
            self.study_uid = text or None
            self.is_decided = True
        elif tag >= _PIXEL_DATA_GROUP:
            self.is_decided = True
        else:
            self._offset = self._end(length, start, is_implicit=is_implicit, depth=0)

    def _require(self, end: int) -> None:
        if end > len(self._bytes):
            raise _MoreNeededError

    def _tag(self, offset: int) -> int:
        group, element = struct.unpack_from(f"{self._order}HH", self._bytes, offset)
        return int(group) << 16 | int(element)

    def _header(self, offset: int, *, is_implicit: bool) -> tuple[int, int, int, bool]:
        """Tag, length, where the value begins, and whether what is nested in it has implicit VRs."""
        self._require(offset + 8)
        tag = self._tag(offset)
        if is_implicit or tag >> 16 == _ITEM >> 16:
            (length,) = struct.unpack_from(f"{self._order}I", self._bytes, offset + 4)
            return tag, length, offset + 8, is_implicit
        vr = bytes(self._bytes[offset + 4 : offset + 6])
        if not (vr.isalpha() and vr.isupper()):
            raise ValueError("not explicit VR")
        if vr not in _LONG_VRS:
            (length,) = struct.unpack_from(f"{self._order}H", self._bytes, offset + 6)
            return tag, length, offset + 8, False
        self._require(offset + 12)
        (length,) = struct.unpack_from(f"{self._order}I", self._bytes, offset + 8)
        return tag, length, offset + 12, vr == b"UN"

    def _end(self, length: int, start: int, *, is_implicit: bool, depth: int) -> int:
        """Where a value ends, whose length may be undefined (PS3.5 7.5.2)."""
        if length != _UNDEFINED:
            return start + length
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        offset = start
        while True:
            tag, item_length, offset, _ = self._header(offset, is_implicit=True)
            if tag == _SEQUENCE_DELIMITER:
                return offset
            if tag != _ITEM:
                raise ValueError("not an item")
            offset = self._end_of_item(item_length, offset, is_implicit=is_implicit, depth=depth)

    def _end_of_item(self, length: int, start: int, *, is_implicit: bool, depth: int) -> int:
        if length != _UNDEFINED:
            return start + length
        offset = start
        while True:
            tag, nested_length, offset, nested_is_implicit = self._header(offset, is_implicit=is_implicit)
            if tag == _ITEM_DELIMITER:
                return offset
            offset = self._end(nested_length, offset, is_implicit=nested_is_implicit, depth=depth + 1)
