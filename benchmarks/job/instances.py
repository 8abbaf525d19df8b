"""Files of an invented patient's study: CT slices, small MR images, long ultrasound clips.

Each has the rich header of `benchmarks.ct_study` under the names, numbers and UIDs of a study of the demo, so that the
review database and the research database know whom it belongs to.
"""

from __future__ import annotations

import random
import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword

from benchmarks import ct_study
from benchmarks.encoding import CT_IMAGE, DataSet, Element, Encoder, attribute, file_meta
from dicom_assets.demo.plan import DemoStudy

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
US_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"
LONGEST_TEXT = 8192
"""Bytes of the longest value in which names are looked for; pixels are longer."""

OF_CT_ALONE = (
    "KVP", "DataCollectionDiameter", "ReconstructionDiameter", "DistanceSourceToDetector", "DistanceSourceToPatient",
    "GantryDetectorTilt", "TableHeight", "RotationDirection", "ExposureTime", "XRayTubeCurrent", "Exposure",
    "FilterType", "GeneratorPower", "FocalSpots", "ConvolutionKernel", "RescaleIntercept", "RescaleSlope",
)  # fmt: skip
OF_SLICES_ALONE = (
    "SliceThickness", "ScanOptions", "PatientPosition", "ImagePositionPatient", "ImageOrientationPatient",
    "FrameOfReferenceUID", "PositionReferenceIndicator", "SliceLocation", "PixelSpacing",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Image:
    """What the images of a study are: `rows` x `columns` pixels of `bits` bits, `frames` times."""

    modality: str
    sop_class_uid: str
    rows: int
    columns: int
    bits: int = 16
    frames: int = 1

    @property
    def pixel_bytes(self) -> int:
        """Bytes of Pixel Data."""
        return self.rows * self.columns * self.bits // 8 * self.frames


CT = Image("CT", CT_IMAGE, 512, 512)
SMALL_MR = Image("MR", MR_IMAGE, 64, 64)


def ultrasound(megabytes: int) -> Image:
    """A clip of 480 x 640 pixels of 8 bits that is about so long, in 10**6 bytes."""
    return Image("US", US_MULTI_FRAME, 480, 640, bits=8, frames=max(2, megabytes * 10**6 // (480 * 640)))


def sop_instance_uids(study: DemoStudy, instances: int) -> list[str]:
    """Those of a study of so many instances, the same at each call."""
    return [study.uid("instance", number) for number in range(instances)]


def instance_files(study: DemoStudy, instances: int, image: Image) -> Iterator[tuple[str, bytes]]:
    """SOP Instance UID and file of every instance, the same at each call."""
    uids = sop_instance_uids(study, instances)
    words, whole = _names(study), _uids(study, uids, image)
    noise = _noise(image, study.number)
    for number, uid in enumerate(uids):
        at = number * 2 * image.columns % len(noise)
        content = _of_modality(ct_study.ct_slice(number, instances, 0, b""), image, noise[at:] + noise[:at])
        encoded = Encoder().data_set(list(_renamed(content, whole, words)))
        yield uid, file_meta(uid, sop_class_uid=image.sop_class_uid) + encoded


def _noise(image: Image, seed: int) -> bytes:
    """Pixels that nothing compresses; with 16 bits, values that 12 bits hold."""
    dice = random.Random(seed)  # noqa: S311 - made-up data, the same every time
    if image.bits == 8:
        return dice.randbytes(image.pixel_bytes)
    return array("H", (900 + value for value in dice.randbytes(image.pixel_bytes // 2))).tobytes()


def _of_modality(content: DataSet, image: Image, pixels: bytes) -> DataSet:
    """The slice's attributes, those left out that the image can't have, with its own added."""
    own = [*_pixel_description(image, pixels), *{"MR": _mr, "US": _us}.get(image.modality, _nothing)(image)]
    absent = {"CT": (), "MR": OF_CT_ALONE, "US": OF_CT_ALONE + OF_SLICES_ALONE}[image.modality]
    replaced = {element.tag for element in own} | {tag_for_keyword(keyword) for keyword in absent}
    return [*(element for element in content if element.tag not in replaced), *own]


def _pixel_description(image: Image, pixels: bytes) -> Iterator[Element]:
    stored = min(image.bits, 12)
    for keyword, value in (
        ("SOPClassUID", image.sop_class_uid),
        ("Modality", image.modality),
        ("Rows", image.rows),
        ("Columns", image.columns),
        ("BitsAllocated", image.bits),
        ("BitsStored", stored),
        ("HighBit", stored - 1),
    ):
        yield attribute(keyword, value)
    yield Element(0x7FE00010, "OW" if image.bits == 16 else "OB", pixels)


def _mr(_: Image) -> Iterator[Element]:
    for keyword, value in (
        ("ImageType", "ORIGINAL\\PRIMARY\\M\\ND"),
        ("ScanningSequence", "EP"),
        ("SequenceVariant", "SK"),
        ("ScanOptions", "FS"),
        ("MRAcquisitionType", "2D"),
        ("RepetitionTime", "2000"),
        ("EchoTime", "30"),
        ("EchoTrainLength", "1"),
        ("MagneticFieldStrength", "3"),
        ("FlipAngle", "90"),
    ):
        yield attribute(keyword, value)


def _us(image: Image) -> Iterator[Element]:
    yield attribute("ImageType", "ORIGINAL\\PRIMARY")
    yield attribute("NumberOfFrames", str(image.frames))
    yield attribute("FrameTime", "33.3")
    yield Element(0x00280009, "AT", struct.pack("<HH", 0x0018, 0x1063))


def _nothing(_: Image) -> Iterable[Element]:
    return ()


def _names(study: DemoStudy) -> dict[bytes, bytes]:
    """Parts of values, and what stands for them in this study."""
    person = study.patient
    parts = {
        "Wiesengrund": person.family_name,
        "Theodora": person.given_name,
        "PID-00471108": person.mrn,
        "19470911": f"{person.birth_date:%Y%m%d}",
        "A2019030477": study.accession_number,
        "20190304": f"{study.day:%Y%m%d}",
    }
    return {old.encode("latin-1"): new.encode("latin-1") for old, new in parts.items()}


def _uids(study: DemoStudy, uids: list[str], image: Image) -> dict[bytes, bytes]:
    """Whole values, and what stands for them in this study."""
    values = {ct_study.sop_uid(number): uid for number, uid in enumerate(uids)}
    values |= {ct_study.series_uid(number): study.uid("series", number) for number in range(ct_study.SERIES)}
    values |= {
        ct_study.STUDY_UID: study.study_uid,
        ct_study.FRAME_OF_REFERENCE_UID: study.frame_of_reference_uid,
        ct_study.PROCEDURE_STEP_UID: study.uid("procedure step"),
        CT_IMAGE: image.sop_class_uid,
    }
    return {old.encode(): new.encode() for old, new in values.items()}


def _renamed(content: DataSet, whole: Mapping[bytes, bytes], words: Mapping[bytes, bytes]) -> Iterator[Element]:
    for element in content:
        value = element.value
        if not isinstance(value, bytes):
            yield Element(element.tag, element.vr, [list(_renamed(item, whole, words)) for item in value])
        elif value in whole:
            yield Element(element.tag, element.vr, whole[value])
        elif len(value) <= LONGEST_TEXT:
            for old, new in words.items():
                value = value.replace(old, new)
            yield Element(element.tag, element.vr, value)
        else:
            yield element
