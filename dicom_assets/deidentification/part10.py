"""DICOM files (PS3.10 clause 7): preamble, file meta information and the way to the data set, in and out."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_assets.deidentification.dictionary import known_vr
from dicom_assets.deidentification.encoded import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    SHORT_VRS,
    DataSet,
    Element,
    Encoding,
    EncodingError,
    Reader,
)
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.deidentification.writer import Writer
from dicom_assets.study import QuarantineReason

IMPLEMENTATION_CLASS_UID = "2.25.187364020951874112635540982417765093281"
IMPLEMENTATION_VERSION_NAME = "DICOM_ASSETS_1"

_NATIVE: dict[str, Encoding] = {
    ImplicitVRLittleEndian: IMPLICIT_LITTLE,
    ExplicitVRLittleEndian: EXPLICIT_LITTLE,
    ExplicitVRBigEndian: EXPLICIT_BIG,
    DeflatedExplicitVRLittleEndian: EXPLICIT_LITTLE,
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
        return self.transfer_syntax == DeflatedExplicitVRLittleEndian


def open_part10(content: bytes) -> Part10:
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
    if syntax == DeflatedExplicitVRLittleEndian:
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
    return next(str(syntax) for syntax, known in _NATIVE.items() if known == encoding)


def _mended(syntax: str, encoding: Encoding) -> tuple[str, Encoding]:
    # A data set that is not encoded as its transfer syntax says leaves under the one it is really encoded in.
    if syntax not in _NATIVE or not encoding.little or syntax == DeflatedExplicitVRLittleEndian:
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
    writer = Writer(EXPLICIT_LITTLE)
    writer.element(Element(0x00020001, "OB", b"\0\x01"))
    for tag, uid in (
        (0x00020002, sop_class_uid),
        (0x00020003, sop_instance_uid),
        (0x00020010, transfer_syntax),
        (0x00020012, IMPLEMENTATION_CLASS_UID),
    ):
        writer.element(Element(tag, "UI", uid.encode("ascii")))
    writer.element(Element(0x00020013, "SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")))
    length = Writer(EXPLICIT_LITTLE)
    length.element(Element(0x00020000, "UL", len(writer.buffer).to_bytes(4, "little")))
    return bytes(128) + b"DICM" + bytes(length.buffer + writer.buffer)
