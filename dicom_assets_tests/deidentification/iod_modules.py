"""The modules that invented objects are put together from (PS3.3), filled with what patients' files hold."""

from __future__ import annotations

from typing import Any

import pydicom.uid as uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

ROOT = "1.2.826.0.1.3680043.10.999"
STUDY, SERIES, INSTANCE, OTHER, FRAME = (f"{ROOT}.{n}" for n in ("1", "1.1", "1.1.1", "1.1.2", "7"))


def item(**attributes: Any) -> Dataset:
    """A data set; lists of data sets become sequences."""
    ds = Dataset()
    for keyword, value in attributes.items():
        is_items = isinstance(value, list) and all(isinstance(member, Dataset) for member in value)
        setattr(ds, keyword, Sequence(value) if is_items else value)
    return ds


def code(value: str, scheme: str, meaning: str, **attributes: Any) -> Dataset:
    """A coded entry."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning, **attributes)


def a_reference(sop_class: str = uid.CTImageStorage, instance: str = OTHER) -> Dataset:
    """A reference to an instance."""
    return item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=instance)


def patient_and_study() -> dict[str, Any]:
    """Patient, General Study, Patient Study (C.7.1.1, C.7.2.1, C.7.2.2), most optional attributes included."""
    return {
        "PatientName": "Zweistein^Albertine",
        "PatientID": "MRN-4711-0815",
        "IssuerOfPatientID": "Hospital",
        "PatientBirthDate": "19560114",
        "PatientBirthTime": "1213",
        "PatientSex": "F",
        "OtherPatientNames": "Dreistein^Albertine",
        "PatientComments": "Came by tram",
        "EthnicGroup": "Unknown",
        "StudyInstanceUID": STUDY,
        "StudyDate": "20190203",
        "StudyTime": "101112",
        "AccessionNumber": "A-31337",
        "ReferringPhysicianName": "Referrer^Rita",
        "StudyID": "S12",
        "StudyDescription": "Head after a fall",
        "NameOfPhysiciansReadingStudy": "Reader^Rudi",
        "ReferencedStudySequence": [a_reference("1.2.840.10008.3.1.2.3.1", f"{ROOT}.77")],
        "ProcedureCodeSequence": [code("P1", "99LOCAL", "Head")],
        "PatientAge": "063Y",
        "PatientSize": "1.68",
        "PatientWeight": "61",
        "Occupation": "Physicist",
        "AdditionalPatientHistory": "None",
        "PatientState": "Awake",
    }


def series_and_equipment(modality: str) -> dict[str, Any]:
    """General Series, General Equipment, Frame of Reference (C.7.3.1, C.7.5.1, C.7.4.1), SOP Common (C.12.1)."""
    return {
        "Modality": modality,
        "SeriesInstanceUID": SERIES,
        "SeriesNumber": 3,
        "BodyPartExamined": "HEAD",
        "SeriesDate": "20190203",
        "SeriesTime": "101213",
        "PerformingPhysicianName": "Performer^Paula",
        "OperatorsName": "Operator^Otto",
        "ProtocolName": "Head of Z",
        "SeriesDescription": "Axial",
        "PatientPosition": "HFS",
        "ReferencedPerformedProcedureStepSequence": [a_reference("1.2.840.10008.3.1.2.3.3", f"{ROOT}.78")],
        "RequestAttributesSequence": [
            item(RequestedProcedureID="RP1", ScheduledProcedureStepID="SPS1", ScheduledProcedureStepDescription="Head")
        ],
        "PerformedProcedureStepID": "PPS1",
        "PerformedProcedureStepStartDate": "20190203",
        "PerformedProcedureStepStartTime": "1010",
        "PerformedProcedureStepDescription": "Head of Z",
        "CommentsOnThePerformedProcedureStep": "Moved a lot",
        "Manufacturer": "Maker",
        "ManufacturerModelName": "Model",
        "InstitutionName": "Hospital",
        "InstitutionAddress": "Street 1",
        "StationName": "SCANNER1",
        "InstitutionalDepartmentName": "Radiology",
        "DeviceSerialNumber": "SN-99887",
        "SoftwareVersions": "1.0",
        "DateOfLastCalibration": "20190101",
        "TimeOfLastCalibration": "0800",
        "FrameOfReferenceUID": FRAME,
        "PositionReferenceIndicator": "",
        "InstanceCreationDate": "20190203",
        "InstanceCreationTime": "101300",
        "InstanceNumber": 5,
        "SOPInstanceUID": INSTANCE,
    }


def image(*, bits: int = 16, rows: int = 4, columns: int = 4, frames: int = 1) -> dict[str, Any]:
    """General Image and Image Pixel (C.7.6.1, C.7.6.3)."""
    return {
        "PatientOrientation": ["L", "P"],
        "ContentDate": "20190203",
        "ContentTime": "101415",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "AcquisitionNumber": 2,
        "AcquisitionDate": "20190203",
        "AcquisitionTime": "101414",
        "AcquisitionDateTime": "20190203101414",
        "ImageComments": "Sharp",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        "PixelData": bytes(rows * columns * frames * bits // 8),
    }


PLANE: dict[str, Any] = {
    "PixelSpacing": [1, 1],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "ImagePositionPatient": [0, 0, 0],
    "SliceThickness": 1,
}
SOURCES: dict[str, Any] = {
    "SourceImageSequence": [
        item(
            ReferencedSOPClassUID=uid.CTImageStorage,
            ReferencedSOPInstanceUID=OTHER,
            PurposeOfReferenceCodeSequence=[code("121322", "DCM", "Source image for image processing operation")],
        )
    ]
}
REFERENCED_IMAGES: dict[str, Any] = {
    "ReferencedImageSequence": [
        item(
            ReferencedSOPClassUID=uid.CTImageStorage,
            ReferencedSOPInstanceUID=OTHER,
            PurposeOfReferenceCodeSequence=[code("121311", "DCM", "Localizer")],
        )
    ]
}


def an_object(sop_class: str, modality: str, *parts: dict[str, Any], without: tuple[str, ...] = ()) -> Dataset:
    """The parts put together; later ones win."""
    attributes: dict[str, Any] = {"SOPClassUID": sop_class, **patient_and_study(), **series_and_equipment(modality)}
    for part in parts:
        attributes |= part
    return item(**{keyword: value for keyword, value in attributes.items() if keyword not in without})
