"""Identifiers in other spellings than their own, and words that only look like one."""

from __future__ import annotations

from typing import Any

import pytest

from dicom_assets.deidentification.outcome import Deidentified
from dicom_assets.deidentification.spellings import bare_forms, date_forms
from dicom_assets.study import QuarantineReason as Reason
from dicom_assets_tests.deidentification.builders import (
    a_data_set,
    an_image,
    an_instance,
    as_file,
    deidentified,
    deidentify,
    explicit,
    reason,
    with_elements,
)

BORN = {"PatientBirthDate": "19700102"}


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ({"PatientID": "12345678"}, "no. 123-45-678"),
        ({"PatientID": "12345678"}, "123 45 678"),
        ({"PatientID": "123-45-678"}, "of 12345678"),
        ({"PatientID": "123.45.678"}, "of 123/45/678,"),
        ({"PatientID": "123456"}, "12 34 56"),
        ({"PatientID": "123456"}, "00 12-34-56"),
        ({"PatientID": "MRN-4711-0815"}, "mrn 4711.0815"),
        ({"PatientID": "MRN-4711-0815"}, "MRN47110815"),
        ({"PatientID": "MRN-4711-0815"}, "4711/0815"),
        ({"AccessionNumber": "A.2020.00017"}, "A2020-00017"),
        ({"PatientTelephoneNumbers": "(215) 555-0199"}, "215.555.0199"),
        ({"PatientTelephoneNumbers": "2155550199"}, "(215) 555-0199"),
        ({"PatientAddress": "12, Elm Street 7"}, "12 Elm-Street 7"),
        (BORN, "1970-01-02"),
        (BORN, "02.01.1970"),
        (BORN, "02. 01. 1970"),
        (BORN, "2.1.1970"),
        (BORN, "1/2/1970"),
        (BORN, "1970 01 02"),
        (BORN, "02011970"),
        (BORN, "01021970"),
        (BORN, "01/02/70"),
        (BORN, "born 02.01.70."),
        (BORN, "02-JAN-1970"),
        (BORN, "January 2, 1970"),
    ],
)
def test_a_number_is_found_however_it_is_punctuated(attributes: dict[str, Any], kept: str) -> None:
    assert reason(an_instance(**attributes, Manufacturer=kept)) is Reason.RESIDUAL_IDENTIFIER


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["x 123-45-678 y", "by Albertine", "by Müßiggang", "12345678"])
def test_utf_16_of_either_byte_order_is_read(codec: str, text: str) -> None:
    file = with_elements(
        explicit(0x00080005, "CS", b"ISO_IR 192"),
        explicit(0x00080070, "LO", text.encode(codec)),
        explicit(0x00100010, "PN", "Müßiggang^Albertine".encode()),
        explicit(0x00100020, "LO", b"12345678"),
    )
    assert reason(file) is Reason.RESIDUAL_IDENTIFIER


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ({"PatientID": "12345678"}, "12-34-56-789"),
        ({"PatientID": "12345678"}, "0.123.45678"),
        ({"PatientID": "12345678"}, "12345.678.9"),
        ({"PatientID": "12345"}, "1.2.345"),
        ({"PatientID": "A1"}, "A-1 of 2"),
        ({"PatientName": "Mary^V2020"}, "v.20.20"),
        ({"AccessionNumber": "?"}, "?"),
        (BORN, "11/2/1970"),
        (BORN, "1/2/19701"),
        (BORN, "1.02.01.70"),
        (BORN, "70 01 02"),
    ],
)
def test_another_number_is_left_alone(attributes: dict[str, Any], kept: str) -> None:
    assert deidentified(an_instance(**attributes, Manufacturer=kept)).Manufacturer == kept


def test_numbers_are_not_put_together_from_several_values() -> None:
    file = an_instance(PatientID="12345678", SliceThickness="1234.5678", ImagePositionPatient=["1234", "5678", "0"])
    assert isinstance(deidentify(file)[0], Deidentified)
    assert isinstance(deidentify(an_instance(PatientID="12345678", Manufacturer="1234\\5678"))[0], Deidentified)


