"""The last look for original identifiers."""

from __future__ import annotations

from typing import Any

import pytest

from dicom_assets.deidentification.outcome import Deidentified, Quarantined
from dicom_assets.study import QuarantineReason as Reason
from dicom_assets.study import Subject
from dicom_assets_tests.deidentification.builders import (
    a_data_set,
    an_instance,
    as_file,
    deidentified,
    deidentified_bytes,
    deidentify,
    explicit,
    reason,
    with_elements,
)

KEPT = "Manufacturer"
"""An unlisted attribute, which the basic profile keeps."""


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ({"PatientName": "Zweistein^Albertine"}, "made for ZWEISTEIN"),
        ({"PatientName": "Zweistein^Albertine"}, "albertine7"),
        ({"PatientName": "Zweistein^Albertine"}, "(Albertine)"),
        ({"PatientName": "Jane^Roe"}, "for jane"),
        ({"PatientName": "Mary^Smith"}, "MarySmith"),
        ({"OtherPatientNames": "Zeppelin^Anna"}, "zeppelin"),
        ({"PatientID": "123456"}, "id 123456."),
        ({"PatientID": "12345678"}, "X0012345678Y"),
        ({"PatientID": "1234"}, "1234"),
        ({"PatientID": "AB"}, "ab"),
        ({"AccessionNumber": "ACC-99-X"}, "acc-99-x"),
        ({"PatientBirthDate": "19500417"}, "born 19500417"),
        ({"PatientBirthDate": "19500417"}, "born 04/17/1950"),
        ({"PatientBirthDate": "19500417"}, "born 1950-04-17"),
        ({"PatientTelephoneNumbers": "(215) 555-0199"}, "2155550199"),
        ({"PatientAddress": "12 Elm Street^Springfield"}, "in springfield"),
        ({"StudyID": "1"}, "1.2.826.0.1.99.1.1.1"),
        ({"OtherPatientIDsSequence": [a_data_set(PatientID="OTHER-5566")]}, "other-5566"),
    ],
)
def test_an_identifier_in_a_kept_attribute_is_found(attributes: dict[str, Any], kept: str) -> None:
    file = an_instance(**attributes, **{KEPT: kept})
    outcome, _ = deidentify(file)
    assert isinstance(outcome, Quarantined)
    assert outcome.reason is Reason.RESIDUAL_IDENTIFIER
    assert "(0008,0070)" in outcome.detail


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ({"PatientName": "Ches^Terry"}, "CHEST of drawers"),
        ({"PatientName": "Roe^Jan"}, "January"),
        ({"PatientID": "1234"}, "12345"),
        ({"PatientID": "1234"}, "1234.5"),
        ({"PatientID": "123456"}, "0.1234567"),
        ({"PatientID": "1"}, "1 of 3"),
        ({"PatientBirthDate": "1950"}, "since 1950"),
        ({"PatientBirthDate": "00000000"}, "00000000"),
        ({"PatientName": "", "PatientID": ""}, "Siemens"),
    ],
)
def test_what_only_looks_alike_is_left_alone(attributes: dict[str, Any], kept: str) -> None:
    assert deidentified(an_instance(**attributes, **{KEPT: kept})).Manufacturer == kept


@pytest.mark.parametrize("codec", ["latin-1", "utf-8", "utf-16-le"])
def test_a_name_is_found_in_every_encoding(codec: str) -> None:
    file = with_elements(
        explicit(0x00080005, "CS", b"ISO_IR 192"),
        explicit(0x00080070, "LO", "x Müßig y".encode(codec)),
        explicit(0x00100010, "PN", "Müßig^Anna".encode()),
    )
    assert reason(file) is Reason.RESIDUAL_IDENTIFIER


@pytest.mark.parametrize(
    ("terms", "codec", "name"),
    [
        (b"GB18030", "gb18030", "Wang^XiaoDong=王^小东"),
        (b"\\ISO 2022 IR 87", "iso2022_jp", "Yamada^Tarou=山田^太郎"),
        (b"ISO_IR 144", "iso8859_5", "Люксембург"),
    ],
)
def test_a_name_is_found_in_the_instances_own_encoding(terms: bytes, codec: str, name: str) -> None:
    part = name.rpartition("=")[2].partition("^")[0]
    shortest = 2 if ord(part[0]) >= 0x2E80 else 4
    word = name.rpartition("^")[2] if len(part) < shortest else part
    file = with_elements(
        explicit(0x00080005, "CS", terms),
        explicit(0x00080070, "LO", ("of " + word).encode(codec)),
        explicit(0x00100010, "PN", name.encode(codec)),
    )
    assert reason(file) is Reason.RESIDUAL_IDENTIFIER


def test_an_identifier_that_was_given_is_found() -> None:
    file = an_instance(Manufacturer="Dr. Zeppelin's own")
    assert isinstance(deidentify(file)[0], Deidentified)
    assert reason(file, identifiers=frozenset({"zeppelin"})) is Reason.RESIDUAL_IDENTIFIER


def test_our_own_values_are_not_residuals() -> None:
    file = an_instance(PatientName="Basic^Profile^Dummy", PatientID="113100")
    assert deidentified(file).PatientIdentityRemoved == "YES"


def test_a_name_that_is_also_the_manufacturers_is_kept_back() -> None:
    assert reason(an_instance(PatientName="SIEMENS^PHANTOM", Manufacturer="SIEMENS")) is Reason.RESIDUAL_IDENTIFIER


def test_an_identifier_in_pixels_is_not_looked_for() -> None:
    from dicom_assets_tests.deidentification.builders import an_image

    file = as_file(an_image(PatientName="Abcdefghijkl", PixelData=b"Abcdefghijkl"))
    assert b"Abcdefghijkl" in deidentified_bytes(file)


def test_an_alias_that_equals_the_patients_id_is_refused() -> None:
    assert reason(an_instance(PatientID="MRN77"), subject=Subject("mrn77", -1)) is Reason.RESIDUAL_IDENTIFIER
