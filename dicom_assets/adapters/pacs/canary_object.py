"""The canary itself: a synthetic study of one tiny image that belongs to nobody and that anybody may see."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from dicom_assets.deidentification.derivation import UUID_ROOT, check_root
from dicom_assets.study import OutgoingInstance

PATIENT_ID = "CANARY"
PATIENT_NAME = "CANARY^DICOM ASSETS"
STUDY_DESCRIPTION = "Test object of dicom_assets, of no patient"
PURPOSE = (
    "Synthetic test object without any patient's data, made by dicom_assets. It is moved before anything else is, to "
    "see where a C-MOVE goes. Anybody may see it. Please keep it as long as dicom_assets is in use."
)
SIDE = 16
"""Rows and columns of the image."""


@dataclass(frozen=True, slots=True)
class CanaryObject:
    """A study of one instance, as a Part 10 file."""

    study_uid: str
    sop_instance_uid: str
    content: bytes
    sop_class_uid: str = SecondaryCaptureImageStorage
    transfer_syntax_uid: str = ExplicitVRLittleEndian

    @classmethod
    def make(cls, uid_root: str, now: datetime, study_uid: str = "") -> CanaryObject:
        """A new one; its UIDs are random below `uid_root`, the study's may be given.

        Raises:
            ConfigurationError: the root is none.
        """
        study_uid = study_uid or _new_uid(uid_root)
        sop_instance_uid = _new_uid(uid_root)
        ds = Dataset()
        ds.file_meta = _file_meta(sop_instance_uid)
        ds.SOPClassUID = SecondaryCaptureImageStorage
        ds.SOPInstanceUID = sop_instance_uid
        ds.StudyInstanceUID = study_uid
        ds.SeriesInstanceUID = _new_uid(uid_root)
        _describe(ds, now)
        _paint(ds)
        file = BytesIO()
        ds.save_as(file, enforce_file_format=True)
        return cls(study_uid, sop_instance_uid, file.getvalue())

    def write_to(self, path: Path) -> OutgoingInstance:
        """Write the file, to be sent from there."""
        path.write_bytes(self.content)
        return OutgoingInstance(
            sop_instance_uid=self.sop_instance_uid,
            sop_class_uid=self.sop_class_uid,
            transfer_syntax_uid=self.transfer_syntax_uid,
            path=path,
            sha256=hashlib.sha256(self.content).hexdigest(),
            size_bytes=len(self.content),
        )


def is_uid(text: str) -> bool:
    """Whether a text has the form of a UID (PS3.5 9.1)."""
    return bool(text) and UID(text, validation_mode=0).is_valid


def _new_uid(uid_root: str) -> str:
    root = check_root(uid_root)
    return str(generate_uid(prefix=None if root == UUID_ROOT else f"{root}.", entropy_srcs=None))


def _file_meta(sop_instance_uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta


def _describe(ds: Dataset, now: datetime) -> None:
    ds.PatientID, ds.PatientName = PATIENT_ID, PATIENT_NAME
    ds.PatientBirthDate = ds.PatientSex = ds.ReferringPhysicianName = ds.AccessionNumber = ""
    ds.QualityControlSubject = "YES"
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = PATIENT_ID, 1, 1
    ds.StudyDate, ds.StudyTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    ds.StudyDescription = ds.SeriesDescription = STUDY_DESCRIPTION
    ds.ImageComments = PURPOSE
    ds.Modality = "OT"
    ds.ConversionType = "SYN"
    ds.Manufacturer = "dicom_assets"
    ds.BurnedInAnnotation = "NO"


def _paint(ds: Dataset) -> None:
    """A grey ramp."""
    ds.Rows = ds.Columns = SIDE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PatientOrientation = ""
    ds.PixelData = bytes(range(SIDE * SIDE))
