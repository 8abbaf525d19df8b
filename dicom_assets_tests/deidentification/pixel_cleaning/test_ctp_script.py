"""Scripts of CTP's pixel anonymizer become rules."""

from __future__ import annotations

import pytest

from dicom_assets.deidentification.conditions import parse_condition
from dicom_assets.deidentification.pixel_cleaning.ctp_script import ScriptError, read_ctp_script
from dicom_assets.deidentification.pixel_cleaning.rules import PixelRule, Rectangle

SCRIPT = """Words before the first section are a comment.

Acme ultrasound
  { Modality.equals("US") *
    [0008,0070].containsIgnoreCase("acme") * !ManufacturerModelName.startsWith("Z") }
  (0,0,640,40) ( 10 , -20, 30, 40 )

Known to be clean
  { [0008,1090].equals("Plain") }

{ true. }(1,2,3,4)
"""


def test_sections_become_rules_in_order() -> None:
    first, second, third = read_ctp_script(SCRIPT)

    assert first == PixelRule("ctp-line-4", first.when, (Rectangle(0, 0, 641, 41), Rectangle(10, -20, 31, 41)))
    assert parse_condition(first.when)
    assert (second.name, second.rectangles) == ("ctp-line-9", ())
    assert third == PixelRule("ctp-line-11", "true.", (Rectangle(1, 2, 4, 5),))


def test_a_script_without_sections_has_no_rules() -> None:
    assert read_ctp_script("only words\n") == ()


@pytest.mark.parametrize(
    ("script", "line", "problem"),
    [
        ("comment\n{ Modality.equals('US') } (0,0,1,1)", 2, "no test"),
        ('\n{ true. *\n  Modality.isLike("US") }', 3, "no known method"),
        ("{ true. }\n(0,0,1)", 2, "not \\(left, top, width, height\\)"),
        ("{ true. }\n(0,0,-5,1)", 2, "not \\(left, top"),
        ("{ true. }\n(a,b,c,d)", 2, "not \\(left, top"),
        ("(0,0,1,1) { true. }", 1, "stray \\("),
        ("{ true. } (0,0,1,1", 1, "stray \\("),
        ("{ true. \n(0,0,1,1)", 1, "stray {"),
        ("{ true. } (0,0,1,1)\n}", 2, "stray }"),
    ],
)
def test_what_ctp_would_skip_is_refused_with_its_line(script: str, line: int, problem: str) -> None:
    with pytest.raises(ScriptError, match=problem) as caught:
        read_ctp_script(script)
    assert caught.value.line == line
