"""Invented objects, one for each of the kinds that hospitals exchange most, that are valid after PS3.3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydicom.uid as uid
from pydicom.dataset import Dataset

from dicom_assets_tests.deidentification.builders import as_file
from dicom_assets_tests.deidentification.iod_documents import DOCUMENTS
from dicom_assets_tests.deidentification.iod_frames import MULTI_FRAME
from dicom_assets_tests.deidentification.iod_modules import (
    FRAME,
    PLANE,
    REFERENCED_IMAGES,
    SERIES,
    SOURCES,
    STUDY,
    a_reference,
    an_object,
    code,
    image,
    item,
)

PROJECTION = ("PatientPosition", "FrameOfReferenceUID", "PositionReferenceIndicator")


def ct() -> Dataset:
    """CT Image (A.3)."""
    own = {"KVP": "120", "RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "HU", "FilterType": "HEAD"}
    contrast = {"ContrastBolusAgent": "Agent", "ContrastBolusStartTime": "1010"}
    return an_object(uid.CTImageStorage, "CT", image(), PLANE, SOURCES, REFERENCED_IMAGES, contrast, own)


def mr() -> Dataset:
    """MR Image (A.4)."""
    own = {
        "ScanningSequence": "SE",
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "EchoTime": "10",
        "EchoTrainLength": "1",
        "RepetitionTime": "500",
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "SequenceName": "se2d",
    }
    return an_object(uid.MRImageStorage, "MR", image(), PLANE, REFERENCED_IMAGES, own)


def pet() -> Dataset:
    """Positron Emission Tomography Image (A.21)."""
    own = {
        "SeriesType": ["STATIC", "IMAGE"],
        "Units": "BQML",
        "CountsSource": "EMISSION",
        "CorrectedImage": ["DECY", "ATTN"],
        "DecayCorrection": "START",
        "NumberOfSlices": 1,
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "ImageIndex": 1,
        "FrameReferenceTime": "0",
        "ActualFrameDuration": "1000",
        "CollimatorType": "NONE",
        "DecayFactor": "1",
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "PatientOrientationCodeSequence": [code("F-10450", "SRT", "recumbent")],
        "PatientGantryRelationshipCodeSequence": [code("F-10470", "SRT", "headfirst")],
        "RadiopharmaceuticalInformationSequence": [
            item(
                RadionuclideCodeSequence=[code("C-111A1", "SRT", "^18^Fluorine")],
                Radiopharmaceutical="FDG",
                RadiopharmaceuticalStartTime="0930",
                RadiopharmaceuticalStartDateTime="20190203093000",
                RadionuclideTotalDose="350000000",
                RadionuclideHalfLife="6586",
                RadionuclidePositronFraction="0.97",
            )
        ],
    }
    return an_object(
        uid.PositronEmissionTomographyImageStorage, "PT", image(), PLANE, own, without=("PatientPosition",)
    )


def ultrasound() -> Dataset:
    """Ultrasound Image (A.6)."""
    own = {"ImageType": ["ORIGINAL", "PRIMARY"], "TransducerData": ["T1", "SN5"], "LossyImageCompression": "00"}
    return an_object(uid.UltrasoundImageStorage, "US", image(bits=8), own, without=PROJECTION)


def ultrasound_multiframe() -> Dataset:
    """Ultrasound Multi-frame Image (A.7)."""
    own = {
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "NumberOfFrames": 2,
        "FrameTime": "33",
        "FrameIncrementPointer": 0x00181063,
    }
    return an_object(uid.UltrasoundMultiFrameImageStorage, "US", image(bits=8, frames=2), own, without=PROJECTION)


def cr() -> Dataset:
    """Computed Radiography Image (A.2)."""
    own = {
        "ViewPosition": "AP",
        "PlateID": "PL-77",
        "CassetteID": "C5",
        "KVP": "60",
        "ImageType": ["ORIGINAL", "PRIMARY"],
    }
    return an_object(uid.ComputedRadiographyImageStorage, "CR", image(), own, without=PROJECTION)


DETECTOR: dict[str, Any] = {
    "ImageType": ["ORIGINAL", "PRIMARY"],
    "ImageLaterality": "U",
    "PixelIntensityRelationship": "LIN",
    "PixelIntensityRelationshipSign": 1,
    "RescaleIntercept": 0,
    "RescaleSlope": 1,
    "RescaleType": "US",
    "PresentationLUTShape": "IDENTITY",
    "WindowCenter": "100",
    "WindowWidth": "200",
    "AcquisitionContextSequence": [],
    "AnatomicRegionSequence": [code("T-D1100", "SRT", "Head")],
    "DetectorType": "DIRECT",
    "DetectorID": "DET-123",
    "DateOfLastDetectorCalibration": "20181231",
    "TimeOfLastDetectorCalibration": "0700",
    "DetectorConfiguration": "AREA",
    "DetectorDescription": "The left one",
    "ImagerPixelSpacing": [0.1, 0.1],
    "PresentationIntentType": "FOR PRESENTATION",
    "AcquisitionDeviceProcessingDescription": "Processed for Z",
    "AcquisitionDeviceProcessingCode": "X1",
    "PositionerType": "NONE",
}


def dx() -> Dataset:
    """Digital X-Ray Image, for presentation (A.26)."""
    return an_object(uid.DigitalXRayImageStorageForPresentation, "DX", image(), DETECTOR, without=PROJECTION)


def mammography() -> Dataset:
    """Digital Mammography X-Ray Image, for presentation (A.27)."""
    own = {
        "ImageLaterality": "L",
        "BodyPartExamined": "BREAST",
        "OrganExposed": "BREAST",
        "PositionerType": "MAMMOGRAPHIC",
        "ViewCodeSequence": [code("R-10226", "SRT", "medio-lateral oblique", ViewModifierCodeSequence=[])],
        "AnatomicRegionSequence": [code("T-04000", "SRT", "Breast")],
        "BreastImplantPresent": "NO",
        "PartialView": "NO",
    }
    return an_object(
        uid.DigitalMammographyXRayImageStorageForPresentation, "MG", image(), DETECTOR, own, without=PROJECTION
    )


def angiography() -> Dataset:
    """X-Ray Angiographic Image (A.14)."""
    own = {
        "ImageType": ["ORIGINAL", "PRIMARY", "SINGLE PLANE"],
        "PixelIntensityRelationship": "LIN",
        "KVP": "70",
        "RadiationSetting": "GR",
        "XRayTubeCurrent": "100",
        "ExposureTime": "50",
        "Exposure": "5",
        "PositionerPrimaryAngle": "0",
        "PositionerSecondaryAngle": "0",
        "NumberOfFrames": 2,
        "FrameTime": "66",
        "FrameIncrementPointer": 0x00181063,
        "PositionerMotion": "STATIC",
    }
    return an_object(uid.XRayAngiographicImageStorage, "XA", image(bits=8, frames=2), own, without=PROJECTION)


def nuclear() -> Dataset:
    """Nuclear Medicine Image (A.5)."""
    own = {
        "ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"],
        "NumberOfFrames": 1,
        "FrameIncrementPointer": [0x00540010, 0x00540020],
        "EnergyWindowVector": 1,
        "NumberOfEnergyWindows": 1,
        "DetectorVector": 1,
        "NumberOfDetectors": 1,
        "CountsAccumulated": 1000,
        "ActualFrameDuration": "1000",
        "EnergyWindowInformationSequence": [item(EnergyWindowName="Tc")],
        "RadiopharmaceuticalInformationSequence": [
            item(
                RadionuclideCodeSequence=[],
                Radiopharmaceutical="MDP",
                RadiopharmaceuticalStartTime="0800",
                InterventionDrugInformationSequence=[
                    item(InterventionDrugStartTime="0801", InterventionDrugName="Drug")
                ],
            )
        ],
        "DetectorInformationSequence": [
            item(CollimatorType="PARA", ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        ],
        "PatientOrientationCodeSequence": [code("F-10450", "SRT", "recumbent")],
        "PatientGantryRelationshipCodeSequence": [code("F-10470", "SRT", "headfirst")],
        "PixelSpacing": [1, 1],
    }
    return an_object(uid.NuclearMedicineImageStorage, "NM", image(), own, without=PROJECTION)


def structure_set() -> Dataset:
    """RT Structure Set (A.19)."""
    contour = item(
        ContourImageSequence=[a_reference()],
        ContourGeometricType="POINT",
        NumberOfContourPoints=1,
        ContourData=[0, 0, 0],
    )
    study = item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=STUDY,
        RTReferencedSeriesSequence=[item(SeriesInstanceUID=SERIES, ContourImageSequence=[a_reference()])],
    )
    own = {
        "StructureSetLabel": "PLAN Z",
        "StructureSetName": "Of Albertine",
        "StructureSetDescription": "First try",
        "StructureSetDate": "20190203",
        "StructureSetTime": "1300",
        "ReferencedFrameOfReferenceSequence": [item(FrameOfReferenceUID=FRAME, RTReferencedStudySequence=[study])],
        "StructureSetROISequence": [
            item(
                ROINumber=1,
                ReferencedFrameOfReferenceUID=FRAME,
                ROIName="Heart of Z",
                ROIDescription="Hers",
                ROIGenerationAlgorithm="MANUAL",
                ROIGenerationDescription="By hand",
            )
        ],
        "ROIContourSequence": [item(ReferencedROINumber=1, ROIDisplayColor=[255, 0, 0], ContourSequence=[contour])],
        "RTROIObservationsSequence": [
            item(
                ObservationNumber=1,
                ReferencedROINumber=1,
                ROIObservationLabel="Obs",
                ROIObservationDescription="Seen",
                RTROIInterpretedType="ORGAN",
                ROIInterpreter="Interpreter^Ines",
            )
        ],
        "ApprovalStatus": "APPROVED",
        "ReviewDate": "20190204",
        "ReviewTime": "0900",
        "ReviewerName": "Reviewer^Rolf",
    }
    without = ("PatientPosition", "RequestAttributesSequence", "PerformingPhysicianName", "BodyPartExamined")
    return an_object(uid.RTStructureSetStorage, "RTSTRUCT", own, without=without)


OBJECTS: dict[str, Callable[[], Dataset]] = {
    "CT": ct,
    "MR": mr,
    "PET": pet,
    "US": ultrasound,
    "US multi-frame": ultrasound_multiframe,
    "CR": cr,
    "DX": dx,
    "MG": mammography,
    "XA": angiography,
    "NM": nuclear,
    "RTSTRUCT": structure_set,
    **MULTI_FRAME,
    **DOCUMENTS,
}


def object_file(name: str) -> bytes:
    """One of the objects as a file."""
    return as_file(OBJECTS[name]())
