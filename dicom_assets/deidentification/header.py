"""Attributes as pixel rules name them, and their values as text."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword

from dicom_assets.deidentification.dictionary import concrete_vr, is_private, known_vr
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.part10 import Part10
from dicom_assets.deidentification.text import SPECIFIC_CHARACTER_SET, codecs_of, decode

TRANSFER_SYNTAX_UID = 0x00020010
_SEPARATOR = "::"
_TAG = re.compile(r"\[([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\]")
_PRIVATE = re.compile(r"\[?([0-9A-Fa-f]{4}),?\[([^\]]+)\],?([0-9A-Fa-f]{2})\]?")
_NUMBER_CODES = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}


@dataclass(frozen=True, slots=True)
class PrivateTag:
    """A private element by its creator (PS3.5 7.8.1); `number` is the lower byte of its element number."""

    group: int
    creator: str
    number: int


Step = int | PrivateTag


@dataclass(frozen=True, slots=True)
class Header:
    """What conditions are asked of. *Identified*."""

    data_set: DataSet
    little: bool
    transfer_syntax: str

    @classmethod
    def of(cls, data_set: DataSet, part10: Part10) -> Header:
        """The header of a file that was opened."""
        return cls(data_set, part10.encoding.little, part10.transfer_syntax)


def attribute_path(text: str) -> tuple[Step, ...]:
    """The way to an element: a keyword, `[gggg,eeee]` or `[gggg[CREATOR]ee]`, `::` before one inside a first item.

    Raises:
        ValueError: no such attribute; the message names it.
    """
    path = tuple(_step(part) for part in text.split(_SEPARATOR))
    groups = [step.group if isinstance(step, PrivateTag) else step >> 16 for step in path]
    if any(group < 8 for group in groups) and path != (TRANSFER_SYNTAX_UID,):
        raise ValueError(f"{text} is no attribute of a data set")
    return path


def _step(text: str) -> Step:
    if match := _TAG.fullmatch(text):
        return int(match[1], 16) << 16 | int(match[2], 16)
    if match := _PRIVATE.fullmatch(text):
        if not int(match[1], 16) & 1:
            raise ValueError(f"{text} names a creator, but its group is not private")
        return PrivateTag(int(match[1], 16), match[2].strip(), int(match[3], 16))
    # CTP's dictionary says Seq where PS3.6 says Sequence.
    for keyword in (text, re.sub(r"Seq(?=[A-Z]|$)", "Sequence", text)):
        tag = tag_for_keyword(keyword)
        if tag is not None:
            return int(tag)
    raise ValueError(f"{text} is no attribute that PS3.6 knows")


def value_text(header: Header, path: tuple[Step, ...]) -> str:
    """The value as text, several joined by backslashes; empty where it is absent or no text or number."""
    if path == (TRANSFER_SYNTAX_UID,):
        return header.transfer_syntax
    data_set, codecs = header.data_set, codecs_of(header.data_set)
    for step in path[:-1]:
        element = _find(data_set, step, codecs)
        if element is None or not element.items:
            return ""
        data_set = element.items[0]
        if SPECIFIC_CHARACTER_SET in data_set.elements:
            codecs = codecs_of(data_set)
    element = _find(data_set, path[-1], codecs)
    return "" if element is None or element.items is not None else _text(element, header, codecs)


def _find(data_set: DataSet, step: Step, codecs: list[str]) -> Element | None:
    if not isinstance(step, PrivateTag):
        return data_set.elements.get(step)
    for block in range(0x10, 0x100):
        creator = data_set.elements.get(step.group << 16 | block)
        if creator is not None and decode(bytes(creator.value), codecs).strip(" \0") == step.creator:
            return data_set.elements.get(step.group << 16 | block << 8 | step.number)
    return None


def _text(element: Element, header: Header, codecs: list[str]) -> str:
    vr = element.vr
    if vr in {"", "UN"} and not is_private(element.tag):
        signed = int.from_bytes(header.data_set.value(0x00280103), "little" if header.little else "big") == 1
        vr = concrete_vr(known_vr(element.tag), signed=signed)
    value = bytes(element.value)
    code = _NUMBER_CODES.get(vr)
    if code is None:
        return "\\".join(part.strip(" \0\t\r\n") for part in decode(value, codecs).split("\\"))
    size = struct.calcsize("<" + code)
    order = "<" if header.little or element.vr == "UN" else ">"
    numbers = struct.unpack(f"{order}{len(value) // size}{code}", value[: len(value) // size * size])
    return "\\".join(str(number) for number in numbers)
