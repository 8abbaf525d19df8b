"""One case per row of Table E.1-1 and option of PS3.15 E.3 that changes it, wherever the attribute is.

An option joins with one entry in `EXPECTED`: a function from a row to what goes in and what has to come out.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from dicom_assets.deidentification.action import ActionCode
from dicom_assets.deidentification.derivation import derive_hash
from dicom_assets.deidentification.encoded import Element
from dicom_assets.deidentification.options import COLUMNS, Option
from dicom_assets.deidentification.profile import Profile
from dicom_assets.deidentification.table import Row, confidentiality_table
from dicom_assets_tests.deidentification.builders import (
    SECRET,
    an_image,
    an_instance,
    as_file,
    deidentified_bytes,
    deidentify,
    explicit,
    implicit,
    profile_with,
    read_back,
    with_raw,
)
from dicom_assets_tests.deidentification.test_rows import (
    CONTAINER,
    SENTINEL,
    assert_action_was_taken,
    in_a_data_set,
    item,
    tag_of,
)

UID = b"1.2.999.31337.424242"
VALUES: dict[str, bytes] = {
    "AE": b"STATION7",
    "AS": b"045Y",
    "CS": b"YES ",
    "DA": b"20240301",
    "DS": b"77.125",
    "DT": b"20240301101530.25-0500",
    "LO": b"RETAINED TEXT ",
    "OB": b"\x01\x02\x03\x04",
    "SH": b"RETAINED",
    "ST": b"RETAINED TEXT ",
    "TM": b"101530.25 ",
    "UC": b"RETAINED TEXT ",
    "UI": UID,
    "UR": b"urn:retained",
    "US": b"\x03\x00",
    "UT": b"RETAINED TEXT ",
}
MOVED = {"DA": b"20231122", "DT": b"20231122101530.25-0500"}
"""A hundred days earlier, as `SUBJECT` asks."""


@dataclass(frozen=True)
class Expected:
    """What goes in and what has to come out; `comes_out` is None where the Basic Profile's action stays.

    For a sequence `goes_in` is the UID in its item and `comes_out` the beginning of that UID afterwards.
    """

    goes_in: bytes
    comes_out: bytes | None


def unchanged(row: Row) -> Expected:
    if row.vr == "SQ":
        return Expected(UID, b"2.25.")
    return Expected(VALUES[row.vr], VALUES[row.vr])


def with_full_dates(row: Row) -> Expected:
    value = b"-0500 " if row.vr == "SH" else VALUES[row.vr]
    return Expected(value, value)


def with_modified_dates(row: Row) -> Expected:
    value = with_full_dates(row).goes_in
    return Expected(value, None if row.vr == "OB" else MOVED.get(row.vr, value))


def with_devices(row: Row) -> Expected:
    if row.vr == "AE":
        return Expected(VALUES["AE"], derive_hash(SECRET, "STATION7").encode())
    return Expected(VALUES[row.vr], None) if row.vr in {"DA", "DT", "TM"} else unchanged(row)


def with_uids(row: Row) -> Expected:
    return Expected(UID, UID)


EXPECTED: dict[Option, Callable[[Row], Expected]] = {
    Option.RETAIN_FULL_DATES: with_full_dates,
    Option.RETAIN_MODIFIED_DATES: with_modified_dates,
    Option.RETAIN_PATIENT_CHARACTERISTICS: unchanged,
    Option.RETAIN_DEVICE_IDENTITY: with_devices,
    Option.RETAIN_INSTITUTION_IDENTITY: unchanged,
    Option.RETAIN_UIDS: with_uids,
}


def cleans_text(option: Option, row: Row) -> bool:
    """Whether white lists decide, which is not this table's to tell."""
    return option is Option.RETAIN_PATIENT_CHARACTERISTICS and row.options[COLUMNS[option]] is ActionCode.CLEAN


def rows_of(option: Option) -> Iterator[Row]:
    for row in confidentiality_table().rows:
        if COLUMNS[option] in row.options and in_a_data_set(row) and not cleans_text(option, row):
            yield row


CASES = [(option, row) for option in EXPECTED for row in rows_of(option)]
cases = pytest.mark.parametrize(("option", "row"), CASES, ids=[f"{COLUMNS[o]}-{row.tag}" for o, row in CASES])


@cache
def profile_of(*options: Option) -> Profile:
    return profile_with(options=frozenset(options))


def encoded(row: Row, value: bytes, *, implicitly: bool = False, vr: str = "") -> bytes:
    if row.vr == "SQ":
        inner = (0x00080104, "LO", b"MEANING "), (0x00081030, "LO", SENTINEL), (0x00081155, "UI", value)
        value = item(
            b"".join(implicit(tag, v) if implicitly else explicit(tag, inner_vr, v) for tag, inner_vr, v in inner)
        )
    return implicit(tag_of(row), value) if implicitly else explicit(tag_of(row), vr or row.vr, value)


