"""What the engine does about an attribute, by its Type in the instance's IOD."""

from __future__ import annotations

import pytest
from pydicom.config import disable_value_validation
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    EncapsulatedPDFStorage,
    EnhancedCTImageStorage,
    SegmentationStorage,
)

from dicom_assets.deidentification.action import Action, ActionCode
from dicom_assets.deidentification.compound_codes import resolve
from dicom_assets.deidentification.rules import rule_book
from dicom_assets_tests.deidentification.builders import BASIC, an_image, as_file, deidentified
from dicom_assets_tests.deidentification.iod_modules import item
from dicom_assets_tests.deidentification.iod_objects import OBJECTS

OPTIONAL, PRESENT, VALUED, UNKNOWN = 0x00080022, 0x00080023, 0x0008002A, 0x00091010
"""Acquisition Date, Content Date, Acquisition DateTime: of Type 3 and 2C in CT, 1C in enhanced CT; a private tag."""
PLACES = {
    "1": (EnhancedCTImageStorage, VALUED),
    "2": (CTImageStorage, PRESENT),
    "3": (CTImageStorage, OPTIONAL),
    "unknown": (CTImageStorage, UNKNOWN),
}


@pytest.mark.parametrize(
    ("code_", "expected"),
    [
        ("Z", {"1": "dummy", "2": "empty", "3": "empty", "unknown": "empty"}),
        ("Z/D", {"1": "dummy", "2": "empty", "3": "empty", "unknown": "dummy"}),
        ("X/Z", {"1": "dummy", "2": "empty", "3": "remove", "unknown": "empty"}),
        ("X/D", {"1": "dummy", "2": "empty", "3": "remove", "unknown": "dummy"}),
        ("X/Z/D", {"1": "dummy", "2": "empty", "3": "remove", "unknown": "dummy"}),
        ("X/Z/U*", {"1": "keep", "2": "keep", "3": "keep", "unknown": "keep"}),
        ("X", {"1": "remove", "2": "remove", "3": "remove", "unknown": "remove"}),
        ("D", {"1": "dummy", "2": "dummy", "3": "dummy", "unknown": "dummy"}),
        ("U", {"1": "uid", "2": "uid", "3": "uid", "unknown": "uid"}),
    ],
)
@pytest.mark.parametrize("type_", PLACES)
def test_a_code_is_resolved_by_the_type(code_: str, expected: dict[str, str], type_: str) -> None:
    sop_class_uid, tag = PLACES[type_]
    assert resolve(ActionCode(code_), tag, sop_class_uid) is Action(expected[type_])


def test_the_same_attribute_goes_where_it_is_optional_and_stays_where_it_is_required() -> None:
    assert "SeriesDate" not in deidentified(as_file(OBJECTS["CT"]()))
    pet = deidentified(as_file(OBJECTS["PET"]()), allowed_modalities=frozenset({"PT"}))
    assert (pet.SeriesDate, pet.SeriesTime) == ("19000101", "000000")
    assert (pet.AcquisitionDate, pet.AcquisitionTime) == ("", "")


@pytest.mark.parametrize(
    ("sop_class_uid", "path", "tag", "action"),
    [
        (ComprehensiveSRStorage, (0x0040A730, 0x0040A730), 0x0040A160, Action.DUMMY),  # Text Value, Type 1C
        (SegmentationStorage, (0x00620002,), 0x00620020, Action.DUMMY),  # Tracking ID, Type 1C
        (EncapsulatedPDFStorage, (), 0x00420010, Action.EMPTY),  # Document Title, Type 2
        (CTImageStorage, (0x00080110,), 0x00080114, Action.EMPTY),  # Coding Scheme External ID, Type 2C
        (CTImageStorage, (), 0x00420010, Action.REMOVE),
        (CTImageStorage, (), 0x00620020, Action.REMOVE),
    ],
)
def test_a_rule_by_vr_gives_way_to_the_type(
    sop_class_uid: str, path: tuple[int, ...], tag: int, action: Action
) -> None:
    assert rule_book(BASIC, sop_class_uid).rule(tag, "", path).action is action


def test_another_vr_than_the_dictionarys_takes_nothing_away_from_the_rule() -> None:
    rules = rule_book(BASIC, SegmentationStorage)
    assert rules.rule(0x00620020, "OB", (0x00620002,)).action is Action.DUMMY
    assert rules.rule(0x00620020, "SQ", (0x00620002,)).action is Action.REMOVE


def test_a_dummied_sequence_keeps_the_number_of_values_and_the_terms_that_ask_for_it() -> None:
    report = deidentified(as_file(OBJECTS["SR"]()), allowed_modalities=frozenset({"SR"}))
    number, line, span = report.ContentSequence[6].ContentSequence[1:]
    assert (line.GraphicType, line.GraphicData) == ("POLYLINE", [0, 0, 0, 0])
    assert (number.ContentSequence[0].GraphicType, number.ContentSequence[0].GraphicData) == ("CIRCLE", [0, 0, 0, 0])
    assert (span.TemporalRangeType, span.ReferencedTimeOffsets) == ("SEGMENT", [0, 0])


def test_a_reference_in_a_dummied_sequence_is_to_the_whole_instance() -> None:
    report = OBJECTS["SR"]()
    reference = report.ContentSequence[6].ContentSequence[2].ContentSequence[0].ReferencedSOPSequence[0]
    reference.ReferencedFrameNumber, reference.ReferencedSegmentNumber = 4, 5
    written = deidentified(as_file(report), allowed_modalities=frozenset({"SR"}))
    found = written.ContentSequence[6].ContentSequence[2].ContentSequence[0].ReferencedSOPSequence[0]
    assert {element.keyword for element in found} == {"ReferencedSOPClassUID", "ReferencedSOPInstanceUID"}


def test_a_class_that_is_no_uid_becomes_one() -> None:
    reference = item(ReferencedSOPInstanceUID="1.2.3")
    with disable_value_validation():
        reference.ReferencedSOPClassUID = "Z's class"
    written = deidentified(as_file(an_image(ReferencedInstanceSequence=[reference])))
    assert written.ReferencedInstanceSequence[0].ReferencedSOPClassUID == "2.25.0"
