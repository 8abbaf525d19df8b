"""The packaged table, held against the CSV it was built from."""

from __future__ import annotations

import csv

import pytest

from dicom_assets.deidentification.compound_codes import resolve
from dicom_assets.deidentification.table import PRIVATE, confidentiality_table, parse_table
from dicom_assets.errors import ConfigurationError
from dicom_assets_tests.deidentification.builders import SHARED

SOURCE = SHARED / "standard" / "table_e1_1.csv"
TABLE = confidentiality_table()


@pytest.mark.skipif(not SOURCE.is_file(), reason="the CSV of Table E.1-1 is not beside the repository")
def test_every_row_equals_its_source() -> None:
    with SOURCE.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == len(TABLE.rows) == 657
    for line, row in zip(lines, TABLE.rows, strict=True):
        options = {name: str(row.options.get(name, "")) for name in TABLE.option_columns}
        assert line == {
            "tag": row.tag,
            "keyword": row.keyword,
            "vr": row.vr,
            "name": row.name,
            "retired": str(int(row.retired)),
            "in_standard_iod": str(int(row.in_standard_iod)),
            "basic": row.basic,
            **options,
        }


def test_the_table_names_its_edition() -> None:
    assert TABLE.edition == "2026d"


def test_every_code_of_the_basic_profile_can_be_resolved() -> None:
    for row in TABLE.rows:
        resolve(row.basic, 0, "")


@pytest.mark.parametrize(
    ("tag", "row"),
    [
        (0x00100010, "00100010"),
        (0x50000010, "50XXXXXX"),
        (0x501E3000, "50XXXXXX"),
        (0x60003000, "60XX3000"),
        (0x601E4000, "60XX4000"),
        (0x00091010, PRIVATE),
        (0x00290010, PRIVATE),
    ],
)
def test_a_tag_finds_its_row(tag: int, row: str) -> None:
    found = TABLE.row_for(tag)
    assert found is not None
    assert found.tag == row


def test_an_unlisted_tag_has_no_row() -> None:
    assert TABLE.row_for(0x00280010) is None


def test_a_broken_table_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        parse_table(b'{"rows": []}')