IN_EXPLICIT_VR = an_instance()
IN_IMPLICIT_VR = as_file(an_image(), ImplicitVRLittleEndian)


def explicit_file(element: bytes) -> bytes:
    """A file in explicit VR little endian with one more element than an instance needs."""
    return with_raw(IN_EXPLICIT_VR, element)


def implicit_file(element: bytes) -> bytes:
    """The same in implicit VR little endian."""
    start = 144 + struct.unpack_from("<L", IN_IMPLICIT_VR, 140)[0]
    head, body = IN_IMPLICIT_VR[:start], IN_IMPLICIT_VR[start:]
    by_tag = {}
    while body:
        size = 8 + struct.unpack_from("<L", body, 4)[0]
        by_tag[struct.unpack_from("<HH", body)], body = body[:size], body[size:]
    by_tag[struct.unpack_from("<HH", element)] = element
    return head + b"".join(by_tag[tag] for tag in sorted(by_tag))


def assert_came_out(element: Element | None, row: Row, expected: Expected) -> None:
    assert element is not None
    if row.vr == "SQ":
        (inner,) = element.items or []
        assert inner.value(0x00080104) == b"MEANING "
        assert 0x00081030 not in inner.elements
        assert expected.comes_out is not None
        assert inner.value(0x00081155).startswith(expected.comes_out)
    else:
        assert bytes(element.value) == (expected.comes_out or b"") + b"\0" * (len(expected.comes_out or b"") & 1)


def again(written: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(written))


@cases
def test_row_at_top_level(option: Option, row: Row) -> None:
    expected = EXPECTED[option](row)
    written = deidentified_bytes(explicit_file(encoded(row, expected.goes_in)), profile=profile_of(option))
    if expected.comes_out is None:
        assert_action_was_taken(again(written), row, in_ct=True)
    else:
        assert_came_out(read_back(written).elements.get(tag_of(row)), row, expected)


@cases
def test_row_in_a_sequence(option: Option, row: Row) -> None:
    expected = EXPECTED[option](row)
    file = explicit_file(explicit(CONTAINER, "SQ", item(encoded(row, expected.goes_in))))
    written = deidentified_bytes(file, profile=profile_of(option))
    if expected.comes_out is None:
        assert_action_was_taken(again(written)[CONTAINER].value[0], row)
    else:
        (inside,) = read_back(written).elements[CONTAINER].items or []
        assert_came_out(inside.elements.get(tag_of(row)), row, expected)


@cases
@pytest.mark.parametrize("place", ["implicit VR", "UN", "sequence as UN"])
def test_row_in_implicit_vr_and_as_un(option: Option, row: Row, place: str) -> None:
    expected = EXPECTED[option](row)
    element = encoded(row, expected.goes_in, implicitly=True)
    file = {
        "implicit VR": lambda: implicit_file(element),
        "UN": lambda: explicit_file(explicit(tag_of(row), "UN", element[8:])),
        "sequence as UN": lambda: explicit_file(explicit(CONTAINER, "UN", item(element))),
    }[place]()
    written = deidentified_bytes(file, profile=profile_of(option))
    assert SENTINEL not in written
    around = read_back(written)
    inside = around if place != "sequence as UN" else (around.elements[CONTAINER].items or [])[0]
    if expected.comes_out is not None:
        assert_came_out(inside.elements.get(tag_of(row)), row, expected)


STRICT = [(o, r) for o, r in CASES if r.vr in {"AS", "DA", "DS", "DT", "TM", "UI", "US"} or r.tag == "00080201"]


@pytest.mark.parametrize(("option", "row"), STRICT, ids=[f"{COLUMNS[o]}-{row.tag}" for o, row in STRICT])
def test_a_value_of_no_form_of_its_vr_gets_the_action_of_the_basic_profile(option: Option, row: Row) -> None:
    for vr in (row.vr, "UN", "LO"):
        written = deidentified_bytes(explicit_file(explicit(tag_of(row), vr, SENTINEL)), profile=profile_of(option))
        assert SENTINEL not in written
        assert_action_was_taken(again(written), row, in_ct=True)


@cases
def test_a_row_in_the_encoding_of_something_else_is_not_retained(option: Option, row: Row) -> None:
    hidden = item(explicit(0x00080104, "LO", SENTINEL))
    vr, value = ("OB", SENTINEL) if row.vr in {"SQ", "UI"} else ("SQ", hidden)
    _, written = deidentify(explicit_file(explicit(tag_of(row), vr, value)), profile=profile_of(option))
    assert SENTINEL not in written


@pytest.mark.parametrize("option", EXPECTED)
def test_every_row_of_an_option_is_tried(option: Option) -> None:
    column = COLUMNS[option]
    listed = [row for row in confidentiality_table().rows if column in row.options]
    left_out = [row for row in listed if row not in list(rows_of(option))]
    assert all(not in_a_data_set(row) or cleans_text(option, row) for row in left_out)
    assert len(listed) > len(left_out)
