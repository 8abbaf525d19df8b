"""One case per row of Table E.3.4-1 and per option's code: at top level, nested, and by a retired code."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from dicom_assets.deidentification.action import Action, ActionCode
from dicom_assets.deidentification.content_rules import content_rule
from dicom_assets.deidentification.content_table import ContentRow, content_table, parse_content_table
from dicom_assets.deidentification.options import COLUMNS, SUPPORTED, Option
from dicom_assets.errors import ConfigurationError
from dicom_assets_tests.deidentification.builders import as_file
from dicom_assets_tests.deidentification.content_builders import (
    ORIGINAL_UID,
    SENTINEL,
    a_report,
    a_value,
    an_item,
    cleaned,
    cleaned_bytes,
    cleaning,
)

TABLE = content_table()
BY_COLUMN = {column: option for option, column in COLUMNS.items()}
DATES = {"DATE", "TIME", "DATETIME"}
REFERENCES = {"IMAGE", "COMPOSITE", "WAVEFORM"}
CODED = [(row, BY_COLUMN[column]) for row in TABLE.rows for column in row.options]


def row_id(row: ContentRow) -> str:
    return f"{row.scheme}-{row.code}-{row.value_type}"


rows = pytest.mark.parametrize("row", TABLE.rows, ids=row_id)


def the_item(row: ContentRow, *children: Dataset) -> Dataset:
    return an_item(row.value_type, (row.code, row.scheme, row.meaning[:64]), *children, **a_value(row.value_type))


def assert_basic_action_was_taken(items: list[Dataset], row: ContentRow) -> None:
    if row.basic is ActionCode.REMOVE:
        assert items == []
        return
    (item,) = items
    assert item.ValueType == row.value_type
    assert item.ConceptNameCodeSequence[0].CodeValue == row.code
    if row.value_type == "UIDREF":
        assert item.UID.startswith("2.25.")
    elif row.value_type in REFERENCES:
        assert item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID.startswith("2.25.")
    else:
        (keyword,) = a_value(row.value_type)
        expected = {"DATE": "19000101", "TIME": "000000", "DATETIME": "19000101000000"}.get(row.value_type, "DUMMY")
        assert str(item[keyword].value) == expected


def assert_nothing_is_left(written: bytes) -> None:
    for sentinel in (SENTINEL, ORIGINAL_UID, "20370911", "235911", "77125"):
        assert sentinel.encode() not in written


@rows
def test_row_at_top_level_nested_and_below_what_stays(row: ContentRow) -> None:
    container = an_item("CONTAINER", None, the_item(row))
    file = as_file(a_report(the_item(row), container, an_item("CONTAINER", None)))
    assert_nothing_is_left(cleaned_bytes(file))
    content = list(cleaned(file).ContentSequence)
    assert_basic_action_was_taken(content[:-2], row)
    assert_basic_action_was_taken(list(content[-2].get("ContentSequence", [])), row)


@pytest.mark.parametrize("row", [row for row in TABLE.rows if row.retired_codes], ids=row_id)
@pytest.mark.parametrize("scheme", ["SRT", "SNM3", "99SDM"])
def test_row_by_its_retired_code(row: ContentRow, scheme: str) -> None:
    (code,) = row.retired_codes
    assert content_rule(code, scheme, row.value_type, cleaning()) == content_rule(
        row.code, row.scheme, row.value_type, cleaning()
    )


@pytest.mark.parametrize(("row", "option"), CODED, ids=[f"{row_id(row)}-{COLUMNS[option]}" for row, option in CODED])
def test_option_changes_the_action_of_a_row(row: ContentRow, option: Option) -> None:
    rule = content_rule(row.code, row.scheme, row.value_type, cleaning(option))
    code = row.options[COLUMNS[option]]
    kept = Action.CLEAN if code is ActionCode.CLEAN else Action.KEEP
    assert rule.action is (Action.SHIFT if row.value_type in DATES else kept)
    assert (rule.name, rule.option) == (f"E.3.4-1 {code}", option)
    assert rule.otherwise is content_rule(row.code, row.scheme, row.value_type, cleaning()).action


@pytest.mark.parametrize(
    ("row", "option"),
    [pair for pair in CODED if pair[0].options[COLUMNS[pair[1]]] is ActionCode.KEEP],
    ids=lambda value: row_id(value) if isinstance(value, ContentRow) else COLUMNS[value],
)
def test_item_that_an_option_keeps_is_there(row: ContentRow, option: Option) -> None:
    if row.value_type in DATES and option not in SUPPORTED:
        pytest.skip("dates are not carried out yet")
    item = the_item(row)
    if row.value_type == "CODE":
        item.ConceptCodeSequence[0].CodingSchemeDesignator = "DCM"
    (kept,) = cleaned(as_file(a_report(item)), option).ContentSequence
    assert kept.ValueType == row.value_type
    if row.value_type != "NUM":
        (keyword,) = a_value(row.value_type)
        assert kept[keyword] == item[keyword]


@pytest.mark.parametrize(
    ("row", "option"),
    [pair for pair in CODED if pair[0].options[COLUMNS[pair[1]]] is ActionCode.CLEAN],
    ids=lambda value: row_id(value) if isinstance(value, ContentRow) else COLUMNS[value],
)
def test_item_that_an_option_cleans_does_not_stay_as_it_came(row: ContentRow, option: Option) -> None:
    if option not in SUPPORTED:
        pytest.skip("cleaning is not carried out yet")
    file = as_file(a_report(the_item(row), an_item("CONTAINER", None)))
    if row.value_type not in DATES:
        assert_nothing_is_left(cleaned_bytes(file, option))
        return
    shifted = {"DATE": "20370603", "TIME": "235911", "DATETIME": "20370603235911"}  # days move, times of day do not
    (keyword,) = a_value(row.value_type)
    assert cleaned(file, option).ContentSequence[0][keyword].value == shifted[row.value_type]


def test_cleaning_wins_over_keeping() -> None:
    rule = content_rule("121122", "DCM", "TEXT", cleaning(Option.CLEAN_DESCRIPTORS, Option.RETAIN_DEVICE_IDENTITY))
    assert (rule.action, rule.otherwise) == (Action.CLEAN, Action.REMOVE)


def test_the_table_is_whole() -> None:
    assert len(TABLE.rows) == 214
    assert TABLE.edition == "2026d"
    assert {row.basic for row in TABLE.rows} == {ActionCode.REMOVE, ActionCode.DUMMY, ActionCode.REMOVE_OR_DUMMY}
    assert set(TABLE.option_columns) <= set(BY_COLUMN)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"option_columns": [], "edition": "x", "rows": [["1"]]}'])
def test_another_file_is_no_table(content: bytes) -> None:
    with pytest.raises(ConfigurationError):
        parse_content_table(content)
