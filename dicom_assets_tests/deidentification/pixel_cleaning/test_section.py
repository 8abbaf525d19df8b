"""The profile's section `pixels`: what is read, and what is refused."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict

import pytest

from dicom_assets.deidentification.pixel_cleaning.rules import (
    DetectorRules,
    Effort,
    Found,
    PixelRule,
    PixelRules,
    Rectangle,
    UltrasoundRegions,
)
from dicom_assets.deidentification.profile import parse_profile
from dicom_assets.errors import ProfileError
from dicom_assets_tests.deidentification.builders import BASIC
from dicom_assets_tests.deidentification.pixel_cleaning.builders import HEAD, blanking, profile
from dicom_assets_tests.deployment import REPOSITORY

SECTION = """
rules:
  - name: us-banner
    when: |
      Modality.equals("US")
      * Rows.equals("480")
    blank: [[0, 0, 640, 40], [-10, -10, 10, 10]]
  - {name: dose, when: 'SeriesDescription.contains("Dose")', quarantine: true}
  - {name: plain, when: 'Modality.equals("CT")'}
  - {name: outside, when: 'Modality.equals("US")', outside_ultrasound_regions: true}
ctp_script: |
  Anything
  { true. } (0,0,9,9)
ultrasound_regions: blank_outside
detector:
  sop_classes: [UltrasoundImageStorage, 1.2.840.10008.5.1.4.1.1.7]
  found: blank
  effort: flagged
  margin: 7
release_declared: true
"""


def test_the_section_is_read() -> None:
    rules = profile(SECTION).pixels

    assert rules == PixelRules(
        rules=(
            PixelRule(
                "us-banner",
                'Modality.equals("US")\n* Rows.equals("480")',
                (Rectangle(0, 0, 640, 40), Rectangle(-10, -10, 10, 10)),
            ),
            PixelRule("dose", 'SeriesDescription.contains("Dose")', quarantine=True),
            PixelRule("plain", 'Modality.equals("CT")'),
            PixelRule("outside", 'Modality.equals("US")', outside_ultrasound_regions=True),
            PixelRule("ctp-line-2", "true.", (Rectangle(0, 0, 10, 10),)),
        ),
        ultrasound_regions=UltrasoundRegions.BLANK_OUTSIDE,
        detector=DetectorRules(
            ("1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.7"), Found.BLANK, Effort.FLAGGED, 7
        ),
        release_declared=True,
    )
    assert pickle.loads(pickle.dumps(rules)) == rules
    assert json.loads(json.dumps(asdict(rules)))["detector"]["margin"] == 7


def test_a_detector_alone_is_thorough_and_quarantines() -> None:
    detector = profile("detector: {sop_classes: ['*']}").pixels.detector
    assert detector == DetectorRules(("*",), Found.QUARANTINE, Effort.THOROUGH, 4)


def test_the_fingerprint_changes_with_every_setting() -> None:
    profiles = [
        BASIC,
        blanking((0, 0, 1, 1)),
        blanking((0, 0, 1, 2)),
        blanking((0, 0, 1, 1), when="false."),
        profile("ultrasound_regions: require"),
        profile("detector: {sop_classes: ['*']}"),
        profile("detector: {sop_classes: ['*'], margin: 5}"),
    ]
    assert len({one.fingerprint for one in profiles}) == len(profiles)


RULE = "pixels:\n  rules:\n    - name: one\n      when: 'true.'\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pixels: {}\n", r"line 4: pixels asks for nothing"),
        ("pixels:\n  rule: []\n", r"line 5: pixels.rule is not a field"),
        ("pixels:\n  rules: [{when: 'true.'}]\n", r"line 5: pixels.rules\[1\].name is missing"),
        ("pixels:\n  rules: [{name: one}]\n", r"line 5: pixels.rules\[1\].when is missing"),
        (
            "pixels:\n  rules:\n    - name: one\n      when: 'Modality.is(\"CT\")'\n",
            r"line 7: pixels.rules\[1\].when names no known method: is \(line 1 of the condition\)",
        ),
        (RULE + "      blank: [0, 0, 1, 1]\n", r"line 8: pixels.rules\[1\].blank must hold lists of numbers"),
        (RULE + "      blank: [[0, 0, 1]]\n", r"line 8: pixels.rules\[1\].blank must hold lists \[left, top"),
        (RULE + "      blank:\n        - [0, 0, 1, 0]\n", r"line 9: pixels.rules\[1\].blank must hold lists \[left"),
        (RULE + "      blank: [[0, 0, 1, 1.5]]\n", r"line 8: pixels.rules\[1\].blank must be a number"),
        (
            RULE + "      blank: [[0, 0, 1, 1]]\n      quarantine: true\n",
            r"line 9: .*quarantine leaves nothing to blank",
        ),
        (RULE + "    - {name: one, when: 'true.'}\n", r"line 5: pixels.rules gives two rules one name"),
        (
            "pixels:\n  ctp_script: |\n    words\n    { nonsense }\n",
            r"line 5: pixels.ctp_script has something .* \(line 2 of the script\)",
        ),
        ("pixels:\n  ultrasound_regions: maybe\n", r"line 5: pixels.ultrasound_regions must be one of ignore"),
        ("pixels:\n  detector: {}\n", r"line 5: pixels.detector.sop_classes must name at least one"),
        (
            "pixels:\n  detector:\n    sop_classes:\n      - Ultrasound\n",
            r"line 7: pixels.detector.sop_classes names a SOP Class by neither",
        ),
        ("pixels:\n  detector: {sop_classes: ['*'], margin: wide}\n", r"pixels.detector.margin must be a number"),
        (
            "pixels:\n  detector: {sop_classes: ['*'], found: tell}\n",
            r"detector.found must be one of quarantine, blank",
        ),
        ("", r"line 3: options \"Clean Pixel Data\" needs the section pixels"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(content: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        parse_profile(HEAD + content, "p.yaml")


def test_the_section_needs_the_option() -> None:
    with pytest.raises(ProfileError, match=r'line 3: pixels needs "Clean Pixel Data" among the options'):
        parse_profile("name: a\nversion: 1\npixels: {ultrasound_regions: require}\n", "p.yaml")


def test_the_profile_in_the_documentation_is_one() -> None:
    text = (REPOSITORY / "docs" / "pixel-cleaning.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]
    rules = parse_profile(f"name: example\nversion: 1\n{example}", "example.yaml").pixels
    assert [rule.name for rule in rules.rules][::4] == ["acme-ultrasound-banner", "ctp-line-2"]
    assert rules.detector
