"""Invented objects of many frames (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydicom.uid as uid
from pydicom.dataset import Dataset

from dicom_assets_tests.deidentification.iod_modules import ROOT, an_object, code, image, item

ANATOMY = item(AnatomicRegionSequence=[code("T-A0100", "SRT", "Brain")], FrameLaterality="U")
INDEXES: dict[str, Any] = {
    "DimensionOrganizationSequence": [item(DimensionOrganizationUID=f"{ROOT}.8")],
    "DimensionIndexSequence": [
        item(
            DimensionOrganizationUID=f"{ROOT}.8",
            DimensionIndexPointer=0x00209057,
            FunctionalGroupPointer=0x00209111,
        )
    ],
}


def frame_groups(**shared: Any) -> dict[str, Any]:
    """Multi-frame functional groups (C.7.6.16) of an image of one frame."""
    content = item(
        StackID="1",
        InStackPositionNumber=1,
        DimensionIndexValues=1,
        TemporalPositionIndex=1,
        FrameAcquisitionNumber=1,
        FrameAcquisitionDateTime="20190203101414",
        FrameReferenceDateTime="20190203101415",
        FrameAcquisitionDuration=1.0,
        FrameComments="Frame of Z",
        FrameLabel="F1",
    )
    common = {
        "PixelMeasuresSequence": [item(PixelSpacing=[1, 1], SliceThickness=1)],
        "PlaneOrientationSequence": [item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        "FrameAnatomySequence": [ANATOMY],
    }
    per_frame = item(FrameContentSequence=[content], PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 0])])
    return {
        "NumberOfFrames": 1,
        "SharedFunctionalGroupsSequence": [item(**common, **shared)],
        "PerFrameFunctionalGroupsSequence": [per_frame],
        **INDEXES,
    }


ENHANCED: dict[str, Any] = {
    "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
    "PixelPresentation": "MONOCHROME",
    "VolumetricProperties": "VOLUME",
    "VolumeBasedCalculationTechnique": "NONE",
    "ContentQualification": "RESEARCH",
    "PresentationLUTShape": "IDENTITY",
    "AcquisitionContextSequence": [],
    "AcquisitionDuration": 1.0,
}


def frame_type(**more: Any) -> Dataset:
    """Frame type of an enhanced image, as ENHANCED has it for the whole."""
    common = {
        "FrameType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "PixelPresentation": "MONOCHROME",
        "VolumetricProperties": "VOLUME",
        "VolumeBasedCalculationTechnique": "NONE",
    }
    return item(**{**common, **more})


VOI = item(WindowCenter="40", WindowWidth="400")
RESCALED = item(RescaleIntercept=0, RescaleSlope=1, RescaleType="HU")
WITHOUT = ("PatientOrientation", "AcquisitionDate", "AcquisitionTime", "AcquisitionNumber", "Laterality")


def enhanced_ct() -> Dataset:
    """Enhanced CT Image (A.38)."""
    groups = frame_groups(
        CTImageFrameTypeSequence=[frame_type()],
        PixelValueTransformationSequence=[RESCALED],
        FrameVOILUTSequence=[VOI],
        CTAcquisitionTypeSequence=[item(AcquisitionType="SEQUENCED", ConstantVolumeFlag="NO", FluoroscopyFlag="NO")],
        CTReconstructionSequence=[
            item(
                ReconstructionAlgorithm="FILTER_BACK_PROJ",
                ConvolutionKernel="K",
                ConvolutionKernelGroup="BRAIN",
                ReconstructionDiameter="250",
                ReconstructionPixelSpacing=[1, 1],
                ReconstructionAngle=360.0,
                ImageFilter="F",
            )
        ],
        CTExposureSequence=[
            item(
                ExposureTimeInms=1.0,
                XRayTubeCurrentInmA=1.0,
                ExposureInmAs=1.0,
                ExposureModulationType="NONE",
                CTDIvol=1.0,
            )
        ],
        IrradiationEventIdentificationSequence=[item(IrradiationEventUID=f"{ROOT}.9")],
        CTTableDynamicsSequence=[item(TableSpeed=1.0, TableFeedPerRotation=1.0, SpiralPitchFactor=1.0)],
        CTPositionSequence=[
            item(
                TablePosition=1.0,
                ReconstructionTargetCenterPatient=[0.0, 0.0, 0.0],
                DataCollectionCenterPatient=[0.0, 0.0, 0.0],
            )
        ],
        CTXRayDetailsSequence=[item(KVP="120", FocalSpots="1", FilterType="NONE", FilterMaterial="MIXED")],
        CTGeometrySequence=[item(DistanceSourceToDetector="900", DistanceSourceToDataCollectionCenter=500.0)],
        CTAcquisitionDetailsSequence=[
            item(
                RotationDirection="CW",
                RevolutionTime=1.0,
                SingleCollimationWidth=1.0,
                TotalCollimationWidth=1.0,
                TableHeight="0",
                GantryDetectorTilt="0",
                DataCollectionDiameter="500",
            )
        ],
    )
    return an_object(uid.EnhancedCTImageStorage, "CT", image(), ENHANCED, groups, without=WITHOUT)


def enhanced_mr() -> Dataset:
    """Enhanced MR Image (A.36)."""
    contrast = {"ComplexImageComponent": "MAGNITUDE", "AcquisitionContrast": "T1"}
    own = {
        **contrast,
        "ResonantNucleus": "1H",
        "KSpaceFiltering": "NONE",
        "MagneticFieldStrength": "1.5",
        "ApplicableSafetyStandardAgency": "IEC",
        "ApplicableSafetyStandardDescription": "Standard",
        "ContentQualification": "RESEARCH",
        "ImageType": ["DERIVED", "PRIMARY", "VOLUME", "NONE"],
    }
    groups = frame_groups(
        MRImageFrameTypeSequence=[frame_type(**contrast)], PixelValueTransformationSequence=[RESCALED]
    )
    return an_object(uid.EnhancedMRImageStorage, "MR", image(), ENHANCED, own, groups, without=WITHOUT)


def segmentation() -> Dataset:
    """Segmentation (A.51)."""
    segment = item(
        SegmentNumber=1,
        SegmentLabel="Heart of Z",
        SegmentDescription="Hers",
        SegmentAlgorithmType="MANUAL",
        SegmentedPropertyCategoryCodeSequence=[code("T-D000A", "SRT", "Anatomical Structure")],
        SegmentedPropertyTypeCodeSequence=[code("T-32000", "SRT", "Heart")],
        TrackingID="Z-1",
        TrackingUID=f"{ROOT}.55",
    )
    own = {
        "ImageType": ["DERIVED", "PRIMARY"],
        "SegmentationType": "FRACTIONAL",
        "SegmentationFractionalType": "PROBABILITY",
        "MaximumFractionalValue": 255,
        "ContentLabel": "SEG",
        "ContentDescription": "As seen",
        "ContentCreatorName": "Creator^Cora",
        "SegmentSequence": [segment],
    }
    groups = frame_groups(
        SegmentIdentificationSequence=[item(ReferencedSegmentNumber=1)],
        DerivationImageSequence=[],
    )
    return an_object(
        uid.SegmentationStorage,
        "SEG",
        image(bits=8),
        own,
        groups,
        without=(*WITHOUT, "AcquisitionDateTime"),
    )


MULTI_FRAME: dict[str, Callable[[], Dataset]] = {
    "enhanced CT": enhanced_ct,
    "enhanced MR": enhanced_mr,
    "SEG": segmentation,
}
