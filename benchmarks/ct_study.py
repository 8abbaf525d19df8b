"""A CT study of one invented patient: the part of the corpus that is timed, and whose references are followed."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator
from pathlib import Path

from benchmarks.encoding import CT_IMAGE, DataSet, Element, Encoder, attribute, file_meta

ROOT = "1.2.826.0.1.3680043.99.7"
STUDY_UID = f"{ROOT}.20190304.1"
FRAME_OF_REFERENCE_UID = f"{ROOT}.20190304.9"
PROCEDURE_STEP_UID = f"{ROOT}.20190304.5"
SERIES = 3
SIZE = 512


def write_ct_study(folder: Path, slices: int, *, size: int = SIZE, seed: int = 20260) -> None:
    """Write `slices` files of `size` x `size` pixels of 16 bit in explicit VR little endian, as three series."""
    folder.mkdir(parents=True)
    dice = random.Random(seed)  # noqa: S311 - made-up data, the same every time
    noise = array("H", (900 + dice.getrandbits(8) for _ in range(size * size))).tobytes()
    for number in range(slices):
        at = number * 2 * size % len(noise)
        pixels = noise[at:] + noise[:at]
        content = Encoder().data_set(ct_slice(number, slices, size, pixels))
        (folder / f"{number + 1:06d}.dcm").write_bytes(file_meta(sop_uid(number)) + content)


def sop_uid(number: int) -> str:
    """The SOP Instance UID of a slice, counted from 0."""
    return f"{ROOT}.20190304.2.{number % SERIES + 1}.{number + 1}"


def series_uid(number: int) -> str:
    """The Series Instance UID of a slice, counted from 0."""
    return f"{ROOT}.20190304.3.{number % SERIES + 1}"


def ct_slice(number: int, slices: int, size: int, pixels: bytes) -> DataSet:
    """One slice of so many, counted from 0, with these pixels."""
    return [
        *_general(number),
        *_patient(),
        *_acquisition(number),
        *_relations(number, slices),
        *_image(size, pixels),
        *_private(),
    ]


def _general(number: int) -> Iterator[Element]:
    time = f"1015{number % 60:02d}.{number:06d}"
    for keyword, value in (
        ("SpecificCharacterSet", "ISO_IR 100"),
        ("ImageType", "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI"),
        ("InstanceCreationDate", "20190304"),
        ("InstanceCreationTime", time),
        ("SOPClassUID", CT_IMAGE),
        ("SOPInstanceUID", sop_uid(number)),
        ("StudyDate", "20190304"),
        ("SeriesDate", "20190304"),
        ("AcquisitionDate", "20190304"),
        ("ContentDate", "20190304"),
        ("AcquisitionDateTime", f"20190304{time}+0100"),
        ("StudyTime", "100412.118000"),
        ("SeriesTime", "101209.377000"),
        ("AcquisitionTime", time),
        ("ContentTime", time),
        ("AccessionNumber", "A2019030477"),
        ("Modality", "CT"),
        ("Manufacturer", "SIEMENS"),
        ("InstitutionName", "St. Walburga Klinikum"),
        ("InstitutionAddress", "Lindenallee 14, Altenbruch, DE"),
        ("ReferringPhysicianName", "Haverkamp^Ottilie^^Dr."),
        ("StationName", "CTAWP73102"),
        ("StudyDescription", "Thorax^Staging (Erwachsene)"),
        ("SeriesDescription", f"Thorax {(1.0, 3.0, 5.0)[number % SERIES]} B{30 + 10 * (number % SERIES)}f"),
        ("InstitutionalDepartmentName", "Radiologie II"),
        ("PhysiciansOfRecord", "Haverkamp^Ottilie^^Dr.\\Nordqvist^Per"),
        ("PerformingPhysicianName", "Nordqvist^Per"),
        ("NameOfPhysiciansReadingStudy", "Oyelaran^Adebimpe"),
        ("OperatorsName", "Szczepanik^Marzena"),
        ("AdmittingDiagnosesDescription", "Verdacht auf Rundherd rechts"),
        ("ManufacturerModelName", "SOMATOM Definition AS+"),
    ):
        yield attribute(keyword, value)


def _patient() -> Iterator[Element]:
    for keyword, value in (
        ("PatientName", "Wiesengrund^Theodora^Marie"),
        ("PatientID", "PID-00471108"),
        ("IssuerOfPatientID", "WALBURGA-KIS"),
        ("PatientBirthDate", "19470911"),
        ("PatientSex", "F"),
        ("OtherPatientIDs", "V19470911W\\KV-A123456789"),
        ("PatientBirthName", "Sperlingsau^Theodora"),
        ("PatientAge", "071Y"),
        ("PatientSize", "1.63"),
        ("PatientWeight", "58.5"),
        ("PatientAddress", "Am Mühlbach 3, 99999 Altenbruch"),
        ("PatientTelephoneNumbers", "+49 555 0100234"),
        ("MedicalAlerts", "Jodallergie"),
        ("AdditionalPatientHistory", "Z.n. Nephrektomie links, Fr. Wiesengrund berichtet Husten"),
        ("PatientComments", "Termin mit Tochter (Fr. Sperlingsau) vereinbart"),
        ("PatientIdentityRemoved", "NO"),
    ):
        yield attribute(keyword, value)


def _acquisition(number: int) -> Iterator[Element]:
    for keyword, value in (
        ("ContrastBolusAgent", "Imeron 350"),
        ("BodyPartExamined", "CHEST"),
        ("ScanOptions", "SPIRAL MODE"),
        ("SliceThickness", "1.0"),
        ("KVP", "120"),
        ("DataCollectionDiameter", "500"),
        ("DeviceSerialNumber", "73102"),
        ("SoftwareVersions", "syngo CT 2014A"),
        ("ProtocolName", "ThoraxRoutine"),
        ("ReconstructionDiameter", "350"),
        ("DistanceSourceToDetector", "1085.6"),
        ("DistanceSourceToPatient", "595"),
        ("GantryDetectorTilt", "0"),
        ("TableHeight", "152"),
        ("RotationDirection", "CW"),
        ("ExposureTime", "500"),
        ("XRayTubeCurrent", str(180 + number % 40)),
        ("Exposure", "90"),
        ("FilterType", "FLAT"),
        ("GeneratorPower", "22"),
        ("FocalSpots", "1.2"),
        ("DateOfLastCalibration", "20190304"),
        ("TimeOfLastCalibration", "063011.000000"),
        ("ConvolutionKernel", "B30f"),
        ("PatientPosition", "HFS"),
        ("StudyInstanceUID", STUDY_UID),
        ("SeriesInstanceUID", series_uid(number)),
        ("StudyID", "77"),
        ("SeriesNumber", str(number % SERIES + 1)),
        ("AcquisitionNumber", "2"),
        ("InstanceNumber", str(number // SERIES + 1)),
        ("ImagePositionPatient", f"-174.658\\-326.658\\{-number * 0.7:.4f}"),
        ("ImageOrientationPatient", "1\\0\\0\\0\\1\\0"),
        ("FrameOfReferenceUID", FRAME_OF_REFERENCE_UID),
        ("PositionReferenceIndicator", ""),
        ("SliceLocation", f"{-number * 0.7:.4f}"),
        ("ImageComments", "Kontrolle in 3 Monaten empfohlen, gez. Haverkamp"),
        ("RequestingPhysician", "Quistorp^Jelle"),
        ("RequestedProcedureDescription", "CT Thorax mit KM"),
        ("PerformedProcedureStepStartDate", "20190304"),
        ("PerformedProcedureStepStartTime", "100412.118000"),
        ("PerformedProcedureStepID", "PPS-4471"),
        ("PerformedProcedureStepDescription", "Thorax^Staging (Erwachsene)"),
    ):
        yield attribute(keyword, value)


def _code(value: str, scheme: str, meaning: str) -> DataSet:
    codes = (("CodeValue", value), ("CodingSchemeDesignator", scheme), ("CodeMeaning", meaning))
    return [attribute(keyword, text) for keyword, text in codes]


def _reference(number: int) -> DataSet:
    return [attribute("ReferencedSOPClassUID", CT_IMAGE), attribute("ReferencedSOPInstanceUID", sop_uid(number))]


def _relations(number: int, slices: int) -> Iterator[Element]:
    """The first slice is what all refer to; every slice was made from its neighbour."""
    procedure_step = [
        attribute("ReferencedSOPClassUID", "1.2.840.10008.3.1.2.3.3"),
        attribute("ReferencedSOPInstanceUID", PROCEDURE_STEP_UID),
    ]
    request = [
        attribute("RequestedProcedureDescription", "CT Thorax mit KM"),
        attribute("ScheduledProcedureStepDescription", "Thorax Standard"),
        attribute("ScheduledProcedureStepID", "SPS-4471"),
        attribute("RequestedProcedureID", "RP-4471"),
        attribute("ScheduledProtocolCodeSequence", [_code("THX-KM", "99WALBURGA", "Thorax mit KM")]),
    ]
    made_from = [
        *_reference((number + 1) % slices),
        attribute(
            "PurposeOfReferenceCodeSequence", [_code("121322", "DCM", "Source image for image processing operation")]
        ),
    ]
    yield attribute("ProcedureCodeSequence", [_code("36643-5", "LN", "XR Chest 2 views")])
    yield attribute("ReferencedPerformedProcedureStepSequence", [procedure_step])
    yield attribute("ReferencedImageSequence", [_reference(0)])
    yield attribute("SourceImageSequence", [made_from])
    yield attribute("RequestAttributesSequence", [request])


def _image(size: int, pixels: bytes) -> Iterator[Element]:
    for keyword, value in (
        ("SamplesPerPixel", 1),
        ("PhotometricInterpretation", "MONOCHROME2"),
        ("Rows", size),
        ("Columns", size),
        ("PixelSpacing", "0.68359375\\0.68359375"),
        ("BitsAllocated", 16),
        ("BitsStored", 12),
        ("HighBit", 11),
        ("PixelRepresentation", 0),
        ("BurnedInAnnotation", "NO"),
        ("WindowCenter", "50\\-600"),
        ("WindowWidth", "350\\1200"),
        ("RescaleIntercept", "-1024"),
        ("RescaleSlope", "1"),
        ("WindowCenterWidthExplanation", "WINDOW1\\WINDOW2"),
        ("PixelData", pixels),
    ):
        yield attribute(keyword, value)


def _private() -> Iterator[Element]:
    yield Element(0x00190010, "LO", b"SIEMENS CT VA0  COAD")
    yield Element(0x00191061, "DS", b"0.5")
    yield Element(0x00191090, "IS", b"31")
    yield Element(0x001910B0, "DS", b"0.75")
    yield Element(0x00210010, "LO", b"SIEMENS MED")
    yield Element(0x00211010, "DS", b"1.5")
    yield Element(0x00211011, "DS", b"-174\\-326")
    yield Element(0x00290010, "LO", b"SIEMENS CSA HEADER")
    yield Element(0x00290011, "LO", b"SIEMENS MEDCOM HEADER")
    yield Element(0x00291008, "CS", b"SOM 5")
    yield Element(0x00291009, "LO", b"VA10A 971201")
    yield Element(0x00291010, "OB", b"SV10\4\3\2\1Wiesengrund^Theodora^Marie".ljust(4096, b"\0"))
    inside = [Element(0x00290010, "LO", b"SIEMENS MEDCOM HEADER"), Element(0x00291042, "LO", b"PID-00471108")]
    yield Element(0x00291140, "SQ", [inside])
