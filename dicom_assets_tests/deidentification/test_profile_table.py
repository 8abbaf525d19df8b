"""The table of profiles tells what a profile holds."""

from __future__ import annotations

import pytest

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.descriptors import WhiteList
from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.overrides import ANYWHERE, Override
from dicom_assets.deidentification.profile import shipped_profile_names
from dicom_assets.deidentification.profile_table import profile_table
from dicom_assets.deidentification.safe_private import SafeAddition
from dicom_assets_tests.deidentification.builders import BASIC, profile_with

OTHER = profile_with(
    name="other",
    options=frozenset({Option.CLEAN_DESCRIPTORS, Option.RETAIN_MODIFIED_DATES}),
    unlisted=Action.CLEAN,
    white_lists=(WhiteList(0x00081030, ("a", "b"), ("c+",)), WhiteList(0x0008103E, ("d",))),
    safe_private=(SafeAddition("SIEMENS CSA HEADER", 0x0029, (0x10,), "looked at"),),
    overrides=(
        Override(ANYWHERE, 0x00080080, Action.KEEP, accepted_risk="agreed"),
        Override((0x00081115,), 0x00191023, Action.REMOVE),
    ),
)


def cells(row: str) -> list[str]:
    lines = profile_table([BASIC, OTHER]).splitlines()
    found = next(line for line in lines if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in found.strip("|").split("|")][1:]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("", ["`basic`", "`other`"]),
        ("Clean Descriptors", ["-", "yes"]),
        ("Retain UIDs", ["-", "-"]),
        ("dates and times", ["removed", "moved"]),
        ("text and other values that Table E.1-1 does not name", ["keep", "clean"]),
        ("white lists", ["-", "3 texts, 1 patterns"]),
        ("private attributes safe beyond the table", ["-", "SIEMENS CSA HEADER (0029)"]),
        (
            "exceptions for single attributes",
            ["-", "InstitutionName: keep (risk accepted), ReferencedSeriesSequence.(0019,1023): remove"],
        ),
        ("kept back: screen save", ["yes", "yes"]),
    ],
)
def test_row_tells_each_profiles_setting(row: str, expected: list[str]) -> None:
    assert cells(row) == expected


def test_every_option_has_a_row() -> None:
    assert all(len(cells(option)) == 2 for option in Option)


def test_every_shipped_profile_is_named() -> None:
    assert {"basic", "seed"} <= set(shipped_profile_names())
