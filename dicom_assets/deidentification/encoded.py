"""Data sets as they are encoded (PS3.5 clause 7): a strict reader and a writer of elements whose values stay bytes.

Nothing is decoded that no rule needs, so values leave as they came, and no library is asked to interpret,
to warn about or to log a value. What does not add up raises, with tags and counts and never a value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from dicom_assets.deidentification.dictionary import is_private, known_vr, tag_text
from dicom_assets.deidentification.safe_private_table import safe_private_table
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets.errors import DicomAssetsError

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
DEEPEST = 64
"""Sequences nested deeper than any object of the standard are taken for an attack or for garbage."""

LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
SHORT_VRS = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM"}
    | {"UI", "UL", "US"}
)

_NEVER_PRIVATE = frozenset({0x0001, 0x0003, 0x0005, 0x0007, 0xFFFF})


class EncodingError(DicomAssetsError):
    """The bytes are not a whole data set; the message holds no value."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are laid out (PS3.5 7.1 and 7.3)."""

    implicit: bool
    little: bool

    @property
    def order(self) -> str:
        """The byte order as `struct` writes it."""
        return "<" if self.little else ">"


IMPLICIT_LITTLE = Encoding(implicit=True, little=True)
EXPLICIT_LITTLE = Encoding(implicit=False, little=True)
EXPLICIT_BIG = Encoding(implicit=False, little=False)


@dataclass(slots=True, repr=False)
class Element:
    """One element. `items` is None unless it is a sequence that could be read; `vr` is empty where none was encoded.

    `undefined` tells an undefined length. `ours` marks a value that holds nothing of the original.
    """

    tag: int
    vr: str
    value: bytes | memoryview = b""
    items: list[DataSet] | None = None
    undefined: bool = False
    ours: bool = False


@dataclass(slots=True, repr=False)
class DataSet:
    """Elements by tag, in the order they came. `undefined` tells an item of undefined length."""

    elements: dict[int, Element] = field(default_factory=dict)
    undefined: bool = False

    def value(self, tag: int) -> bytes:
        """The bytes of an element's value; empty for an absent element and for a sequence."""
        element = self.elements.get(tag)
        return bytes(element.value) if element is not None and element.items is None else b""

    def private_creator(self, tag: int) -> str:
        """Who reserved the block in which a private element lies (PS3.5 7.8.1); empty where nobody did, legibly."""
        group, number = tag >> 16, tag & 0xFFFF
        if number < 0x1000 or group in _NEVER_PRIVATE:
            return ""
        element = self.elements.get(group << 16 | number >> 8)
        if element is None or element.items is not None or element.vr not in {"LO", "UN", ""}:
            return ""
        creator = bytes(element.value).strip(b" \0")
        return creator.decode("ascii") if creator.isascii() and len(creator) <= 64 else ""

    def put(self, element: Element) -> None:
        """Add an element, or put it in place of the one with its tag."""
        self.elements[element.tag] = element

    def walk(self) -> Iterator[Element]:
        """Every element at every depth."""
        for element in self.elements.values():
            yield element
            for item in element.items or ():
                yield from item.walk()


