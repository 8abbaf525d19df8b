"""Odd files from elements that no library would write, and what has to come of them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from dicom_assets.deidentification.encoded import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, LONG_VRS, Encoding
from dicom_assets.study import QuarantineReason as Reason

UNDEFINED = 0xFFFFFFFF
CT = b"1.2.840.10008.5.1.4.1.1.2"
MAY_BE_EMPTY = frozenset(
    {0x00080020, 0x00080050, 0x00080070, 0x00100010, 0x00100020, 0x00100030, 0x00180050, 0x00280004}
)
REFERENCES, PRIVATE = 0x00081140, 0x00291010
SENTINELS = ("Zweistein", "Albertine", "MRN-4711-0815", "47110815", "1.2.826.0.1.99.1", "19370911", "ACC-2037")
"""None of them may be in what is written, whatever the file."""

Elements = dict[int, tuple[str, bytes]]


def u16(value: int, encoding: Encoding = EXPLICIT_LITTLE) -> bytes:
    return struct.pack(encoding.order + "H", value)


def the_elements(encoding: Encoding = EXPLICIT_LITTLE, **changes: tuple[str, bytes] | None) -> Elements:
    """Tag to VR and value of a CT image; `changes` by tag as t00100010, None leaves one out."""
    numbers = {
        0x00280002: 1,
        0x00280010: 2,
        0x00280011: 3,
        0x00280100: 16,
        0x00280101: 16,
        0x00280102: 15,
        0x00280103: 0,
    }
    elements: Elements = {
        0x00080016: ("UI", CT),
        0x00080018: ("UI", b"1.2.826.0.1.99.1.1.1"),
        0x00080020: ("DA", b"19370911"),
        0x00080050: ("SH", b"ACC-2037"),
        0x00080060: ("CS", b"CT"),
        0x00080070: ("LO", b"Maker of Scanners"),
        0x00100010: ("PN", b"Zweistein^Albertine"),
        0x00100020: ("LO", b"MRN-4711-0815"),
        0x00100030: ("DA", b"19370911"),
        0x00180050: ("DS", b"2.5"),
        0x0020000D: ("UI", b"1.2.826.0.1.99.1"),
        0x0020000E: ("UI", b"1.2.826.0.1.99.1.1"),
        0x00280004: ("CS", b"MONOCHROME2"),
        **{tag: ("US", u16(number, encoding)) for tag, number in numbers.items()},
        0x7FE00010: ("OW", bytes(range(12))),
    }
    for name, change in changes.items():
        elements.pop(int(name[1:], 16), None)
        if change is not None:
            elements[int(name[1:], 16)] = change
    return elements


def one(tag: int, vr: str, value: bytes, encoding: Encoding = EXPLICIT_LITTLE, length: int | None = None) -> bytes:
    """An element, padded to even length unless its length is given."""
    if length is None:
        value += (b"\0" if vr in {"UI", "OB", "UN"} else b" ") * (len(value) & 1)
        length = len(value)
    head = struct.pack(encoding.order + "HH", tag >> 16, tag & 0xFFFF)
    if encoding.implicit or tag >> 16 == 0xFFFE:
        return head + struct.pack(encoding.order + "L", length) + value
    if vr in LONG_VRS:
        return head + vr.encode() + struct.pack(encoding.order + "HL", 0, length) + value
    return head + vr.encode() + struct.pack(encoding.order + "H", length) + value


def encoded(elements: Elements, encoding: Encoding = EXPLICIT_LITTLE) -> bytes:
    return b"".join(one(tag, *elements[tag], encoding) for tag in sorted(elements))


def item(content: bytes, encoding: Encoding = EXPLICIT_LITTLE, *, defined: bool = True) -> bytes:
    if defined:
        return one(0xFFFEE000, "", content, encoding, len(content))
    return one(0xFFFEE000, "", content, encoding, UNDEFINED) + one(0xFFFEE00D, "", b"", encoding)


def sequence(
    tag: int, items: Iterable[bytes], encoding: Encoding = EXPLICIT_LITTLE, *, vr: str = "SQ", defined: bool = True
) -> bytes:
    content = b"".join(items)
    if defined:
        return one(tag, vr, content, encoding, len(content))
    return one(tag, vr, content, encoding, UNDEFINED) + one(0xFFFEE0DD, "", b"", encoding)


def meta(syntax: str, encoding: Encoding = EXPLICIT_LITTLE, *, length: int | None = None) -> bytes:
    rest = one(0x00020002, "UI", CT, encoding) + one(0x00020003, "UI", b"1.2.826.0.1.99.1.1.1", encoding)
    rest += one(0x00020010, "UI", syntax.encode(), encoding) + one(0x00020016, "AE", b"ZWEISTEIN", encoding)
    return one(0x00020000, "UL", struct.pack("<L", len(rest) if length is None else length), encoding) + rest


def a_file(data_set: bytes, syntax: str = ExplicitVRLittleEndian) -> bytes:
    return b"Zweistein".ljust(128, b"\0") + b"DICM" + meta(syntax) + data_set


def changed(*raw: bytes, **changes: tuple[str, bytes] | None) -> bytes:
    """An explicit file with elements changed, and raw ones put before those of group 0010."""
    elements = the_elements(**changes)
    first = {tag: value for tag, value in elements.items() if tag < 0x00100000}
    rest = {tag: value for tag, value in elements.items() if tag >= 0x00100000}
    return a_file(encoded(first) + b"".join(raw) + encoded(rest))


def charset(terms: bytes, name: str | bytes, codec: str = "ascii", kept: str = "Maker") -> bytes:
    raw = name.encode(codec) if isinstance(name, str) else name
    return changed(
        t00080005=("CS", terms), t00100010=("PN", raw), t00080070=("LO", kept.encode(codec)), t00081030=("LO", raw)
    )


def fragments(*contents: bytes, table: bool = True) -> bytes:
    parts = ([b""] if table else []) + list(contents)
    return b"".join(map(item, parts)) + one(0xFFFEE0DD, "", b"")


def encapsulated(content: bytes, syntax: str = JPEGBaseline8Bit, **changes: tuple[str, bytes] | None) -> bytes:
    elements = the_elements(t7FE00010=None, **changes)
    return a_file(encoded(elements) + one(0x7FE00010, "OB", content, length=UNDEFINED), syntax)


def nested(depth: int, *, defined: bool) -> bytes:
    content = one(0x00081155, "UI", b"1.2.826.0.1.99.1.7")
    for _ in range(depth):
        content = sequence(REFERENCES, [item(content, defined=defined)], defined=defined)
    return content


def a_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("zweistein.dcm", changed())
    return buffer.getvalue()


def deflated(content: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(content) + deflater.flush()


@dataclass(frozen=True)
class Odd:
    """A file and what has to come of it: None for written. `kept` marks values that are odd themselves and stay."""

    make: Callable[[], bytes]
    reason: Reason | None = None
    kept_oddly: bool = False


MALFORMED, UNREADABLE = Reason.MALFORMED, Reason.UNREADABLE
JPEG = b"\xff\xd8\xff\xd9" * 8
UID = b"1.2.826.0.1.99.1.5"
REFERENCE = one(0x00081150, "UI", CT) + one(0x00081155, "UI", UID)
NAMED = REFERENCE + one(0x00100010, "PN", b"Zweistein^Albertine")


def as_implicit(content: Elements | None = None) -> bytes:
    return encoded(content or the_elements(), IMPLICIT_LITTLE)


def as_big() -> bytes:
    return encoded(the_elements(EXPLICIT_BIG), EXPLICIT_BIG)


def as_explicit() -> bytes:
    return encoded(the_elements())
