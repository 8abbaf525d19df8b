"""Dates and times that move by whole days and keep their form (PS3.15 E.3.6; forms: PS3.5 6.2).

A value keeps everything but the digits of its date: separators of the old form, fractions, time zone, padding, the
bounds of a range and empty values among several. A time of day stays, since whole days never cross midnight, and so
does a time zone.

A partial date (`2024`, `202405`, in DT alone) stands for its first day: that day moves and the result is cut to the
same precision. So partial dates keep their order, and their intervals to within their precision.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

DATE_VRS = frozenset({"DA", "DT", "TM"})

_CLOCK = rb"(?:[01]\d|2[0-3])"
_SIXTY = rb"[0-5]\d"
_SECONDS = rb"(?:[0-5]\d|60)(?:\.\d{1,6})?"
_ZONE = rb"(?:\+(?:0\d|1[0-3])[0-5]\d|\+1400|-(?:0\d|1[01])[0-5]\d|-1200)"
_DATE = rb"\d{8}|\d{4}\.\d\d\.\d\d"
_DATE_TIME = rb"(?:\d{4}|\d{6}|\d{8}(?:%b(?:%b(?:%b)?)?)?)(?:%b)?" % (_CLOCK, _SIXTY, _SECONDS, _ZONE)
_TIME = rb"%b(?:%b(?:%b)?)?|%b:%b(?::%b)?" % (_CLOCK, _SIXTY, _SECONDS, _CLOCK, _SIXTY, _SECONDS)

_ONE: dict[str, re.Pattern[bytes]] = {
    "DA": re.compile(_DATE),
    "DT": re.compile(_DATE_TIME),
    "TM": re.compile(_TIME),
    "SH": re.compile(_ZONE),  # Timezone Offset From UTC, the one date attribute of this VR
}
_RANGE: dict[str, re.Pattern[bytes]] = {
    "DA": re.compile(b"(%b)?-(%b)?" % (_DATE, _DATE)),
    "DT": re.compile(b"(%b)?-(%b)?" % (_DATE_TIME, _DATE_TIME)),
    "TM": re.compile(b"(%b)?-(%b)?" % (_TIME, _TIME)),
}
_DIGITS_OF_DATE = re.compile(rb"(\d{4})(\.?)(?:(\d\d)(\.?)(\d\d)?)?")


@lru_cache(maxsize=8192)
def shift(vr: str, value: bytes, days: int) -> bytes | None:
    """The value moved by whole days, of the same length; None when it is in no form of its VR.

    Args:
        vr: DA, DT, TM, or SH for Timezone Offset From UTC.
        value: as encoded, padding and several values included.
        days: may be negative; 0 gives the value itself where it has its form.

    Returns:
        None also when the day does not exist or leaves the years 0001 to 9999.
    """
    if vr not in _ONE:
        return None
    parts = [_shift_part(vr, part, days) for part in value.split(b"\\")]
    moved = [part for part in parts if part is not None]
    return b"\\".join(moved) if len(moved) == len(parts) else None


def first_days(vr: str, value: bytes) -> list[date]:
    """The day, for partial dates the first one, of each value of DA or DT that is a single date."""
    found = (_day(part.rstrip(b" \0")) for part in value.split(b"\\") if _ONE[vr].fullmatch(part.rstrip(b" \0")))
    return [day for day in found if day is not None]


def _shift_part(vr: str, part: bytes, days: int) -> bytes | None:
    bare = part.rstrip(b" \0")
    padding = part[len(bare) :]
    if not bare:
        return part
    # A hyphen and four digits after a date are a time zone where they can be one, else the end of a range (PS3.5 6.2).
    if _ONE[vr].fullmatch(bare):
        bounds: list[bytes] = [bare]
    elif vr in _RANGE and bare != b"-" and (match := _RANGE[vr].fullmatch(bare)):
        bounds = [bound or b"" for bound in match.groups()]
    else:
        return None
    if vr in {"DA", "DT"}:
        moved = [_shift_date(bound, days) if bound else b"" for bound in bounds]
        bounds = [bound for bound in moved if bound is not None]
        if len(bounds) < len(moved):
            return None
    return b"-".join(bounds) + padding


def _shift_date(text: bytes, days: int) -> bytes | None:
    day = _day(text)
    match = _DIGITS_OF_DATE.match(text)
    if day is None or match is None:
        return None
    try:
        moved = day + timedelta(days=days)
    except OverflowError:
        return None
    _, first_dot, month, second_dot, last = match.groups()
    digits = b"%04d" % moved.year
    if month is not None:
        digits += first_dot + b"%02d" % moved.month
    if last is not None:
        digits += second_dot + b"%02d" % moved.day
    return digits + text[match.end() :]


def _day(text: bytes) -> date | None:
    match = _DIGITS_OF_DATE.match(text)
    if match is None:
        return None
    year, _, month, _, day = match.groups()
    try:
        return date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
