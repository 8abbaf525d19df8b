"""Which instances are kept back, and why."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_assets.deidentification.outcome import Deidentified, Quarantined
from dicom_assets.deidentification.profile import Profile, parse_profile
from dicom_assets.deidentification.quarantine import QuarantineRules
from dicom_assets.errors import ProfileError
from dicom_assets.study import QuarantineReason as Reason
from dicom_assets_tests.deidentification.builders import (
    PIXELS,
    an_image,
    an_instance,
    as_file,
    deidentify,
    explicit,
    profile_with,
    reason,
    with_elements,
)
from dicom_assets_tests.deidentification.iod_objects import OBJECTS

PDF = "1.2.840.10008.5.1.4.1.1.104.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"SeriesDescription": "Patient  Protocol"}, Reason.PATIENT_PROTOCOL),
        ({"SeriesDescription": "the PATIENT PROTOCOL of today"}, Reason.PATIENT_PROTOCOL),
        ({"SeriesDescription": "Screen Save"}, Reason.SCREEN_SAVE),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, Reason.SCREEN_SAVE),
        ({"BurnedInAnnotation": "YES"}, Reason.BURNED_IN_ANNOTATION),
        ({"Manufacturer": "PACSGEAR"}, Reason.SUSPECT_DEVICE),
        ({"Manufacturer": "North American  Imaging, Inc."}, Reason.SUSPECT_DEVICE),
        ({"ManufacturerModelName": "Film Digitizer 3"}, Reason.SUSPECT_DEVICE),
        ({"SOPClassUID": PDF}, Reason.ENCAPSULATED_DOCUMENT),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.3"}, Reason.ENCAPSULATED_DOCUMENT),
        ({"SOPClassUID": SECONDARY_CAPTURE}, Reason.SECONDARY_CAPTURE),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.4"}, Reason.SECONDARY_CAPTURE),
        ({"Modality": None}, Reason.MODALITY_MISSING),
        ({"Modality": ""}, Reason.MODALITY_MISSING),
        ({"Modality": "US"}, Reason.MODALITY_NOT_ALLOWED),
        ({"SOPClassUID": None}, Reason.MALFORMED),
        ({"SOPInstanceUID": None}, Reason.MALFORMED),
        ({"StudyInstanceUID": None}, Reason.MALFORMED),
        ({"SeriesInstanceUID": None}, Reason.MALFORMED),
        ({"SOPInstanceUID": ["1.2.3", "1.2.4"]}, Reason.MALFORMED),
    ],
)
def test_an_instance_is_kept_back(attributes: dict[str, Any], expected: Reason) -> None:
    assert reason(an_instance(**attributes)) is expected


def test_a_modality_is_compared_in_upper_case() -> None:
    assert isinstance(deidentify(an_instance(Modality="ct"))[0], Deidentified)


def test_the_first_rule_that_applies_is_the_reason() -> None:
    worst = {"SeriesDescription": "patient protocol save", "BurnedInAnnotation": "YES", "Modality": "US"}
    assert reason(an_instance(**worst)) is Reason.PATIENT_PROTOCOL
    assert reason(an_instance(**{**worst, "SeriesDescription": "save"})) is Reason.SCREEN_SAVE
    assert reason(an_instance(**{**worst, "SeriesDescription": ""})) is Reason.BURNED_IN_ANNOTATION
    assert reason(an_instance(**{**worst, "SOPInstanceUID": None})) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("attributes", "rule"),
    [
        ({"SeriesDescription": "Patient Protocol"}, "patient_protocol"),
        ({"SeriesDescription": "Screen Save"}, "screen_save"),
        ({"BurnedInAnnotation": "YES"}, "burned_in_annotation"),
        ({"SOPClassUID": PDF}, "encapsulated_documents"),
        ({"SOPClassUID": SECONDARY_CAPTURE}, "secondary_capture"),
    ],
)
def test_a_rule_can_be_switched_off(attributes: dict[str, Any], rule: str) -> None:
    off: dict[str, Any] = {rule: False}
    profile = profile_with(quarantine=replace(QuarantineRules(), **off))
    assert isinstance(deidentify(an_instance(**attributes), profile=profile)[0], Deidentified)


@pytest.mark.parametrize(
    ("description", "detail"),
    [("patient protocol", "(0008,103E) exact"), ("Patient Protocol 2", "(0008,103E) contained")],
)
def test_the_detail_tells_how_the_patient_protocol_was_named(description: str, detail: str) -> None:
    outcome, _ = deidentify(an_instance(SeriesDescription=description))
    assert outcome == Quarantined(Reason.PATIENT_PROTOCOL, detail)


@pytest.mark.parametrize(
    "attributes",
    [
        {"PixelData": bytes(10)},
        {"PixelData": bytes(14)},
        {"PixelData": None},
        {"Rows": None},
        {"BitsStored": None, "SamplesPerPixel": 2},
        {"NumberOfFrames": "2"},
    ],
)
def test_pixels_that_do_not_add_up_are_malformed(attributes: dict[str, Any]) -> None:
    assert reason(as_file(an_image(**attributes))) is Reason.MALFORMED


def test_an_odd_number_of_bytes_may_be_padded() -> None:
    file = as_file(an_image(BitsAllocated=8, Columns=1, Rows=3, PixelData=b"\1\2\3\0"))
    assert isinstance(deidentify(file)[0], Deidentified)


@pytest.mark.parametrize("content", [b"", b"DICM", b"hello, this is no DICOM file at all", bytes(200), b"\xff" * 300])
def test_what_is_not_dicom_is_kept_back(content: bytes) -> None:
    assert reason(content) in {Reason.UNREADABLE, Reason.MALFORMED}


def test_an_unknown_transfer_syntax_is_unreadable() -> None:
    file = an_instance().replace(b"1.2.840.10008.1.2.1\0", b"1.2.999.10008.1.2.1\0")
    assert reason(file) is Reason.UNREADABLE


def test_an_attribute_that_occurs_twice_is_malformed() -> None:
    assert reason(an_instance() + explicit(0x00100010, "PN", b"Other^Name")) is Reason.MALFORMED


@given(st.integers(0, 1200))
@settings(deadline=None)
def test_a_truncated_file_is_kept_back(length: int) -> None:
    file = as_file(an_image(TextValue="x" * 200, PatientComments="y" * 200))
    assert len(file) > 600
    outcome, _ = deidentify(file[: min(length, len(file) - 1)])
    assert isinstance(outcome, Quarantined)


@pytest.mark.parametrize("name", ["CT", "US multi-frame", "SEG", "SR", "PDF"])
def test_a_file_cut_between_two_elements_is_malformed(name: str) -> None:
    settings: dict[str, Any] = {
        "profile": profile_with(quarantine=QuarantineRules(encapsulated_documents=False)),
        "allowed_modalities": frozenset({"CT", "US", "SEG", "SR", "DOC"}),
    }
    whole = OBJECTS[name]()
    assert isinstance(deidentify(as_file(whole), **settings)[0], Deidentified)
    cut = OBJECTS[name]()
    content = {"SR": 0x0040A730, "PDF": 0x00420011}.get(name, 0x7FE00010)
    for tag in [element.tag for element in whole if element.tag >= min(content, 0x00280000)]:
        del cut[tag]
    assert reason(as_file(cut), **settings) is Reason.MALFORMED


def test_a_report_may_have_no_content_when_it_was_not_cut() -> None:
    report = OBJECTS["SR"]()
    del report.ContentSequence
    assert reason(as_file(report), allowed_modalities=frozenset({"SR"})) is Reason.MALFORMED
    report.add_new(0xFFFCFFFC, "OB", bytes(2))
    assert isinstance(deidentify(as_file(report), allowed_modalities=frozenset({"SR"}))[0], Deidentified)


def test_an_object_whose_kind_needs_no_pixels_passes_without() -> None:
    state = deidentify(as_file(OBJECTS["GSPS"]()), allowed_modalities=frozenset({"PR"}))[0]
    assert isinstance(state, Deidentified)


def test_an_image_whose_pixels_are_elsewhere_is_malformed() -> None:
    assert reason(as_file(an_image(PixelData=None, PixelDataProviderURL="http://x/1"))) is Reason.MALFORMED


def test_sequences_without_end_are_malformed() -> None:
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = struct.pack("<HH2sHL", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF)
    assert reason(an_instance() + sequence + item) is Reason.MALFORMED
    assert reason(an_instance() + (sequence + item) * 200) is Reason.MALFORMED


@given(st.binary(max_size=300), st.integers(0, 500))
@settings(deadline=None)
def test_garbage_in_a_file_never_crashes(garbage: bytes, position: int) -> None:
    file = as_file(an_image())
    deidentify(file[: 132 + position] + garbage + file[132 + position + len(garbage) :])


def test_a_quarantined_instance_shows_no_value() -> None:
    outcome, _ = deidentify(with_elements(explicit(0x0008103E, "LO", b"Patient Protocol of Zweistein")))
    assert "weistein" not in repr(outcome)


def test_pixels_of_the_wrong_form_for_their_transfer_syntax_are_malformed() -> None:
    file = as_file(an_image()).replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x14\x001.2.840.10008.1.2.5\0")
    assert PIXELS["PixelData"] in file
    assert reason(file) is Reason.MALFORMED


def keeping_back(text: str) -> Profile:
    return parse_profile(f"name: mine\nversion: '1'\nquarantine:\n{text}", "p.yaml")


def test_sop_classes_may_be_allowed_or_refused() -> None:
    only_mr = keeping_back("  allowed_sop_classes: [MRImageStorage]\n")
    assert reason(an_instance(), profile=only_mr) is Reason.SOP_CLASS_NOT_ALLOWED
    no_ct = keeping_back("  refused_sop_classes: [1.2.840.10008.5.1.4.1.1.2]\n")
    assert reason(an_instance(), profile=no_ct) is Reason.SOP_CLASS_NOT_ALLOWED
    both = keeping_back("  allowed_sop_classes: [CTImageStorage]\n  refused_sop_classes: [MRImageStorage]\n")
    assert isinstance(deidentify(an_instance(), profile=both)[0], Deidentified)


HEADS = """  rules:
    - name: heads
      when: Modality.equals("CT") * (BodyPartExamined.containsIgnoreCase("head") + StudyDescription.contains("brain"))
    - name: nested
      when: RequestAttributesSequence::RequestedProcedureID.startsWith("X")
