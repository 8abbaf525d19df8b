"""Text of a data set in its Specific Character Set (PS3.3 C.12.1.1.2), decoded without ever raising or warning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache

from dicom_assets.deidentification.encoded import DataSet

SPECIFIC_CHARACTER_SET = 0x00080005

_FRAGMENTS = re.compile(rb"\x1b[^\x1b]*|[^\x1b]+")


def charset_terms(value: bytes) -> list[str]:
    """The defined terms of (0008,0005), as they are."""
    return [term.strip(" \0") for term in value.decode("latin-1").split("\\")]


@lru_cache(maxsize=64)
def defined_charset(value: bytes) -> bytes | None:
    """(0008,0005) with common misspellings mended; None when a term is unknown and so might be anything."""
    terms = []
    for term in charset_terms(value):
        mended = re.sub(r"^ISO[ _-]?(IR|2022 IR)[ _-](\d+)$", lambda m: _spelt(m[1], m[2]), term)
        if mended not in _encodings():
            return None
        terms.append(mended)
    encoded = "\\".join(terms).encode("ascii")
    return encoded + b" " * (len(encoded) & 1)


def _spelt(kind: str, number: str) -> str:
    return f"ISO_IR {number}" if kind == "IR" else f"ISO 2022 IR {number}"


def codecs_of(data_set: DataSet) -> list[str]:
    """Python's names of the data set's encodings, the default first; Latin-1 where it declares none that is known."""
    return list(codecs_for(data_set.value(SPECIFIC_CHARACTER_SET)))


@lru_cache(maxsize=64)
def codecs_for(value: bytes) -> tuple[str, ...]:
    """Python's names of the encodings that a value of (0008,0005) declares, as `codecs_of` gives them."""
    terms = charset_terms(defined_charset(value) or b"")
    return tuple(_wide(_encodings()[term]) for term in terms if term in _encodings())


@cache
def _encodings() -> Mapping[str, str]:
    from pydicom.charset import python_encoding

    return python_encoding


def codecs_within(data_set: DataSet) -> list[str]:
    """The encodings of the data set and of every item in it, its own first."""
    found = codecs_of(data_set)
    for element in data_set.walk():
        if element.tag == SPECIFIC_CHARACTER_SET and element.items is None:
            found += codecs_for(bytes(element.value))
    return list(dict.fromkeys(found))


def _wide(codec: str) -> str:
    # Data sets that declare ASCII hold Latin-1 often enough, and Latin-1 never fails.
    return "latin-1" if codec in {"ascii", "iso8859", "iso_ir_6"} else codec


def decode(value: bytes, codecs: Sequence[str]) -> str:
    """The text, its escape sequences followed; what can't be decoded becomes U+FFFD."""
    if b"\x1b" not in value:
        return value.decode(codecs[0], "replace")
    return "".join(_decode_fragment(fragment, codecs[0]) for fragment in _FRAGMENTS.findall(value))


def readings(value: bytes, codecs: Sequence[str]) -> set[str]:
    """The text as it is declared, and as it is where it shows that the declaration is wrong."""
    found = {decode(value, codecs)}
    if not value.isascii():
        with suppress(UnicodeDecodeError):
            found.add(value.decode("utf-8"))
        if any("\ufffd" in text for text in found):
            found.add(value.decode("latin-1"))
    return found


def _decode_fragment(fragment: bytes, default: str) -> str:
    if not fragment.startswith(b"\x1b"):
        return fragment.decode(default, "replace")
    from pydicom.charset import CODES_TO_ENCODINGS

    for code, codec in CODES_TO_ENCODINGS.items():
        if fragment.startswith(code):
            stateful = codec.startswith(("iso2022", "iso-2022"))
            return (fragment if stateful else fragment[len(code) :]).decode(codec, "replace")
    return fragment[1:].decode(default, "replace")


def encode_bare(text: str, codec: str) -> bytes | None:
    """The text as `codec` writes it in the middle of a value, escape sequences left off its ends; None if it can't."""
    try:
        encoded = text.encode(codec)
    except UnicodeEncodeError:
        return None
    return re.sub(rb"^(\x1b[$()\-,.]*[0-9A-Za-z])|(\x1b[$()\-,.]*[0-9A-Za-z])$", b"", encoded)


def text_of(data_set: DataSet, tag: int) -> str:
    """An element's text without padding; empty when it is absent."""
    return decode(data_set.value(tag), codecs_of(data_set)).strip(" \0\t\r\n")
