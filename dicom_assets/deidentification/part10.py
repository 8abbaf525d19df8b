"""DICOM files (PS3.10 clause 7): preamble, file meta information and the way to the data set, in and out."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from dicom_assets.deidentification.dictionary import known_vr
from dicom_assets.deidentification.encoded import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    SHORT_VRS,
    DataSet,
    Encoding,
    EncodingError,
    Reader,
)
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.study import QuarantineReason

IMPLEMENTATION_CLASS_UID = "2.25.187364020951874112635540982417765093281"
IMPLEMENTATION_VERSION_NAME = "DICOM_ASSETS_1"

_DEFLATED = "1.2.840.10008.1.2.1.99"
_NATIVE: dict[str, Encoding] = {
    "1.2.840.10008.1.2": IMPLICIT_LITTLE,
    "1.2.840.10008.1.2.1": EXPLICIT_LITTLE,
    "1.2.840.10008.1.2.2": EXPLICIT_BIG,
    _DEFLATED: EXPLICIT_LITTLE,
}
_ENCAPSULATED = re.compile(r"1\.2\.840\.10008\.1\.2\.(4\.[0-9]{2,3}|5|8\.1|1\.98)")
"""JPEG and its kin and MPEG, RLE, deflated frames, uncompressed frames in fragments (PS3.5 A.4)."""
_LARGEST_INFLATED = 1 << 30
"""Bytes. A few megabytes can be made to inflate to more than any memory holds."""


@dataclass(frozen=True, slots=True, repr=False)
class Part10:
    """A file taken apart. `transfer_syntax` is what the data set is really encoded in."""

    transfer_syntax: str
    encoding: Encoding
    data: memoryview

    @property
    def encapsulated(self) -> bool:
        """Whether Pixel Data is a sequence of fragments (PS3.5 A.4)."""
        return self.transfer_syntax not in _NATIVE

    @property
    def deflated(self) -> bool:
        """Whether the data set is compressed as a whole (PS3.5 A.5)."""
        return self.transfer_syntax == _DEFLATED


def plain_encoding(syntax: str) -> Encoding | None:
    """The encoding of a transfer syntax in which a data set lies open, in little endian; None for any other."""
    encoding = _NATIVE.get(syntax)
    if encoding is None:
        return EXPLICIT_LITTLE if _ENCAPSULATED.fullmatch(syntax) else None
    return encoding if encoding.little and syntax != _DEFLATED else None


def open_part10(content: bytes | memoryview) -> Part10:
    """Find out where the data set is and how it is encoded; without preamble or meta information, from itself.

    Raises:
        EncodingError: nothing that can be read.
        RefusedError: a transfer syntax that is not known.
    """
    data = memoryview(content)
    start = 132 if content[128:132] == b"DICM" else 0
    meta, start = _read_meta(data, start)
    data = _after_command_set(data[start:])
    syntax = meta.value(0x00020010).strip(b" \0").decode("latin-1")
    if not syntax:
        encoding = _guess(data)
        return Part10(_syntax_of(encoding), encoding, data)
    if syntax == _DEFLATED:
        data = memoryview(_inflate(data))
    encoding = _NATIVE.get(syntax, EXPLICIT_LITTLE)
    if syntax not in _NATIVE and not _ENCAPSULATED.fullmatch(syntax):
        raise RefusedError(QuarantineReason.UNREADABLE, "(0002,0010) names no known transfer syntax")
    if len(data) >= 8 and _looks_explicit(data) == encoding.implicit:
        syntax, encoding = _mended(syntax, encoding)
    return Part10(syntax, encoding, data)


def _read_meta(data: memoryview, start: int) -> tuple[DataSet, int]:
    if bytes(data[start : start + 2]) != b"\x02\x00":
        return DataSet(), start
    for encoding in (EXPLICIT_LITTLE, IMPLICIT_LITTLE):
        meta, stop = Reader(data, encoding).data_set(start, stop=0x00030000)
        if meta.elements:
            return meta, stop
    raise EncodingError("the file meta information can't be read")


def _after_command_set(data: memoryview) -> memoryview:
    # Command elements have no place in a file (PS3.7 6.3); some writers leave them there, always implicit VR.
    if len(data) < 8 or bytes(data[:2]) != b"\0\0" or not any(data[:8]):
        return data
    return data[Reader(data, IMPLICIT_LITTLE).data_set(0, stop=0x00010000)[1] :]


def _looks_explicit(data: memoryview) -> bool:
    code = bytes(data[4:6])
    return code.isalpha() and code.isupper() and code.decode("ascii") in LONG_VRS | SHORT_VRS


def _guess(data: memoryview) -> Encoding:
    if len(data) < 8:
        raise EncodingError("no data set")
    if not _looks_explicit(data):
        tag = int.from_bytes(data[:2], "little") << 16 | int.from_bytes(data[2:4], "little")
        if (not known_vr(tag) and tag & 0xFFFF) or not any(data[:8]):
            raise RefusedError(QuarantineReason.UNREADABLE, "does not begin as a data set does")
        return IMPLICIT_LITTLE
    return EXPLICIT_LITTLE if int.from_bytes(data[:2], "little") < 0x0400 else EXPLICIT_BIG


def _syntax_of(encoding: Encoding) -> str:
    return next(syntax for syntax, known in _NATIVE.items() if known == encoding)


def _mended(syntax: str, encoding: Encoding) -> tuple[str, Encoding]:
    # A data set that is not encoded as its transfer syntax says leaves under the one it is really encoded in.
    if syntax not in _NATIVE or not encoding.little or syntax == _DEFLATED:
        raise EncodingError("the data set is not encoded as its transfer syntax says")
    real = EXPLICIT_LITTLE if encoding.implicit else IMPLICIT_LITTLE
    return _syntax_of(real), real


def _inflate(data: memoryview) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(data, _LARGEST_INFLATED)
    except zlib.error:
        raise EncodingError("the deflated data set can't be inflated") from None
    if not inflater.eof:
        raise EncodingError("truncated: the deflated data set has no end")
    return inflated


def deflate(parts: Iterable[bytes | bytearray | memoryview]) -> bytes:
    """A data set as the deflated transfer syntax carries it, padded to even length."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = b"".join(deflater.compress(part) for part in parts) + deflater.flush()
    return deflated + b"\0" * (len(deflated) & 1)


def file_head(transfer_syntax: str, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """An empty preamble and the file meta information, of which nothing is taken over from the original."""
    meta = b"".join(
        (
            b"\2\0\1\0OB\0\0\2\0\0\0\0\1",
            _meta_uid(b"\2\0", sop_class_uid),
            _meta_uid(b"\3\0", sop_instance_uid),
            _meta_uid(b"\x10\0", transfer_syntax),
            _meta_uid(b"\x12\0", IMPLEMENTATION_CLASS_UID),
            b"\2\0\x13\0SH" + len(_VERSION_NAME).to_bytes(2, "little") + _VERSION_NAME,
        )
    )
    return _PREAMBLE + b"\2\0\0\0UL\4\0" + len(meta).to_bytes(4, "little") + meta


_PREAMBLE = bytes(128) + b"DICM"
_VERSION_NAME = IMPLEMENTATION_VERSION_NAME.encode("ascii") + b" " * (len(IMPLEMENTATION_VERSION_NAME) & 1)


def _meta_uid(number: bytes, uid: str) -> bytes:
    value = uid.encode("ascii") + b"\0" * (len(uid) & 1)
    return b"\2\0" + number + b"UI" + len(value).to_bytes(2, "little") + value
