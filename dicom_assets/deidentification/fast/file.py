"""A file on the fast path: from its bytes to what is left to check and to write."""

from __future__ import annotations

import struct

from dicom_assets.deidentification.dictionary import tag_text
from dicom_assets.deidentification.encoded import LONG_VRS, SHORT_VRS, Encoding
from dicom_assets.deidentification.fast.plan import OddError
from dicom_assets.deidentification.part10 import Part10, plain_encoding
from dicom_assets.deidentification.unlisted import SOP_CLASS_UID

_PREAMBLE = 132
_TRANSFER_SYNTAX = b"\x02\x00\x10\x00"
_VRS = frozenset(vr.encode("ascii") for vr in SHORT_VRS | LONG_VRS)
_META_VRS = frozenset(vr.encode("ascii") for vr in SHORT_VRS)
_SOP_CLASS_UID = struct.pack("<HH", SOP_CLASS_UID >> 16, SOP_CLASS_UID & 0xFFFF)
_LATEST_SOP_CLASS = 64
"""Elements before (0008,0016), at the most."""


def open_plain(content: bytes) -> tuple[Part10, int]:
    """The file taken apart, and where its data set begins, if it is a file as PS3.10 wants it in a plain encoding.

    Raises:
        OddError: it may be anything else.
    """
    if content[128:_PREAMBLE] != b"DICM":
        raise OddError("no preamble")
    try:
        syntax, start = _walk_meta(content)
        encoding = plain_encoding(syntax)
        explicit = content[start + 4 : start + 6] in _VRS
        if encoding is None or explicit == encoding.implicit or content[start : start + 2] == b"\0\0":
            raise OddError("not a plain transfer syntax, or not encoded as it says")
    except (IndexError, struct.error):
        raise OddError("truncated") from None
    return Part10(syntax, encoding, memoryview(content)[start:]), start


def _walk_meta(content: bytes) -> tuple[str, int]:
    position, previous, syntax, end = _PREAMBLE, -1, "", len(content)
    while content[position : position + 2] == b"\x02\x00":
        number, vr = content[position + 2] | content[position + 3] << 8, content[position + 4 : position + 6]
        if vr in _META_VRS:
            start = position + 8
            stop = start + (content[position + 6] | content[position + 7] << 8)
        elif vr == b"OB":
            start = position + 12
            stop = start + int.from_bytes(content[position + 8 : position + 12], "little")
        else:
            raise OddError("a VR that is not usual in file meta information")
        if number <= previous or stop > end:
            raise OddError("file meta information out of order")
        if number == 0x0010:
            syntax = content[start:stop].strip(b" \0").decode("latin-1")
        position, previous = stop, number
    if end - position < 8 or content[position + 1 : position + 2] != b"\0" or content[position] < 4:
        raise OddError("no data set as it should be after the file meta information")
    return syntax, position


def sop_class_of(content: bytes, start: int, encoding: Encoding) -> str:
    """The value of (0008,0016), which decides about the rules and stands near the beginning.

    Raises:
        OddError: it does not.
    """
    position = start
    for _ in range(_LATEST_SOP_CLASS):
        tag, vr = content[position : position + 4], content[position + 4 : position + 6]
        if encoding.implicit or vr not in _META_VRS:
            value = position + (8 if encoding.implicit else 12)
            length = int.from_bytes(content[value - 4 : value], "little")
        else:
            length, value = int.from_bytes(content[position + 6 : position + 8], "little"), position + 8
        if tag == _SOP_CLASS_UID:
            return content[value : value + length].strip(b" \0").decode("latin-1")
        position = value + length
        if content[position : position + 1] > b"\x08" or content[position + 1 : position + 2] != b"\0":
            break
    raise OddError(f"no {tag_text(SOP_CLASS_UID)} near the beginning")
