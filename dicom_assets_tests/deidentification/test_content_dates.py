"""Dates of content items under the options about dates."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from dicom_assets.deidentification.options import Option
from dicom_assets_tests.deidentification.builders import an_image, as_file, deidentified_bytes, profile_with

BIRTH_DATES = [("121031", "DCM"), ("184099003", "SCT"), ("4711", "99LOCAL"), None]
STARTED = ("111526", "DCM")


def a_report(concept: tuple[str, str] | None, sequence: str, keyword: str, value: str) -> bytes:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", keyword.upper()
    if concept is not None:
        name = Dataset()
        name.CodeValue, name.CodingSchemeDesignator = concept
        name.CodeMeaning = "a date"
        item.ConceptNameCodeSequence = [name]
    setattr(item, keyword, value)
    return as_file(an_image(StudyDate="20240411", **{sequence: [item]}))


@pytest.mark.parametrize("sequence", ["ContentSequence", "ContentItemModifierSequence", "AcquisitionContextSequence"])
@pytest.mark.parametrize(
    "options",
    [
        {Option.RETAIN_FULL_DATES},
        {Option.RETAIN_MODIFIED_DATES},
        {Option.RETAIN_MODIFIED_DATES, Option.CLEAN_STRUCTURED_CONTENT},
    ],
)
@pytest.mark.parametrize(("keyword", "value"), [("Date", "19310203"), ("DateTime", "19310203112233")])
@pytest.mark.parametrize("concept", BIRTH_DATES)
def test_a_birth_date_in_content_neither_stays_nor_moves(
    concept: tuple[str, str] | None, keyword: str, value: str, options: set[Option], sequence: str
) -> None:
    file = a_report(concept, sequence, keyword, value)
    written = deidentified_bytes(file, profile=profile_with(options=frozenset(options)))
    assert b"19310203" not in written
    assert b"19301026" not in written


def test_another_date_in_content_moves_with_all_others() -> None:
    profile = profile_with(options=frozenset({Option.RETAIN_MODIFIED_DATES}))
    written = deidentified_bytes(a_report(STARTED, "ContentSequence", "Date", "20240411"), profile=profile)
    assert written.count(b"20240102") == 2
