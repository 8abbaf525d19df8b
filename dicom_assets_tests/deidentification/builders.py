"""Instances to de-identify, and short ways to do it."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.encoded import DataSet, Reader
from dicom_assets.deidentification.instance import deidentify_instance
from dicom_assets.deidentification.outcome import Deidentified, Quarantined
from dicom_assets.deidentification.part10 import open_part10
from dicom_assets.deidentification.profile import Profile, shipped_profile
from dicom_assets.study import QuarantineReason, Subject

SECRET = b"sixteen bytes or more of secret"
SUBJECT = Subject("PZK7Q2M8XAB", -100)
BASIC = shipped_profile("basic")
SHARED = Path(__file__).resolve().parents[3] / "shared"

REQUIRED: dict[str, Any] = {
    "SOPClassUID": CTImageStorage,
    "SOPInstanceUID": "1.2.826.0.1.99.1.1.1",
    "StudyInstanceUID": "1.2.826.0.1.99.1",
    "SeriesInstanceUID": "1.2.826.0.1.99.1.1",
    "Modality": "CT",
    "PatientName": "Zweistein^Albertine",
    "PatientID": "MRN-4711-0815",
}
PIXELS: dict[str, Any] = {
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": 2,
    "Columns": 3,
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": 0,
    "PixelData": bytes(range(12)),
}


def a_data_set(**attributes: Any) -> Dataset:
    """The attributes an instance needs, with overrides; None leaves one out."""
    ds = Dataset()
    with disable_value_validation():
        for keyword, value in {**REQUIRED, **attributes}.items():
            if value is not None:
                setattr(ds, keyword, value)
    return ds


def an_image(**attributes: Any) -> Dataset:
    """An instance with pixels."""
    return a_data_set(**{**PIXELS, **attributes})


def as_file(ds: Dataset, transfer_syntax: str = ExplicitVRLittleEndian, preamble: bytes = bytes(128)) -> bytes:
    """The data set as a DICOM file."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", "1.2.3")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
    ds.preamble = preamble
    buffer = io.BytesIO()
    with disable_value_validation():
        pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def an_instance(**attributes: Any) -> bytes:
    """A file, attributes overridden."""
    return as_file(an_image(**attributes))


def explicit(tag: int, vr: str, value: bytes) -> bytes:
    """One element in explicit VR little endian, whatever its value."""
    value += b"\0" * (len(value) & 1)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}:
        return head + struct.pack("<HL", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def implicit(tag: int, value: bytes) -> bytes:
    """One element in implicit VR little endian."""
    value += b"\0" * (len(value) & 1)
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


def with_elements(*encoded: bytes, **attributes: Any) -> bytes:
    """A file whose data set holds raw elements besides what it needs; they replace those of the same tag."""
    return with_raw(an_instance(**attributes), *encoded)


def with_raw(file: bytes, *encoded: bytes) -> bytes:
    """The file with raw elements put in their places."""
    length = struct.unpack_from("<L", file, 140)[0]
    head, body = file[: 144 + length], file[144 + length :]
    elements: dict[tuple[int, ...], bytes] = {}
    while body:
        long = body[4:6] in {b"OB", b"OW", b"UN", b"UT", b"SQ", b"UC", b"UR"}
        size = 12 + struct.unpack_from("<L", body, 8)[0] if long else 8 + struct.unpack_from("<H", body, 6)[0]
        elements[struct.unpack_from("<HH", body)], body = body[:size], body[size:]
    for element in encoded:
        elements[struct.unpack_from("<HH", element)] = element
    return head + b"".join(elements[tag] for tag in sorted(elements))


def deidentify(file: bytes, **settings: Any) -> tuple[Deidentified | Quarantined, bytes]:
    """What came of it and what was written."""
    arguments: dict[str, Any] = {
        "profile": BASIC,
        "subject": SUBJECT,
        "uids": UidReplacer(SECRET),
        "allowed_modalities": frozenset({"CT", "MR"}),
        **settings,
    }
    destination = io.BytesIO()
    outcome = deidentify_instance(io.BytesIO(file), destination, **arguments)
    return outcome, destination.getvalue()


def deidentified_bytes(file: bytes, **settings: Any) -> bytes:
    """What was written; fails where the instance was kept back."""
    outcome, written = deidentify(file, **settings)
    assert isinstance(outcome, Deidentified), outcome
    return written


def deidentified(file: bytes, **settings: Any) -> pydicom.FileDataset:
    """What was written, read again."""
    return pydicom.dcmread(io.BytesIO(deidentified_bytes(file, **settings)))


def reason(file: bytes, **settings: Any) -> QuarantineReason:
    """Why it was kept back; checks that nothing was written."""
    outcome, written = deidentify(file, **settings)
    assert isinstance(outcome, Quarantined), outcome
    assert written == b""
    return outcome.reason


def profile_with(**changes: Any) -> Profile:
    """The basic profile, changed."""
    return replace(BASIC, **changes)


def read_back(written: bytes) -> DataSet:
    """The elements of a file with their bytes as they are."""
    part10 = open_part10(written)
    return Reader(part10.data, part10.encoding).data_set()[0]
