"""Data sets as bytes, written as they are told: a library that checks values would refuse half of the odd files."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR, tag_for_keyword

LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
SPACE_PADDED = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
)

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its value's bytes, unpadded, or the items of a sequence."""

    tag: int
    vr: str
    value: bytes | Sequence[DataSet]


DataSet = Sequence[Element]


def attribute(keyword: str, value: str | int | bytes | Sequence[DataSet]) -> Element:
    """An element by its keyword; text as Latin-1, an integer as US, items as they are."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    vr = dictionary_VR(tag)
    if isinstance(value, int):
        return Element(tag, "US", struct.pack("<H", value))
    if isinstance(value, str):
        return Element(tag, vr, value.encode("latin-1"))
    return Element(tag, "OW" if vr == "OB or OW" else vr, value)


class Encoder:
    """Lays out data sets (PS3.5 clause 7), sequences with lengths or with delimiters."""

    def __init__(self, *, implicit: bool = False, little: bool = True, delimited: bool = False) -> None:
        order = "<" if little else ">"
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")
        self._implicit = implicit
        self._little = little
        self._delimited = delimited

    def data_set(self, elements: DataSet) -> bytes:
        """Every element, ordered by tag."""
        return b"".join(self.element(element) for element in sorted(elements, key=lambda element: element.tag))

    def element(self, element: Element) -> bytes:
        """One element, padded to even length."""
        if not isinstance(element.value, bytes):
            value = b"".join(self.item(item) for item in element.value)
            if self._delimited:
                return self._header(element, 0xFFFFFFFF) + value + self._delimiter(0xE0DD)
            return self._header(element, len(value)) + value
        value = element.value
        if not self._little and element.vr in {"US", "SS", "OW"}:
            value = b"".join(value[place : place + 2][::-1] for place in range(0, len(value), 2))
        value += (b" " if element.vr in SPACE_PADDED else b"\0") * (len(value) & 1)
        return self._header(element, len(value)) + value

    def item(self, content: DataSet) -> bytes:
        """One item of a sequence."""
        inside = self.data_set(content)
        length = 0xFFFFFFFF if self._delimited else len(inside)
        end = self._delimiter(0xE00D) if self._delimited else b""
        return self._tag.pack(0xFFFE, 0xE000) + self._long.pack(length) + inside + end

    def _header(self, element: Element, length: int) -> bytes:
        tag = self._tag.pack(element.tag >> 16, element.tag & 0xFFFF)
        if self._implicit:
            return tag + self._long.pack(length)
        vr = element.vr.encode("ascii")
        return tag + vr + (b"\0\0" + self._long.pack(length) if element.vr in LONG_VRS else self._short.pack(length))

    def _delimiter(self, number: int) -> bytes:
        return self._tag.pack(0xFFFE, number) + self._long.pack(0)


def file_meta(
    sop_instance_uid: str,
    transfer_syntax: str = EXPLICIT_LITTLE,
    more: DataSet = (),
    *,
    sop_class_uid: str = CT_IMAGE,
) -> bytes:
    """An empty preamble and file meta information (PS3.10 7.1)."""
    content = Encoder().data_set(
        [
            attribute("FileMetaInformationVersion", b"\0\1"),
            attribute("MediaStorageSOPClassUID", sop_class_uid),
            attribute("MediaStorageSOPInstanceUID", sop_instance_uid),
            attribute("TransferSyntaxUID", transfer_syntax),
            attribute("ImplementationClassUID", "1.2.826.0.1.3680043.99.1"),
            *more,
        ]
    )
    length = Encoder().element(Element(0x00020000, "UL", struct.pack("<L", len(content))))
    return bytes(128) + b"DICM" + length + content
