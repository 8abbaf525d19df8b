"""What lies where in a header that was written: found out only when the residual scan has to know."""

from __future__ import annotations

import struct
from functools import cached_property

from dicom_assets.deidentification.dictionary import concrete_vr, is_private, known_vr
from dicom_assets.deidentification.encoded import LONG_VRS, SHORT_VRS, UNDEFINED, Encoding
from dicom_assets.deidentification.fast.plan import OddError
from dicom_assets.deidentification.writer import Span, span_at

_tag = struct.Struct("<HH").unpack_from
_short = struct.Struct("<H").unpack_from
_long = struct.Struct("<L").unpack_from


class WrittenHeader:
    """A whole header in little endian, without pixels. Nothing in it is known to be ours."""

    def __init__(self, buffer: bytes, encoding: Encoding) -> None:
        """Take what was written as `encoding` says."""
        self.buffer = buffer
        self._implicit = encoding.implicit

    def span_at(self, position: int) -> Span | None:
        """The value that lies at `position`, or None for a header."""
        return span_at(self.spans, position)

    @cached_property
    def spans(self) -> list[Span]:
        """Every value, in order.

        Raises:
            OddError: a private sequence or suchlike hides where values lie.
        """
        found: list[Span] = []
        position, end = 0, len(self.buffer)
        try:
            while position < end:
                tag, vr, length, start = self._header(position)
                position = start
                if not self._is_open(tag, vr, length):
                    position += length
                    found.append(Span(start, position, tag, vr, ours=False))
        except struct.error:
            raise OddError("a header that can't be read again") from None
        if position != end:
            raise OddError("a header that can't be read again")
        return found

    def _header(self, position: int) -> tuple[int, str, int, int]:
        group, number = _tag(self.buffer, position)
        tag = int(group << 16 | number)
        if self._implicit or group == 0xFFFE:
            return tag, concrete_vr(known_vr(tag)) or "UN", _long(self.buffer, position + 4)[0], position + 8
        vr = self.buffer[position + 4 : position + 6].decode("latin-1")
        if vr in LONG_VRS:
            return tag, vr, _long(self.buffer, position + 8)[0], position + 12
        if vr not in SHORT_VRS:
            raise OddError("a header that can't be read again")
        return tag, vr, _short(self.buffer, position + 6)[0], position + 8

    def _is_open(self, tag: int, vr: str, length: int) -> bool:
        # Sequences, items and delimiters are headers; a private sequence of defined length is closed and so a value.
        return tag >> 16 == 0xFFFE or length == UNDEFINED or (vr == "SQ" and not is_private(tag))
