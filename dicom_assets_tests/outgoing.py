"""Instances on their way out, for tests: from the demo's studies, and made to measure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom.dsutils import encode

from dicom_assets.adapters.pacs.plane.file_meta import file_meta
from dicom_assets.study import OutgoingInstance


def outgoing_file(path: Path) -> OutgoingInstance:
    """A Part 10 file that is there already."""
    content = path.read_bytes()
    meta = read_file_meta_info(path)
    return OutgoingInstance(
        sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
        sop_class_uid=str(meta.MediaStorageSOPClassUID),
        transfer_syntax_uid=str(meta.TransferSyntaxUID),
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )


def written(folder: Path, content: bytes, name: str) -> OutgoingInstance:
    """A Part 10 file that is written now."""
    path = folder / name
    path.write_bytes(content)
    return outgoing_file(path)


def outgoing_data_set(
    folder: Path,
    data: bytes,
    *,
    number: int = 1,
    sop_class_uid: str = CTImageStorage,
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
) -> OutgoingInstance:
    """A file of these encoded bytes, which only its file meta information says anything about."""
    uid = f"2.25.{7_000_000 + number}"
    return written(folder, file_meta(sop_class_uid, uid, transfer_syntax_uid) + data, f"{uid}.dcm")


def small_ones(
    folder: Path, count: int, *, sop_class_uid: str = SecondaryCaptureImageStorage
) -> Sequence[OutgoingInstance]:
    """Small whole data sets of one study."""
    return [
        outgoing_data_set(folder, _small(number, sop_class_uid), number=number, sop_class_uid=sop_class_uid)
        for number in range(count)
    ]


def _small(number: int, sop_class_uid: str) -> bytes:
    ds = Dataset()
    ds.SOPClassUID = sop_class_uid
    ds.SOPInstanceUID = f"2.25.{7_000_000 + number}"
    ds.PatientID = f"SMALL-{number}"
    ds.StudyInstanceUID = "2.25.42"
    ds.SeriesInstanceUID = "2.25.43"
    ds.InstanceNumber = number
    content = encode(ds, False, True)
    assert content is not None
    return content


def data_set_of_file(path: Path) -> bytes:
    """What follows the file meta information, by its group length."""
    content = path.read_bytes()
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]
