"""Whose an instance is and which, read from its header alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import BinaryIO

from dicom_assets.deidentification.encoded import DataSet, EncodingError, Reader
from dicom_assets.deidentification.epoch import earliest_date
from dicom_assets.deidentification.fast.header import plain_header
from dicom_assets.deidentification.outcome import InstanceIdentity, RefusedError, UnreadableInstanceError
from dicom_assets.deidentification.part10 import open_part10
from dicom_assets.deidentification.pixels import FIRST_PIXEL_TAG
from dicom_assets.deidentification.quarantine import MODALITY, is_patient_protocol
from dicom_assets.deidentification.text import text_of
from dicom_assets.study import PatientIdentity

FIRST_CHUNK = 1 << 16
"""Bytes; most headers fit."""

_SOP_UID = 0x00080018


def read_identity(source: BinaryIO) -> InstanceIdentity:
    """Read an instance's identity, as far as it has one; pixels are not read.

    Raises:
        UnreadableInstanceError: the header is not DICOM or not whole.
        OSError: the source failed.
    """
    header = _read_header(source, FIRST_PIXEL_TAG)
    earliest = earliest_date(header)
    return InstanceIdentity(
        patient=PatientIdentity(
            patient_id=text_of(header, 0x00100020),
            issuer=text_of(header, 0x00100021),
            patient_name=text_of(header, 0x00100010),
            birth_date=text_of(header, 0x00100030),
        ),
        study_uid=text_of(header, 0x0020000D),
        series_uid=text_of(header, 0x0020000E),
        sop_uid=text_of(header, _SOP_UID),
        sop_class_uid=text_of(header, 0x00080016),
        accession_number=text_of(header, 0x00080050),
        modality=text_of(header, MODALITY).upper(),
        is_patient_protocol=is_patient_protocol(header),
        earliest_date=f"{earliest:%Y%m%d}" if earliest is not None else "",
    )


def read_texts(source: BinaryIO, tags: Collection[int]) -> Mapping[int, str]:
    """The texts of some attributes of a header's first level, empty where they are absent; nothing behind them is read.

    Raises:
        UnreadableInstanceError: the header is not DICOM or not whole so far.
        OSError: the source failed.
    """
    header = _read_header(source, max(tags) + 1)
    return {tag: text_of(header, tag) for tag in tags}


def read_sop_uid(head: bytes) -> str | None:
    """SOP Instance UID (0008,0018) by the beginning of a file, empty where it has none; None where more is needed.

    Raises:
        UnreadableInstanceError: it does not begin as DICOM does.
    """
    header = plain_header(head, _SOP_UID + 1)
    if header is None:
        try:
            part10 = open_part10(head)
            header, stop = Reader(part10.data, part10.encoding).data_set(stop=_SOP_UID + 1)
        except EncodingError:
            return None
        except RefusedError as error:
            raise UnreadableInstanceError(f"not a readable DICOM header: {error}") from None
        if stop >= len(part10.data):
            return None
    return text_of(header, _SOP_UID)


def _read_header(source: BinaryIO, stop_tag: int) -> DataSet:
    source.seek(0)
    content, wanted = b"", FIRST_CHUNK
    while True:
        chunk = source.read(wanted - len(content))
        content += chunk
        plain = plain_header(content, stop_tag)
        if plain is not None:
            return plain
        try:
            part10 = open_part10(content)
            header, stop = Reader(part10.data, part10.encoding).data_set(stop=stop_tag)
            if stop < len(part10.data) or not chunk:
                return header
        except (EncodingError, RefusedError) as error:
            # The rest of the file may mend it, until there is none.
            if not chunk or isinstance(error, RefusedError):
                raise UnreadableInstanceError(f"not a readable DICOM header: {error}") from None
        if len(content) == wanted:
            wanted *= 2
