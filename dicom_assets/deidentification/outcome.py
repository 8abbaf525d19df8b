"""What comes of an instance."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicom_assets.errors import DicomAssetsError
from dicom_assets.study import PatientIdentity, QuarantineReason


class UnreadableInstanceError(DicomAssetsError):
    """A file's header can't be read as DICOM; the message holds no value."""


class RefusedError(DicomAssetsError):
    """An instance has to be kept back; becomes `Quarantined` at the edge."""

    def __init__(self, reason: QuarantineReason, detail: str) -> None:
        """`detail` names tags, VRs and rules."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Deidentified:
    """An instance that was written. UIDs are the new ones.

    `pixels` says what was done about its pixels, in names of rules and counts; empty where they left as they came and
    nobody looked at them.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    modality: str
    pixels: str = ""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An instance that was kept back; nothing was written. `detail` holds tags, VRs and rule names, never a value."""

    reason: QuarantineReason
    detail: str


@dataclass(frozen=True, slots=True)
class InstanceIdentity:
    """Whose an instance is and which. *Identified*. Fields the instance lacks are empty.

    `earliest_date` is the earliest plausible date at which the study says it was made, as DA has it.
    """

    patient: PatientIdentity
    study_uid: str = field(repr=False)
    series_uid: str = field(repr=False)
    sop_uid: str = field(repr=False)
    sop_class_uid: str
    accession_number: str = field(repr=False)
    modality: str
    is_patient_protocol: bool
    earliest_date: str = field(default="", repr=False)
