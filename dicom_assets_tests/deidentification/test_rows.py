"""One case per row of Table E.1-1: at top level, in a sequence and in a sequence encoded as UN."""

from __future__ import annotations

import struct

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID

from dicom_assets.deidentification.action import ActionCode
from dicom_assets.deidentification.outcome import Deidentified
from dicom_assets.deidentification.quarantine import QuarantineRules
from dicom_assets.deidentification.table import PRIVATE, Row, confidentiality_table
from dicom_assets.deidentification.values import dummy_value
from dicom_assets_tests.deidentification.builders import (
    SUBJECT,
    an_instance,
    deidentified,
    deidentified_bytes,
    deidentify,
    explicit,
    implicit,
    profile_with,
    with_elements,
)

SENTINEL = b"XQZSENTINEL"
ORIGINAL_UID = b"1.2.999.31337.424242"
TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "OB", "UN"}
CONTAINER = 0x00081115  # Referenced Series Sequence: not in the table
SHAPED = {"DA": b"20370911", "TM": b"235911", "DT": b"20370911235911", "AS": b"077Y", "DS": b"77.125", "IS": b"77125"}

OPTIONAL_IN_CT = frozenset(
    {"00080012", "00080013", "00080021", "00080022", "0008002A", "00080031", "00080032", "00080080", "00081010"}
    | {"00081070", "00081072", "00081110", "00081111", "00181000", "00181030", "22000005"}
)
"""Type 3 in the modules of PS3.3 A.3 (C.7.1 to C.7.10, C.12.1): what a code asks for if required is not."""
REQUIRED_IN_CT = frozenset({"00080023", "00080033", "00102203", "00180010"})
"""Type 2 or 2C there: zero length is enough."""

rows = pytest.mark.parametrize("row", confidentiality_table().rows, ids=lambda row: row.tag)


def original(row: Row) -> bytes:
    if row.vr in TEXT or row.vr == "":
        return SENTINEL
    if row.vr == "UI":
        return ORIGINAL_UID
    return SHAPED.get(row.vr, b"\x4d\x01")


def tag_of(row: Row) -> int:
    return 0x00091010 if row.tag == PRIVATE else int(row.tag.replace("XX3", "023").replace("X", "0"), 16)


def vr_of(row: Row) -> str:
    return row.vr or "LO"


def encoded(row: Row, *, implicitly: bool = False) -> bytes:
    if row.vr == "SQ":
        inner = (implicit if implicitly else lambda tag, value: explicit(tag, "LO", value))(0x00081030, SENTINEL)
        uid = (implicit if implicitly else lambda tag, value: explicit(tag, "UI", value))(0x00081155, ORIGINAL_UID)
        value = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner + uid)) + inner + uid
    else:
        value = original(row)
    return implicit(tag_of(row), value) if implicitly else explicit(tag_of(row), vr_of(row), value)


def item(content: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content


def assert_action_was_taken(ds: Dataset, row: Row, *, in_ct: bool = False) -> None:
    tag = Tag(tag_of(row))
    optional = in_ct and row.basic.startswith("X/") and row.tag in OPTIONAL_IN_CT
    required = in_ct and row.basic.endswith("/D") and row.tag in REQUIRED_IN_CT
    if row.basic is ActionCode.REMOVE or optional or not in_a_data_set(row):
        assert tag not in ds
        return
    element = ds[tag]
    if row.tag in {"00100010", "00100020"}:
        assert element.value == SUBJECT.patient_id
    elif row.basic in {ActionCode.ZERO, ActionCode.REMOVE_OR_ZERO} or required:
        assert element.is_empty
    elif row.vr == "SQ":
        uids = [inner.ReferencedSOPInstanceUID for inner in element.value]
        assert len(uids) == 1
        assert uids[0].startswith("2.25.")
    elif row.vr == "UI":
        assert element.value.startswith("2.25.")
        assert UID(element.value).is_valid
    else:
        assert row.basic in {
            ActionCode.DUMMY,
            ActionCode.ZERO_OR_DUMMY,
            ActionCode.REMOVE_OR_DUMMY,
            ActionCode.REMOVE_ZERO_OR_DUMMY,
        }
        assert not element.is_empty
        assert vr_of(row) == element.VR
        if row.vr in TEXT - {"OB", "UN"}:
            assert str(element.value).encode() == dummy_value(row.vr)


def assert_nothing_is_left(written: bytes) -> None:
    for sentinel in (SENTINEL, ORIGINAL_UID, b"20370911", b"235911", b"077Y", b"77.125", b"77125", b"\x4d\x01"):
        assert sentinel not in written[132:]


def in_a_data_set(row: Row) -> bool:
    return tag_of(row) >= 0x00040000


DOCUMENTS_PASS = profile_with(quarantine=QuarantineRules(encapsulated_documents=False))


@pytest.mark.parametrize("row", [r for r in confidentiality_table().rows if in_a_data_set(r)], ids=lambda row: row.tag)
def test_row_at_top_level(row: Row) -> None:
    file = with_elements(encoded(row))
    assert_nothing_is_left(deidentified_bytes(file, profile=DOCUMENTS_PASS))
    assert_action_was_taken(deidentified(file, profile=DOCUMENTS_PASS), row, in_ct=True)


@pytest.mark.parametrize(
    "row", [r for r in confidentiality_table().rows if not in_a_data_set(r)], ids=lambda row: row.tag
)
def test_row_of_a_command_or_of_file_meta_is_not_left_in_the_data_set(row: Row) -> None:
    file = an_instance() + encoded(row, implicitly=tag_of(row) < 0x00020000)
    outcome, written = deidentify(file)
    if isinstance(outcome, Deidentified):
        assert_nothing_is_left(written)


@rows
def test_row_in_a_sequence(row: Row) -> None:
    file = with_elements(explicit(CONTAINER, "SQ", item(encoded(row))))
    assert_nothing_is_left(deidentified_bytes(file))
    assert_action_was_taken(deidentified(file)[CONTAINER].value[0], row)


@rows
@pytest.mark.parametrize("implicitly", [True, False], ids=["implicit", "explicit"])
def test_row_in_a_sequence_encoded_as_un(row: Row, implicitly: bool) -> None:
    file = with_elements(explicit(CONTAINER, "UN", item(encoded(row, implicitly=implicitly))))
    assert_nothing_is_left(deidentified_bytes(file))
    container = deidentified(file)[CONTAINER]
    assert container.VR == "SQ"
    unknown_vr = implicitly and not row.vr
    if not unknown_vr:
        assert_action_was_taken(container.value[0], row)


@pytest.mark.parametrize("row", [r for r in confidentiality_table().rows if in_a_data_set(r)], ids=lambda row: row.tag)
def test_row_encoded_as_un(row: Row) -> None:
    content = encoded(row, implicitly=True)[8:]
    file = with_elements(explicit(tag_of(row), "UN", content))
    assert_nothing_is_left(deidentified_bytes(file, profile=DOCUMENTS_PASS))
    if row.vr:
        assert_action_was_taken(deidentified(file, profile=DOCUMENTS_PASS), row, in_ct=True)
