"""What becomes of an instance by the status that a PACS answers."""

from __future__ import annotations

import pytest
from pydicom.uid import CTImageStorage, JPEG2000Lossless

from dicom_assets.adapters.pacs.store_status import not_accepted, outcome_of

UID = "2.25.7"


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007], ids=hex)
def test_success_and_the_warnings_of_the_standard_mean_stored(status: int) -> None:
    assert outcome_of(UID, status).problem == ""


@pytest.mark.parametrize(
    ("status", "retriable", "said"),
    [
        (0xA700, True, "out of resources"),
        (0xA702, True, "out of resources"),
        (0xA7FF, True, "out of resources"),
        (0x0210, True, "duplicate"),
        (0x0213, True, "limit of its resources"),
        (0xA900, False, "does not match its SOP Class"),
        (0xA9FF, False, "does not match its SOP Class"),
        (0xC000, False, "can't understand"),
        (0xCFFF, False, "can't understand"),
        (0x0110, False, "failed to process"),
        (0x0122, False, "does not store this SOP Class"),
        (0x0124, False, "not authorized"),
    ],
    ids=lambda value: hex(value) if isinstance(value, int) else "",
)
def test_failure_is_told_with_its_meaning_and_whether_it_may_pass(status: int, retriable: bool, said: str) -> None:
    outcome = outcome_of(UID, status)

    assert outcome.problem.startswith(f"refused with status 0x{status:04X} (")
    assert said in outcome.problem
    assert outcome.retriable is retriable


@pytest.mark.parametrize("status", [0x0001, 0x0107, 0xA701 - 0x100, 0xB001, 0xFE00, 0xFF00, 0xFFFF], ids=hex)
def test_status_without_a_known_meaning_is_never_taken_for_stored(status: int) -> None:
    outcome = outcome_of(UID, status)

    assert "no known meaning" in outcome.problem
    assert not outcome.retriable


def test_class_and_syntax_that_are_not_accepted_are_named_in_words() -> None:
    outcome = not_accepted(UID, CTImageStorage, JPEG2000Lossless)

    assert "CT Image Storage (1.2.840.10008.5.1.4.1.1.2)" in outcome.problem
    assert "JPEG 2000 Image Compression (Lossless Only) (1.2.840.10008.1.2.4.90)" in outcome.problem


def test_class_that_nobody_knows_is_named_by_its_uid() -> None:
    assert "SOP Class 1.2.3.4.5.6.7 in" in not_accepted(UID, "1.2.3.4.5.6.7", JPEG2000Lossless).problem
