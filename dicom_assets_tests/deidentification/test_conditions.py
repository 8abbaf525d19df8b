"""Conditions of pixel rules: what they mean, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicom_assets.deidentification.conditions import METHODS, ConditionError, holds, parse_condition
from dicom_assets.deidentification.encoded import Element, Reader
from dicom_assets.deidentification.header import Header
from dicom_assets.deidentification.part10 import open_part10
from dicom_assets_tests.deidentification.builders import a_data_set, as_file

REGION = Dataset()
REGION.RegionLocationMinY0 = 30
ATTRIBUTES: dict[str, Any] = {
    "Modality": "CT",
    "Manufacturer": "ACME Medical",
    "ManufacturerModelName": "Scan.One",
    "Rows": 512,
    "ImageType": ["DERIVED", "SECONDARY", "AXIAL"],
    "PatientAge": "061Y",
    "SliceLocation": "-12.5",
    "SequenceOfUltrasoundRegions": [REGION],
}


def header(transfer_syntax: str = "1.2.840.10008.1.2.1", **attributes: Any) -> Header:
    ds = a_data_set(**{**ATTRIBUTES, **attributes})
    ds.private_block(0x0029, "ACME HEADER", create=True).add_new(0x10, "LO", "burned")
    part10 = open_part10(as_file(ds, transfer_syntax))
    return Header.of(Reader(part10.data, part10.encoding).data_set()[0], part10)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('Modality.equals("CT")', True),
        ('Modality.equals("ct")', False),
        ('Modality.equalsIgnoreCase("ct")', True),
        ('Manufacturer.contains("Med")', True),
        ('Manufacturer.contains("med")', False),
        ('Manufacturer.containsIgnoreCase("med")', True),
        ('Manufacturer.startsWith("ACME")', True),
        ('Manufacturer.startsWith("acme")', False),
        ('Manufacturer.startsWithIgnoreCase("acme")', True),
        ('Manufacturer.endsWith("Medical")', True),
        ('Manufacturer.endsWith("MEDICAL")', False),
        ('Manufacturer.endsWithIgnoreCase("MEDICAL")', True),
        (r'ManufacturerModelName.matches("Scan\.(One|Two)")', True),
        ('ManufacturerModelName.matches("Scan")', False),
        ('[0008,0070].contains("ACME")', True),
        ('[00080070].contains("ACME")', True),
        ('Rows.equals("512")', True),
        ('Rows.isLessThan("513")', True),
        ('Rows.isLessThan("512")', False),
        ('Rows.isGreaterThan("511.5")', True),
        ('PatientAge.isGreaterThan("60")', True),
        ('SliceLocation.isLessThan("0")', True),
        ('Manufacturer.isLessThan("5")', False),
        (r'ImageType.contains("\SECONDARY\")', True),
        ('InstitutionName.equals("")', True),
        ('InstitutionName.contains("x")', False),
        ('SequenceOfUltrasoundRegions::RegionLocationMinY0.equals("30")', True),
        ('SeqOfUltrasoundRegions::RegionLocationMinY0.isGreaterThan("29")', True),
        ('[0018,6011]::[0018,601A].equals("30")', True),
        ('Manufacturer::Modality.equals("CT")', False),
        ('[0029[ACME HEADER]10].equals("burned")', True),
        ('[0029[OTHER]10].equals("burned")', False),
        ('TransferSyntaxUID.equals("1.2.840.10008.1.2.1")', True),
        ("true.", True),
        ("false.", False),
        ("!false.", True),
        ("!!true.", True),
        ("true. + true. * false.", True),
        ("(true. + true.) * false.", False),
        ("!true. + true.", True),
        ("!(true. + true.)", False),
        ('Modality.equals ( "CT" )\n  // a comment ) * (\n  * Rows.equals("512")', True),
        ('Manufacturer.contains("(")', False),
    ],
)
def test_a_condition_means_what_ctp_makes_of_it(condition: str, expected: bool) -> None:
    assert holds(parse_condition(condition), header()) is expected


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2"])
def test_numbers_are_compared_in_every_encoding(syntax: str) -> None:
    assert holds(parse_condition('Rows.equals("512") * [0018,6011]::[0018,601A].equals("30")'), header(syntax))


def test_text_is_compared_in_its_character_set() -> None:
    subject = header(SpecificCharacterSet="ISO_IR 192", Manufacturer="Ümläut & Søn")
    assert holds(parse_condition('Manufacturer.containsIgnoreCase("ümläut")'), subject)


def test_every_method_of_ctp_is_known() -> None:
    insensitive = {f"{name}IgnoreCase" for name in ("equals", "contains", "startsWith", "endsWith")}
    sensitive = {"equals", "matches", "contains", "startsWith", "endsWith", "isLessThan", "isGreaterThan"}
    assert METHODS.keys() == insensitive | sensitive


@pytest.mark.parametrize(
    ("condition", "line", "problem"),
    [
        ("", 1, "lacks a test"),
        ("true. *\n", 2, "lacks a test"),
        ("(true.\n + false.", 2, "lacks a closing parenthesis"),
        ("true. false.", 1, "goes on where it should end"),
        ("true. )", 1, "goes on"),
        ('Modality.equals("CT")\n & true.', 2, "no test, operator"),
        ("Modality.equals(CT)", 1, "no test, operator"),
        ("true", 1, "no test, operator"),
        ('true. *\nModality.resembles("CT")', 2, "no known method: resembles"),
        ('Modality.matches("(")', 1, "regular expression"),
        ('Modalty.equals("CT")', 1, "Modalty is no attribute"),
        ('[0002,0016].equals("X")', 1, "no attribute of a data set"),
        ('[0028[ACME]10].equals("X")', 1, "group is not private"),
    ],
)
def test_a_mistake_is_named_by_line(condition: str, line: int, problem: str) -> None:
    with pytest.raises(ConditionError, match=problem) as caught:
        parse_condition(condition)
    assert caught.value.line == line


def test_a_broken_number_is_no_number() -> None:
    part10 = open_part10(as_file(a_data_set()))
    data_set, _ = Reader(part10.data, part10.encoding).data_set()
    data_set.put(Element(0x00280010, "US", b"\1"))
    assert holds(parse_condition('Rows.equals("")'), Header.of(data_set, part10))