"""


def test_a_rule_keeps_back_what_meets_its_condition_and_is_named() -> None:
    profile = keeping_back(HEADS)
    for attributes in ({"BodyPartExamined": "HEADNECK"}, {"StudyDescription": "a brain"}):
        outcome, _ = deidentify(an_instance(**attributes), profile=profile)
        assert outcome == Quarantined(Reason.QUARANTINE_RULE, "rule heads")
    item = Dataset()
    item.RequestedProcedureID = "X4"
    outcome, _ = deidentify(an_instance(RequestAttributesSequence=[item]), profile=profile)
    assert outcome == Quarantined(Reason.QUARANTINE_RULE, "rule nested")
    assert isinstance(deidentify(an_instance(BodyPartExamined="CHEST"), profile=profile)[0], Deidentified)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  allowed_sop_classes: [Nonsense]\n", r"line 4: quarantine.allowed_sop_classes names a SOP Class by neither"),
        ("  rules:\n    - when: true.\n", r"line 5: quarantine.rules\[1\].name is missing"),
        ("  rules:\n    - name: a\n", r"line 5: quarantine.rules\[1\].when is missing"),
        ("  rules:\n    - name: a\n      when: Rows.dances(4)\n", r"line 6: quarantine.rules\[1\].when "),
        ("  rules:\n    - {name: a, when: true., blank: 1}\n", r"rules\[1\].blank is not a field"),
    ],
)
def test_a_mistake_in_a_rule_is_named_by_line_and_field(text: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        keeping_back(text)
