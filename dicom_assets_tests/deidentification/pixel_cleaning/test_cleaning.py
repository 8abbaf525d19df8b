"""Which instances are cleaned, what is claimed of them, and what keeps one back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage, ParametricMapStorage, UltrasoundImageStorage

from dicom_assets.deidentification.encoded import Reader
from dicom_assets.deidentification.outcome import Deidentified, Quarantined
from dicom_assets.deidentification.part10 import open_part10
from dicom_assets.deidentification.pixel_cleaning.cleaning import plan_pixels
from dicom_assets.deidentification.profile import Profile
from dicom_assets.study import QuarantineReason
from dicom_assets_tests.deidentification.builders import a_data_set, as_file, deidentify
from dicom_assets_tests.deidentification.pixel_cleaning.builders import (
    BOX,
    COLUMNS,
    EVERYTHING,
    INSIDE,
    ROWS,
    blanking,
    noise,
    of_array,
    profile,
    written,
)

CLEAN_PIXEL_DATA = "113101"
PIXELS = noise(2, ROWS, COLUMNS)


def image(**attributes: Any) -> bytes:
    return as_file(of_array(PIXELS, **attributes))


def claims(ds: Dataset) -> bool:
    """Whether the instance says that the option was carried out."""
    return CLEAN_PIXEL_DATA in [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]


def kept_back(file: bytes, settings: Profile) -> tuple[QuarantineReason, str]:
    outcome, content = deidentify(file, profile=settings, allowed_modalities=EVERYTHING)
    assert isinstance(outcome, Quarantined), outcome
    assert content == b""
    return outcome.reason, outcome.detail


def asks(file: bytes, settings: Profile) -> bool:
    """Whether the plan asks for anything."""
    part10 = open_part10(file)
    plan = plan_pixels(settings.pixels, Reader(part10.data, part10.encoding).data_set()[0], part10)
    return plan.cleans or plan.without_pixels


def test_the_option_is_claimed_where_a_box_was_blanked() -> None:
    out = written(image(), blanking(BOX))
    assert claims(out)
    assert out.BurnedInAnnotation == "NO"


def test_the_outcome_tells_what_was_done() -> None:
    for settings, told in ((blanking(BOX), "1 boxes blanked"), (blanking(BOX, when="false."), "")):
        outcome, _ = deidentify(image(), profile=settings, allowed_modalities=EVERYTHING)
        assert isinstance(outcome, Deidentified)
        assert outcome.pixels.endswith(told)
        assert bool(outcome.pixels) is bool(told)


@pytest.mark.parametrize(
    "settings",
    [
        blanking(BOX, when="false."),
        blanking((50, 50, 4, 4)),
        profile("rules: [{name: plain, when: 'true.'}]"),
        profile("detector: {sop_classes: [UltrasoundImageStorage]}"),
        profile("ultrasound_regions: blank_outside"),
    ],
)
def test_the_option_is_not_claimed_where_nothing_was_done(settings: Profile) -> None:
    out = written(image(), settings)
    assert not claims(out)
    assert "BurnedInAnnotation" not in out
    assert out.PixelData == PIXELS.tobytes()
    assert not asks(image(), settings)


def test_the_option_is_claimed_of_an_instance_without_pixels() -> None:
    report = as_file(a_data_set(SOPClassUID=ComprehensiveSRStorage, ContentSequence=[Dataset()]))
    out = written(report, blanking(BOX))
    assert claims(out)
    assert "BurnedInAnnotation" not in out
    assert asks(report, blanking(BOX))


@pytest.mark.parametrize(
    "attributes", [{"PixelDataProviderURL": "https://example.org/pixels"}, {"EncapsulatedDocument": b"%PDF"}]
)
def test_the_option_is_not_claimed_where_pixels_are_elsewhere(attributes: dict[str, Any]) -> None:
    assert not asks(as_file(a_data_set(**attributes)), blanking(BOX))


def test_the_first_rule_that_an_instance_meets_is_carried_out_alone() -> None:
    settings = profile(
        """
rules:
  - {name: other, when: 'Modality.equals("CT")', blank: [[0, 0, 8, 6]]}
  - {name: this, when: 'Modality.equals("OT")', blank: [[1, 2, 5, 3]]}
  - {name: all, when: 'true.', blank: [[0, 0, 8, 6]]}
