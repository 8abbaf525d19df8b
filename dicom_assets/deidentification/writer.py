"""Writes elements as PS3.5 clause 7 lays them out, and remembers which attribute each byte belongs to."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from dicom_assets.deidentification.dictionary import concrete_vr, known_vr, tag_text
from dicom_assets.deidentification.encoded import (
    ITEM,
    ITEM_END,
    LONG_VRS,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    DataSet,
    Element,
    Encoding,
)
from dicom_assets.errors import DicomAssetsError

_SPACE_PADDED = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
)


class UnwritableError(DicomAssetsError):
    """A value has no encoding in its VR; the message names tag and VR."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where in the written bytes a value lies. `ours` marks a value that holds nothing of the original."""

    start: int
    end: int
    tag: int
    vr: str
    ours: bool


def span_at(spans: Sequence[Span], position: int) -> Span | None:
    """The span that holds `position`, of spans in order."""
    index = bisect_right(spans, position, key=lambda span: span.start) - 1
    return spans[index] if index >= 0 and position < spans[index].end else None


class Writer:
    """Appends elements to `buffer`."""

    def __init__(self, encoding: Encoding, *, signed: bool = False) -> None:
        """Write as `encoding` says; `signed` decides between US and SS where an element came without VR."""
        self.buffer = bytearray()
        self.spans: list[Span] = []
        self._encoding = encoding
        self._signed = signed
        self._tag = struct.Struct(encoding.order + "HH")
        self._long = struct.Struct(encoding.order + "L")
        self._short = struct.Struct(encoding.order + "H")

    def data_set(self, data_set: DataSet) -> None:
        """Every element, ordered by tag (PS3.5 7.1)."""
        for tag in sorted(data_set.elements):
            self.element(data_set.elements[tag])

    def element(self, element: Element) -> None:
        """One element with all it holds."""
        if element.items is not None:
            self._sequence(element, element.items)
            return
        vr = self.vr_of(element)
        padding = (b" " if vr in _SPACE_PADDED else b"\0") * (len(element.value) & 1)
        self.header(element.tag, vr, UNDEFINED if element.undefined else len(element.value) + len(padding))
        start = len(self.buffer)
        self.buffer += element.value
        self.buffer += padding
        self.spans.append(Span(start, len(self.buffer), element.tag, vr, element.ours))
        if element.undefined:
            self.delimiter(SEQUENCE_END)

    def header(self, tag: int, vr: str, length: int) -> None:
        """Tag, VR where the encoding has one, and length.

        Raises:
            UnwritableError: the length does not fit, or there is no such VR.
        """
        self.buffer += self._tag.pack(tag >> 16, tag & 0xFFFF)
        if self._encoding.implicit:
            self.buffer += self._long.pack(length)
        elif vr in LONG_VRS:
            self.buffer += vr.encode("ascii") + b"\0\0" + self._long.pack(length)
        elif vr in SHORT_VRS and length <= 0xFFFF:
            self.buffer += vr.encode("ascii") + self._short.pack(length)
        else:
            raise UnwritableError(f"{tag_text(tag)} of VR {vr or 'unknown'} can't hold {length} bytes")

    def span_at(self, position: int) -> Span | None:
        """The value that lies at `position`, or None for a header."""
        return span_at(self.spans, position)

    def vr_of(self, element: Element) -> str:
        """The VR to write: as encoded, else the dictionary's."""
        return element.vr or concrete_vr(known_vr(element.tag), signed=self._signed) or "UN"

    def _sequence(self, element: Element, items: list[DataSet]) -> None:
        self.header(element.tag, "SQ", UNDEFINED)
        start = len(self.buffer)
        for item in items:
            self.buffer += self._tag.pack(ITEM >> 16, ITEM & 0xFFFF) + self._long.pack(UNDEFINED)
            item_start = len(self.buffer)
            self.data_set(item)
            self._close(item_start, ITEM_END, undefined=item.undefined)
        self._close(start, SEQUENCE_END, undefined=element.undefined)

    def _close(self, start: int, delimiter: int, *, undefined: bool) -> None:
        if undefined:
            self.delimiter(delimiter)
        else:
            self._long.pack_into(self.buffer, start - 4, len(self.buffer) - start)

    def delimiter(self, tag: int) -> None:
        """The end of an item or of a sequence of undefined length."""
        self.buffer += self._tag.pack(tag >> 16, tag & 0xFFFF) + self._long.pack(0)