def test_a_decimal_with_an_id_among_its_digits_is_left_alone() -> None:
    file = with_elements(explicit(0x00180050, "DS", b"0.9123456781"), PatientID="12345678")
    assert isinstance(deidentify(file)[0], Deidentified)
    file = with_elements(explicit(0x00180050, "DS", b"12345678"), PatientID="12345678")
    assert reason(file) is Reason.RESIDUAL_IDENTIFIER


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("Brain^Ann", {"BodyPartExamined": "BRAIN"}),
        ("Headneck^Ann", {"BodyPartExamined": "HEADNECK"}),
        ("Axial^Ann", {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}),
        ("Primary^Original", {"ImageType": ["ORIGINAL", "PRIMARY"]}),
    ],
)
def test_a_defined_term_in_a_coded_attribute_is_no_name(name: str, attributes: dict[str, Any]) -> None:
    ds = deidentified(an_instance(PatientName=name, **attributes))
    for keyword, value in attributes.items():
        assert ds[keyword].value == value


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("Brain^Ann", {"BodyPartExamined": "Brain of Ann"}),
        ("Brain^Ann", {"BodyPartExamined": "Brain"}),
        ("Brain^Ann", {"ImageType": ["ORIGINAL", "PRIMARY", "BRAIN"]}),
        ("Brain^Ann", {"Manufacturer": "BRAIN"}),
        ("Brain^Ann", {"BodyPartExamined": "BRAIN", "Manufacturer": "BRAIN"}),
        ("Axial^Ann", {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "AXIAL B"]}),
    ],
)
def test_no_other_value_is_passed_for_looking_like_a_term(name: str, attributes: dict[str, Any]) -> None:
    assert reason(an_instance(PatientName=name, **attributes)) is Reason.RESIDUAL_IDENTIFIER


def test_an_id_that_is_a_defined_term_is_kept_back() -> None:
    assert reason(an_instance(PatientID="BRAIN", BodyPartExamined="BRAIN")) is Reason.RESIDUAL_IDENTIFIER


def test_samples_are_left_out_of_the_search() -> None:
    ds = an_image(PatientName="Abcdefghijkl")
    lut = a_data_set(LUTDescriptor=[6, 0, 16])
    lut.add_new(0x00283006, "OW", b"Abcdefghijkl")
    ds.ModalityLUTSequence = [lut]
    assert b"Abcdefghijkl" in deidentify(as_file(ds))[1]
    assert reason(with_elements(explicit(0x00283006, "LO", b"Zweistein"))) is Reason.RESIDUAL_IDENTIFIER
    assert reason(with_elements(explicit(0x00282000, "OB", b"descZweistein"))) is Reason.RESIDUAL_IDENTIFIER


def test_an_items_own_character_set_is_searched_in() -> None:
    item = explicit(0x00080005, "CS", b"ISO_IR 144") + explicit(0x00081150, "UI", b"1.2.3")
    item += explicit(0x00100010, "PN", "Люксембург".encode("iso8859_5"))
    sequence = explicit(0x00081140, "SQ", explicit(0xFFFEE000, "UN", b"")[:4] + len(item).to_bytes(4, "little") + item)
    file = with_elements(sequence, explicit(0x00080070, "LO", "Люксембург".encode("iso8859_5")))
    assert reason(file) is Reason.RESIDUAL_IDENTIFIER


@pytest.mark.parametrize(
    ("declared", "codec"), [(b"ISO_IR 100", "utf-8"), (b"ISO_IR 192", "latin-1"), (b"ISO_IR 6", "utf-8")]
)
@pytest.mark.parametrize("other", ["utf-8", "latin-1"])
def test_a_name_in_another_character_set_than_declared_is_found(declared: bytes, codec: str, other: str) -> None:
    file = with_elements(
        explicit(0x00080005, "CS", declared),
        explicit(0x00080070, "LO", "of Müßiggang".encode(other)),
        explicit(0x00100010, "PN", "Müßiggang^Anna".encode(codec)),
    )
    assert reason(file) is Reason.RESIDUAL_IDENTIFIER


def test_what_is_no_date_has_no_forms() -> None:
    assert date_forms("1950") == date_forms("19501341") == date_forms("no date") == ()
    assert bare_forms("1950", "birth date") == bare_forms("2/1/1970", "birth date") == set()
    assert date_forms("19701112") == ("19701112", "11-12-70", "11/12/70", "12-11-70", "12/11/70", "12.11.70")


def test_names_words_and_uids_have_no_bare_form() -> None:
    assert (
        bare_forms("V2020", "name") == bare_forms("1.2.3456789", "UID") == bare_forms("Elm Street", "contact") == set()
    )
    assert bare_forms("MRN-4711-0815", "patient id") == {"mrn47110815", "47110815"}