"""
    )
    expected = PIXELS.copy()
    expected[:, INSIDE] = 0
    assert written(image(), settings).PixelData == expected.tobytes()


def test_a_script_of_ctp_blanks_what_ctp_blanks() -> None:
    settings = profile('ctp_script: |\n  { Modality.equals("OT") } (1,2,4,2)\n')
    expected = PIXELS.copy()
    expected[:, INSIDE] = 0
    assert written(image(), settings).PixelData == expected.tobytes()


def test_a_rule_may_keep_instances_back() -> None:
    settings = profile("rules: [{name: dose-report, when: 'true.', quarantine: true}]")
    assert kept_back(image(), settings) == (QuarantineReason.PIXEL_RULE, "rule dose-report")


def regions(*corners: tuple[int, int, int, int]) -> list[Dataset]:
    items = []
    for x0, y0, x1, y1 in corners:
        item = Dataset()
        item.RegionLocationMinX0, item.RegionLocationMinY0 = x0, y0
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x1, y1
        items.append(item)
    return items


OUTSIDE = profile("ultrasound_regions: blank_outside")
REQUIRED = profile("ultrasound_regions: require")
BY_RULE = profile("rules: [{name: us, when: 'Modality.equals(\"US\")', outside_ultrasound_regions: true}]")


@pytest.mark.parametrize("settings", [OUTSIDE, REQUIRED, BY_RULE])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
def test_all_outside_of_ultrasound_regions_is_blanked(settings: Profile, syntax: str) -> None:
    ds = of_array(
        PIXELS,
        Modality="US",
        SOPClassUID=UltrasoundImageStorage,
        SequenceOfUltrasoundRegions=regions((0, 0, 2, 2), (2, 1, 5, 3)),
    )
    if syntax.endswith(".2"):
        del ds.PixelData
        ds.add_new(0x7FE00010, "OB", PIXELS.tobytes())
    expected = PIXELS.copy()
    outside = ~INSIDE
    outside[:] = True
    outside[0:3, 0:3] = False
    outside[1:4, 2:6] = False
    expected[:, outside] = 0
    out = written(as_file(ds, syntax), settings)
    assert out.PixelData == expected.tobytes()
    assert claims(out)


@pytest.mark.parametrize("corners", [[], [(0, 0, COLUMNS, 1)], [(5, 0, 2, 2)], [(0, 0, 2, 2), (0, 0, 2, ROWS)]])
def test_regions_that_can_not_be_believed_keep_the_instance_back(corners: list[tuple[int, int, int, int]]) -> None:
    reason, detail = kept_back(image(SequenceOfUltrasoundRegions=regions(*corners)), OUTSIDE)
    assert reason is QuarantineReason.PIXELS_NOT_CLEANABLE
    assert detail.startswith("(0018,6011)")


def test_an_ultrasound_image_without_regions_is_kept_back_where_they_are_required() -> None:
    file = image(SOPClassUID=UltrasoundImageStorage, Modality="US")
    assert kept_back(file, REQUIRED)[0] is QuarantineReason.PIXELS_NOT_CLEANABLE
    assert not claims(written(file, OUTSIDE))
    assert not claims(written(image(), REQUIRED))


def test_regions_that_fill_the_image_are_no_cleaning() -> None:
    out = written(image(SequenceOfUltrasoundRegions=regions((0, 0, COLUMNS - 1, ROWS - 1))), OUTSIDE)
    assert not claims(out)
    assert out.PixelData == PIXELS.tobytes()


def test_declared_text_keeps_an_instance_back_unless_the_profile_releases_what_was_cleaned() -> None:
    declared = image(BurnedInAnnotation="YES")
    releasing = profile(
        "rules: [{name: one, when: 'Rows.equals(\"6\")', blank: [[0, 0, 1, 1]]}]\nrelease_declared: true"
    )
    idle = profile("rules: [{name: one, when: 'false.', blank: [[0, 0, 1, 1]]}]\nrelease_declared: true")

    assert kept_back(declared, blanking(BOX))[0] is QuarantineReason.BURNED_IN_ANNOTATION
    assert kept_back(declared, idle)[0] is QuarantineReason.BURNED_IN_ANNOTATION
    assert written(declared, releasing).BurnedInAnnotation == "NO"


def test_floating_point_pixels_are_kept_back_where_a_rule_asks_for_a_box() -> None:
    ds = of_array(PIXELS, BitsAllocated=32, BitsStored=None, HighBit=None, PixelRepresentation=None, PixelData=None)
    ds.SOPClassUID = ParametricMapStorage
    ds.FloatPixelData = b"\0" * (4 * PIXELS.size)
    assert kept_back(as_file(ds), blanking(BOX))[0] is QuarantineReason.PIXELS_NOT_CLEANABLE
    assert "FloatPixelData" in written(as_file(ds), blanking(BOX, when="false."))


def test_blanking_native_pixels_needs_no_array_library() -> None:
    code = """
import io, sys
sys.modules["numpy"] = None
from dicom_assets.deidentification import Deidentified, UidReplacer, deidentify_instance
from dicom_assets.deidentification.profile import parse_profile
from dicom_assets.study import Subject
profile = parse_profile('''
name: a
version: 1
options: [Clean Pixel Data]
pixels: {rules: [{name: one, when: 'true.', blank: [[0, 0, 1, 1]]}]}
''', "p.yaml")
outcome = deidentify_instance(io.BytesIO(sys.stdin.buffer.read()), io.BytesIO(), profile=profile,
    subject=Subject("PZK7Q2M8XAB", 0), uids=UidReplacer(b"sixteen bytes or more of secret"),
    allowed_modalities=frozenset({"OT"}))
assert isinstance(outcome, Deidentified), outcome
assert not {"cv2", "onnxruntime", "rapidocr_onnxruntime"} & set(sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], input=image(), capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
