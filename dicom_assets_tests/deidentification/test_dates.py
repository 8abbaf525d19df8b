"""Dates move by whole days and keep their form; what has no form of a date does not come through."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_assets.deidentification.dates import first_days, shift
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.epoch import EpochRequest, earliest_date, epoch_offset_days
from dicom_assets.errors import StudyError

OFFSETS = st.integers(-4000, 4000)
DAYS = st.dates(date(1850, 1, 1), date(2150, 12, 31))
CLOCKS = st.from_regex(rb"([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9](\.[0-9]{1,6})?)?)?", fullmatch=True)
ZONES = st.sampled_from([b"", b"+0000", b"-0500", b"+1400", b"-1200", b"+0545"])
PADDINGS = st.sampled_from([b"", b" ", b"\0"])


@pytest.mark.parametrize(
    ("vr", "value", "days", "moved"),
    [
        ("DA", b"20240301", -1, b"20240229"),
        ("DA", b"20230301", -1, b"20230228"),
        ("DA", b"20240229", 366, b"20250301"),
        ("DA", b"20240101", -100, b"20230923"),
        ("DA", b"2024.03.01", -1, b"2024.02.29"),
        ("DA", b"20240301 ", 1, b"20240302 "),
        ("DA", b"20240301\0", 1, b"20240302\0"),
        ("DA", b"20240301\\20240401 ", 1, b"20240302\\20240402 "),
        ("DA", b"20240301\\\\20240401", 1, b"20240302\\\\20240402"),
        ("DA", b"20240301-20240401", 31, b"20240401-20240502"),
        ("DA", b"20240301-", 1, b"20240302-"),
        ("DA", b"-20240301", 1, b"-20240302"),
        ("DA", b"00010102", -1, b"00010101"),
        ("DA", b"", -1, b""),
        ("DA", b"  ", -1, b"  "),
        ("DT", b"20240301101530.123456-0500", -1, b"20240229101530.123456-0500"),
        ("DT", b"20240301101530.1 ", -1, b"20240229101530.1 "),
        ("DT", b"2024030110", -1, b"2024022910"),
        ("DT", b"20240301+0100", -1, b"20240229+0100"),
        ("DT", b"202403", -1, b"202402"),
        ("DT", b"202403", 30, b"202403"),
        ("DT", b"2024", -1, b"2023"),
        ("DT", b"2024-0500", 1, b"2024-0500"),
        ("DT", b"2024-2025", 366, b"2025-2026"),
        ("DT", b"20240301101530-20240302101530", 1, b"20240302101530-20240303101530"),
        ("DT", b"20240301101530-0500-20240302101530-0500", 1, b"20240302101530-0500-20240303101530-0500"),
        ("DT", b"20240301101560", 1, b"20240302101560"),
        ("TM", b"101530.123456 ", -1, b"101530.123456 "),
        ("TM", b"235960", -1, b"235960"),
        ("TM", b"23:59:59.5", 1, b"23:59:59.5"),
        ("TM", b"10\\1015", 1, b"10\\1015"),
        ("TM", b"10-1015", 1, b"10-1015"),
        ("SH", b"-0500 ", -1, b"-0500 "),
        ("SH", b"+1400", -1, b"+1400"),
    ],
)
def test_a_value_moves_and_keeps_its_form(vr: str, value: bytes, days: int, moved: bytes) -> None:
    assert shift(vr, value, days) == moved
    assert shift(vr, value, 0) == value


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DA", b"Zweistein"),
        ("DA", b"20230229"),
        ("DA", b"20241301"),
        ("DA", b"00000101"),
        ("DA", b"2024-03-01"),
        ("DA", b"2024"),
        ("DA", b"-"),
        ("DA", b"20240301x"),
        ("DA", b"20240301\nZweistein"),
        ("DA", b"20240301\\Zweistein"),
        ("DA", b"20240301101530"),
        ("DT", b"202413"),
        ("DT", b"20240301241530"),
        ("DT", b"20240301101530.1234567"),
        ("DT", b"20240301101530+1500"),
        ("DT", b"20240301101530 EST"),
        ("TM", b"246060"),
        ("TM", b"Zweistein"),
        ("TM", b"1"),
        ("TM", b"-"),
        ("SH", b"EST"),
        ("SH", b"0500"),
        ("SH", b"-0500-0500"),
        ("SH", b"+2500"),
        ("LO", b"20240301"),
    ],
)
def test_what_is_in_no_form_does_not_come_through(vr: str, value: bytes) -> None:
    assert shift(vr, value, -1) is None
    assert shift(vr, value, 0) is None


@pytest.mark.parametrize(("value", "days"), [(b"00010101", -1), (b"99991231", 1), (b"20240101", 10**9)])
def test_a_date_that_leaves_the_calendar_does_not_come_through(value: bytes, days: int) -> None:
    assert shift("DA", value, days) is None


@given(DAYS, DAYS, OFFSETS)
def test_intervals_between_dates_are_kept(first: date, second: date, days: int) -> None:
    moved = [shift("DA", f"{day:%Y%m%d}".encode(), days) for day in (first, second)]
    new = [date.fromisoformat(value.decode()) for value in moved if value is not None]
    assert new[1] - new[0] == second - first
    assert new[0] - first == timedelta(days=days)


@given(DAYS, CLOCKS, ZONES, PADDINGS, OFFSETS)
def test_a_date_time_keeps_all_but_its_date_and_comes_back(
    day: date, clock: bytes, zone: bytes, padding: bytes, days: int
) -> None:
    value = f"{day:%Y%m%d}".encode() + clock + zone + padding
    moved = shift("DT", value, days)
    assert moved is not None
    assert moved[8:] == value[8:]
    assert moved[:8] == f"{day + timedelta(days=days):%Y%m%d}".encode()
    assert shift("DT", moved, -days) == value


@given(DAYS, DAYS, OFFSETS)
def test_partial_dates_keep_their_order(first: date, second: date, days: int) -> None:
    early, late = sorted([f"{first:%Y%m}".encode(), f"{second:%Y%m}".encode()])
    moved = [shift("DT", value, days) for value in (early, late)]
    assert moved[0] is not None
    assert moved[1] is not None
    assert moved[0] <= moved[1]


@given(st.sampled_from(["DA", "DT", "TM", "SH"]), st.binary(max_size=40), OFFSETS)
def test_no_value_breaks_it_or_changes_its_length(vr: str, value: bytes, days: int) -> None:
    moved = shift(vr, value, days)
    assert moved is None or len(moved) == len(value)


def test_first_days_are_those_of_single_dates() -> None:
    assert first_days("DA", b"20240301\\nothing\\2024.02.01 ") == [date(2024, 3, 1), date(2024, 2, 1)]
    assert first_days("DT", b"202403\\20230229") == [date(2024, 3, 1)]


def a_header(**values: bytes) -> DataSet:
    tags = {"StudyDate": 0x00080020, "SeriesDate": 0x00080021, "ContentDate": 0x00080023}
    others = {"AcquisitionDateTime": 0x0008002A, "DateOfLastCalibration": 0x00181200, "PatientBirthDate": 0x00100030}
    data_set = DataSet()
    for keyword, value in values.items():
        data_set.put(Element((tags | others)[keyword], "DA", value))
    return data_set


@pytest.mark.parametrize(
    ("header", "earliest"),
    [
        (a_header(StudyDate=b"20240301", SeriesDate=b"20240229"), date(2024, 2, 29)),
        (a_header(StudyDate=b"20240301", AcquisitionDateTime=b"20240228101530-0500"), date(2024, 2, 28)),
        (a_header(StudyDate=b"18000101", ContentDate=b"20240301"), date(2024, 3, 1)),
        (
            a_header(StudyDate=b"20240301", PatientBirthDate=b"19700101", DateOfLastCalibration=b"20010101"),
            date(2024, 3, 1),
        ),
        (a_header(StudyDate=b"some day"), None),
        (a_header(), None),
    ],
)
def test_the_earliest_date_is_the_first_plausible_one_of_the_study(header: DataSet, earliest: date | None) -> None:
    assert earliest_date(header) == earliest


@given(DAYS, DAYS)
def test_the_epoch_is_where_the_earliest_date_lands(epoch: date, earliest: date) -> None:
    days = epoch_offset_days(epoch, earliest)
    assert shift("DA", f"{earliest:%Y%m%d}".encode(), days) == f"{epoch:%Y%m%d}".encode()


def test_an_epoch_without_any_date_is_refused_and_tells_no_date() -> None:
    assert "2024" not in repr(EpochRequest(date(1970, 1, 1), date(2024, 3, 1)))
    with pytest.raises(StudyError, match="refresh"):
        EpochRequest(date(1970, 1, 1), None).offset_days()
