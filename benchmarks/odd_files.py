"""A handful of files that are legal but rare, or common but illegal, each with names where engines forget to look."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from benchmarks.encoding import (
    CT_IMAGE,
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    DataSet,
    Element,
    Encoder,
    attribute,
    file_meta,
)

ROOT = "1.2.826.0.1.3680043.99.13"
UID = f"{ROOT}.1"
JAPANESE = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
SENTINELS: tuple[bytes, ...] = (b"Quackenbush", b"QX-424242", b"19310607", b"Yamada", b";3ED", UID.encode())


def odd_files() -> Mapping[str, bytes]:
    """File name to content."""
    explicit, implicit = Encoder(), Encoder(implicit=True)
    big, delimited = Encoder(little=False), Encoder(delimited=True)
    base = _base()
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(explicit.data_set(base)) + deflater.flush()
    referenced = Element(0x00081115, "SQ", [_names()])
    private = [
        Element(0x00110010, "LO", b"BENCHMARK"),
        Element(0x00111001, "SQ", [_names()]),
        Element(0x00111002, "LO", b"Quackenbush"),
    ]
    request = implicit.item(_names())
    meta = file_meta(UID)
    sender = [Element(0x00020016, "AE", b"QX-424242"), Element(0x00020017, "AE", b"QX-424242")]
    return {
        "implicit-vr.dcm": file_meta(UID, IMPLICIT_LITTLE) + implicit.data_set(base),
        "big-endian.dcm": file_meta(UID, EXPLICIT_BIG) + big.data_set(base),
        "deflated.dcm": file_meta(UID, DEFLATED) + deflated + b"\0" * (len(deflated) & 1),
        "no-preamble-no-meta.dcm": implicit.data_set(base),
        "name-in-preamble.dcm": b"Quackenbush^Zebulon".ljust(128, b"\0") + meta[128:] + explicit.data_set(base),
        "application-entities-in-meta.dcm": file_meta(UID, more=sender) + explicit.data_set(base),
        "sequence-as-un.dcm": meta + explicit.data_set([*base, Element(0x00081115, "UN", request)]),
        "removed-sequence-as-un.dcm": meta + explicit.data_set(_with(Element(0x00400275, "UN", request))),
        "name-as-un.dcm": meta + explicit.data_set([*base, Element(0x00102297, "UN", b"Quackenbush^Zebulon")]),
        "delimited-sequences.dcm": meta + delimited.data_set([*base, referenced]),
        "japanese-name.dcm": meta + explicit.data_set(_japanese()),
        "private-sequence.dcm": meta + explicit.data_set([*base, *private]),
        "private-nested.dcm": meta + explicit.data_set([*base, Element(0x00081115, "SQ", [private])]),
        "implicit-private.dcm": file_meta(UID, IMPLICIT_LITTLE) + implicit.data_set([*base, *private]),
        "implicit-inside-explicit-syntax.dcm": file_meta(UID, EXPLICIT_LITTLE) + implicit.data_set(base),
        "name-in-trailing-padding.dcm": meta + explicit.data_set([*base, Element(0xFFFCFFFC, "OB", b"Quackenbush")]),
        "name-in-overlay-comment.dcm": meta + explicit.data_set([*base, Element(0x60024000, "LT", b"Quackenbush")]),
    }


def write_odd_files(folder: Path) -> None:
    """Write all of them."""
    folder.mkdir(parents=True)
    for name, content in odd_files().items():
        (folder / name).write_bytes(content)


def leaks(file: Path) -> bool:
    """Whether a written file still holds a name, an id, a birth date or a UID; a deflated one is inflated first."""
    content = file.read_bytes()
    return any(sentinel in text for text in (content, _inflated(content)) for sentinel in SENTINELS)


def _inflated(content: bytes) -> bytes:
    if DEFLATED.encode("ascii") not in content[:1024]:
        return b""
    meta_length = struct.unpack_from("<L", content, 140)[0]
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[144 + meta_length :])
    except zlib.error:
        return b""  # not deflated after all, so the bytes themselves have been searched


def _names() -> DataSet:
    return [
        attribute("PatientName", "Quackenbush^Zebulon"),
        attribute("PatientID", "QX-424242"),
        attribute("PatientBirthDate", "19310607"),
        attribute("ReferencedSOPInstanceUID", UID),
    ]


def _base() -> list[Element]:
    return [
        attribute("SpecificCharacterSet", "ISO_IR 100"),
        attribute("ImageType", "ORIGINAL\\PRIMARY\\AXIAL"),
        attribute("SOPClassUID", CT_IMAGE),
        attribute("SOPInstanceUID", UID),
        attribute("StudyInstanceUID", f"{UID}.2"),
        attribute("SeriesInstanceUID", f"{UID}.3"),
        attribute("Modality", "CT"),
        attribute("Manufacturer", "SIEMENS"),
        attribute("ManufacturerModelName", "SOMATOM"),
        attribute("PatientName", "Quackenbush^Zebulon"),
        attribute("PatientID", "QX-424242"),
        attribute("PatientBirthDate", "19310607"),
        attribute("RequestAttributesSequence", [_names()]),
        attribute("SamplesPerPixel", 1),
        attribute("PhotometricInterpretation", "MONOCHROME2"),
        attribute("Rows", 4),
        attribute("Columns", 4),
        attribute("BitsAllocated", 16),
        attribute("BitsStored", 16),
        attribute("HighBit", 15),
        attribute("PixelRepresentation", 0),
        attribute("PixelData", bytes(range(32))),
    ]


def _with(*elements: Element) -> DataSet:
    tags = {element.tag for element in elements}
    return [*elements, *(element for element in _base() if element.tag not in tags)]


def _japanese() -> DataSet:
    name = Element(0x00100010, "PN", JAPANESE)
    nested = Element(0x00081115, "SQ", [[Element(0x00080090, "PN", JAPANESE)]])
    return _with(attribute("SpecificCharacterSet", "\\ISO 2022 IR 87"), name, nested)