class Reader:
    """Reads elements out of a buffer without copying values."""

    def __init__(self, data: memoryview, encoding: Encoding) -> None:
        """Read `data`, laid out as `encoding` says."""
        self._data = data
        self._encoding = encoding
        self._tag = struct.Struct(encoding.order + "HH")
        self._long = struct.Struct(encoding.order + "L")
        self._short = struct.Struct(encoding.order + "H")

    def data_set(self, position: int = 0, stop: int | None = None) -> tuple[DataSet, int]:
        """The data set from `position` to the end of the buffer, or to the first tag at or above `stop`."""
        return self._elements(position, len(self._data), 0, stop=stop)

    def sequence(self, position: int = 0) -> list[DataSet]:
        """The items that fill the buffer from `position` on, with or without a delimiter at the end."""
        return self._items(position, len(self._data), 1, delimited=False)[0]

    def _elements(
        self, position: int, end: int, depth: int, *, delimited: bool = False, stop: int | None = None
    ) -> tuple[DataSet, int]:
        found = DataSet(undefined=delimited)
        while position < end:
            if depth == 0 and not any(self._data[position : position + 8]) and not any(self._data[position:end]):
                return found, end  # zeros after the last element: padding that some writers leave
            if stop is not None and self._tag_at(position, end) >= stop:
                return found, position
            tag, vr, length, start = self._header(position, end)
            if delimited and tag == ITEM_END:
                return found, start
            if tag >> 16 == 0xFFFE:
                raise EncodingError(f"delimiter {tag_text(tag)} where an element should be")
            sequence = vr == "SQ" or ((not vr or vr == "UN") and _is_sequence(tag, found))
            element, position = self._element(tag, vr, length, start, end, depth, sequence)
            found.put(_instead_of_twins(tag) if tag in found.elements else element)
        if delimited:
            raise EncodingError("truncated: an item has no end")
        return found, position

    def _tag_at(self, position: int, end: int) -> int:
        if end - position < 4:
            raise EncodingError("truncated: an element's header is cut off")
        group, number = self._tag.unpack_from(self._data, position)
        return int(group << 16 | number)

    def _header(self, position: int, end: int) -> tuple[int, str, int, int]:
        if end - position < 8:
            raise EncodingError("truncated: an element's header is cut off")
        group, number = self._tag.unpack_from(self._data, position)
        tag = group << 16 | number
        code = bytes(self._data[position + 4 : position + 6])
        if self._encoding.implicit or group == 0xFFFE or not (code.isalpha() and code.isupper()):
            # Inside explicit VR, some writers switch to implicit VR for an element or an item.
            return tag, "", self._long.unpack_from(self._data, position + 4)[0], position + 8
        vr = code.decode("ascii")
        if vr in SHORT_VRS:
            return tag, vr, self._short.unpack_from(self._data, position + 6)[0], position + 8
        if vr not in LONG_VRS:
            raise EncodingError(f"unknown VR at {tag_text(tag)}")
        if end - position < 12:
            raise EncodingError("truncated: an element's header is cut off")
        return tag, vr, self._long.unpack_from(self._data, position + 8)[0], position + 12

    def _element(
        self, tag: int, vr: str, length: int, start: int, end: int, depth: int, sequence: bool
    ) -> tuple[Element, int]:
        if length == UNDEFINED:
            return self._element_without_length(tag, vr, start, end, depth)
        if length > end - start:
            raise EncodingError(f"truncated: {tag_text(tag)} is longer than what is left")
        value = self._data[start : start + length]
        element = Element(tag, vr, value)
        if sequence:
            element.items = self._items_within(vr, value, depth)
        return element, start + length

    def _items_within(self, vr: str, value: memoryview, depth: int) -> list[DataSet] | None:
        # UN holds implicit VR little endian (PS3.5 6.2.2); writers that did not know this left explicit VR in it.
        # A sequence that can't be read stays closed: no rule can then keep it.
        encodings = [self._encoding] if vr != "UN" else [IMPLICIT_LITTLE, EXPLICIT_LITTLE]
        if vr == "UN" and not self._encoding.little:
            return None
        for encoding in encodings:
            try:
                return Reader(value, encoding)._items(0, len(value), depth + 1, delimited=False)[0]
            except EncodingError:
                continue
        return None

    def _element_without_length(self, tag: int, vr: str, start: int, end: int, depth: int) -> tuple[Element, int]:
        if tag == 0x7FE00010 or vr in {"OB", "OW"}:
            stop = self._fragments(start, end)
            return Element(tag, vr, self._data[start : stop - 8], undefined=True), stop
        if vr not in {"", "SQ", "UN"}:
            raise EncodingError(f"{tag_text(tag)} of VR {vr} has undefined length")
        if vr != "UN" or self._encoding.implicit:
            items, stop = self._items(start, end, depth + 1, delimited=True)
            return Element(tag, "SQ", items=items, undefined=True), stop
        if not self._encoding.little:
            raise EncodingError(f"{tag_text(tag)} of VR UN has undefined length in big endian")
        try:
            items, stop = Reader(self._data, IMPLICIT_LITTLE)._items(start, end, depth + 1, delimited=True)
        except EncodingError:
            items, stop = self._items(start, end, depth + 1, delimited=True)
        return Element(tag, "SQ", items=items, undefined=True), stop

    def _items(self, position: int, end: int, depth: int, *, delimited: bool) -> tuple[list[DataSet], int]:
        if depth > DEEPEST:
            raise EncodingError(f"sequences are nested deeper than {DEEPEST}")
        items: list[DataSet] = []
        while position < end:
            tag, _, length, start = self._header(position, end)
            if tag == SEQUENCE_END and (delimited or start == end):
                return items, start
            if tag != ITEM:
                raise EncodingError("something other than an item in a sequence")
            if length == UNDEFINED:
                item, position = self._elements(start, end, depth, delimited=True)
            elif length > end - start:
                raise EncodingError("truncated: an item is longer than what is left")
            else:
                item, position = self._elements(start, start + length, depth)
            items.append(item)
        if delimited:
            raise EncodingError("truncated: a sequence has no end")
        return items, position

    def _fragments(self, position: int, end: int) -> int:
        while True:
            tag, _, length, start = self._header(position, end)
            if tag == SEQUENCE_END:
                return start
            if tag != ITEM or length > end - start:
                raise EncodingError("truncated or broken fragments of encapsulated data")
            position = start + length


def _instead_of_twins(tag: int) -> Element:
    # Which of two private elements is meant can't be known, so neither is; a creator's block is nobody's then.
    if not is_private(tag):
        raise EncodingError(f"{tag_text(tag)} occurs twice in one data set")
    return Element(tag, "UN")


def _is_sequence(tag: int, found: DataSet) -> bool:
    """Whether an element without VR is known to be a sequence; `found` holds the private creators before it."""
    if not is_private(tag):
        row = None if known_vr(tag) else confidentiality_table().row_for(tag)
        return (known_vr(tag) if row is None else row.vr) == "SQ"
    creator = found.private_creator(tag)
    return creator != "" and safe_private_table().vr(creator, tag) == "SQ"
