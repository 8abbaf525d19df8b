"""Valid files of several encodings, each with the same patient, for the fuzzer to start from."""

from __future__ import annotations

import struct

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from dicom_assets_tests.deidentification.builders import (
    an_image,
    an_instance,
    as_file,
    explicit,
    implicit,
    with_elements,
)
from dicom_assets_tests.deidentification.odd_files import ODDITIES

LARGEST_SEED = 4096
"""Bytes; with larger ones the fuzzer gets slow and finds nothing more."""


def seeds() -> dict[str, bytes]:
    """File name to content."""
    rich = _rich()
    return {
        "explicit": as_file(rich, ExplicitVRLittleEndian),
        "implicit": as_file(rich, ImplicitVRLittleEndian),
        "big": as_file(_rich(), ExplicitVRBigEndian),
        "deflated": as_file(rich, DeflatedExplicitVRLittleEndian),
        "encapsulated": as_file(_encapsulated(), JPEGBaseline8Bit),
        "no-preamble": as_file(rich, ExplicitVRLittleEndian)[132:],
        "no-meta": _without_meta(as_file(rich, ImplicitVRLittleEndian)),
        "un": with_elements(explicit(0x00081140, "UN", _item(implicit(0x00081155, b"1.2.999.1")))),
        "undefined": with_elements(_undefined()),
        "iso2022": as_file(_japanese(), ExplicitVRLittleEndian),
        "plain": an_instance(),
        **_odd(),
    }


def _odd() -> dict[str, bytes]:
    files = {name: odd.make() for name, odd in ODDITIES.items()}
    return {f"odd-{number}": file for number, file in enumerate(files.values()) if 0 < len(file) <= LARGEST_SEED}


def _rich() -> Dataset:
    ds = an_image(
        StudyDate="20200102",
        StudyTime="101112.5",
        AcquisitionDateTime="20200102101112.5+0100",
        PatientAge="091Y",
        StudyDescription="CT CHEST W/CONTRAST",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
    )
    reference = Dataset()
    reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    reference.ReferencedSOPInstanceUID = "1.2.826.0.1.99.1.1.2"
    ds.ReferencedImageSequence = [reference, reference]
    ds.add_new(0x00291010, "LO", "SIEMENS CSA HEADER")
    ds.add_new(0x00291008, "CS", "IMAGE NUM 4")
    return ds


def _encapsulated() -> Dataset:
    ds = an_image(BitsAllocated=8, BitsStored=8, HighBit=7)
    ds.PixelData = encapsulate([b"\xff\xd8\xff\xd9" * 8])
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    return ds


def _japanese() -> Dataset:
    ds = an_image(SpecificCharacterSet=["", "ISO 2022 IR 87"])
    ds.PatientName = "Zweistein^Taro=山田^太郎=やまだ^たろう"
    return ds


def _without_meta(file: bytes) -> bytes:
    return file[144 + struct.unpack_from("<L", file, 140)[0] :]


def _item(content: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content


def _undefined() -> bytes:
    inner = explicit(0x00081155, "UI", b"1.2.999.1")
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    return struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + item + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
