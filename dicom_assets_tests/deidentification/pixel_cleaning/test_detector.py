"""Text that is seen in frames: quarantined or blanked, offline, and clean frames left alone."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from dicom_assets.deidentification.outcome import Deidentified, Quarantined
from dicom_assets.deidentification.pixel_cleaning.detector import read_text, require_detector
from dicom_assets.deidentification.pixel_cleaning.rules import PixelRules
from dicom_assets.deidentification.profile import Profile, find_profile
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import QuarantineReason
from dicom_assets_tests.corpus import CORPUS
from dicom_assets_tests.deidentification.builders import as_file, deidentify
from dicom_assets_tests.deidentification.pixel_cleaning.builders import (
    EVERYTHING,
    HEAD,
    Pixels,
    anatomy,
    blanking,
    burn,
    of_array,
    profile,
    written,
)

pytest.importorskip("rapidocr_onnxruntime")


def detecting(found: str = "quarantine", effort: str = "thorough", more: str = "") -> Profile:
    return profile(f"detector: {{sop_classes: ['*'], found: {found}, effort: {effort}}}\n{more}")


def ct(pixels: Pixels, **attributes: Any) -> bytes:
    window = {"WindowCenter": "40", "WindowWidth": "400", "RescaleIntercept": "-1024", "RescaleSlope": "1"}
    return as_file(of_array(pixels, Modality="CT", BitsStored=12, HighBit=11, **{**window, **attributes}))


def outcome_of(file: bytes, settings: Profile) -> Deidentified | Quarantined:
    return deidentify(file, profile=settings, allowed_modalities=EVERYTHING)[0]


EFFORTS = [pytest.param("thorough", marks=pytest.mark.long), "flagged"]


@pytest.mark.parametrize("effort", EFFORTS)
def test_text_in_any_frame_keeps_the_instance_back(effort: str) -> None:
    pixels = anatomy(frames=2)
    burn(pixels[1], "DOE^JANE 1961-02-03", 20, 12)

    outcome = outcome_of(ct(pixels), detecting(effort=effort))

    assert isinstance(outcome, Quarantined)
    assert outcome.reason is QuarantineReason.BURNED_IN_TEXT
    assert outcome.detail.endswith("in 1 of 2 frames")


@pytest.mark.parametrize("effort", EFFORTS)
def test_a_clean_image_leaves_as_it_came_and_says_that_it_was_examined(effort: str) -> None:
    pixels = anatomy()
    out = written(ct(pixels), detecting(effort=effort))

    assert out.PixelData == pixels.tobytes()
    assert out.BurnedInAnnotation == "NO"
    assert "113101" in [item.CodeValue for item in out.DeidentificationMethodCodeSequence]


@pytest.mark.long
def test_text_that_was_found_is_blanked_in_every_frame() -> None:
    pixels = anatomy(frames=2)
    burn(pixels[0], "MRN 4711081", 20, 12)
    burn(pixels[1], "DOE^JANE", 250, 290)

    out = written(ct(pixels), detecting("blank"))

    after = out.pixel_array
    for frame, text in ((0, (slice(12, 32), slice(20, 110))), (1, (slice(290, 310), slice(250, 330)))):
        assert (pixels[frame][text] == 4095).any()
        assert not (after[frame][text] == 4095).any()
    changed = (after != pixels).any(axis=0)
    assert changed.mean() < 0.1
    assert isinstance(outcome_of(as_file(with_ids(out)), detecting()), Deidentified)


def with_ids(out: pydicom.FileDataset) -> pydicom.FileDataset:
    """What was written, as it would come in again."""
    out.Modality = "CT"
    return out


@pytest.mark.long
@pytest.mark.parametrize(
    ("value", "attributes"),
    [
        (4095, {}),
        (4095, {"PhotometricInterpretation": "MONOCHROME1"}),
        (2900, {"WindowCenter": None, "WindowWidth": None}),
        (700, {"WindowCenter": "3000", "WindowWidth": "100"}),
    ],
    ids=["white", "inverse", "no window", "hidden by the window"],
)
def test_text_is_seen_however_the_image_is_displayed(value: int, attributes: dict[str, Any]) -> None:
    pixels = anatomy()
    burn(pixels[0], "St. Mary Hospital 4711", 12, 8, size=16, value=value)
    assert isinstance(outcome_of(ct(pixels, **attributes), detecting()), Quarantined)


def ultrasound() -> Pixels:
    gray = (anatomy()[0] / 16).astype(np.uint8)
    mask = np.zeros(gray.shape, np.uint16)
    burn(mask, "ZEBRA^ZACHARY 12345", 30, 10, size=20)
    color = np.stack([gray, gray, gray], axis=-1)
    color[mask > 0] = (255, 220, 40)
    return color[None]


@pytest.mark.long
@pytest.mark.parametrize(
    "attributes",
    [{}, {"PlanarConfiguration": 1}, {"PhotometricInterpretation": "YBR_FULL"}],
    ids=["by pixel", "by plane", "YBR"],
)
def test_text_is_seen_in_color(attributes: dict[str, Any]) -> None:
    pixels = ultrasound()
    stored = pixels.transpose(0, 3, 1, 2) if attributes.get("PlanarConfiguration") else pixels
    if "PhotometricInterpretation" in attributes:
        stored = pydicom.pixels.convert_color_space(pixels, "RGB", "YBR_FULL")
    file = as_file(of_array(pixels, Modality="US", PixelData=np.ascontiguousarray(stored).tobytes(), **attributes))

    assert isinstance(outcome_of(file, detecting()), Quarantined)
    assert isinstance(outcome_of(file, detecting("blank")), Deidentified)


@pytest.mark.long
def test_text_is_seen_in_an_image_with_a_palette() -> None:
    pixels = np.where(ultrasound()[..., 2] == 40, 255, ultrasound()[..., 0] // 2).astype(np.uint8)
    names = [f"{color}PaletteColorLookupTable" for color in ("Red", "Green", "Blue")]
    attributes: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    attributes |= {f"{name}Descriptor": [256, 0, 8] for name in names}
    attributes |= {f"{name}Data": bytes(range(256)) for name in names}
    assert isinstance(outcome_of(as_file(of_array(pixels, **attributes)), detecting()), Quarantined)


@pytest.mark.long
def test_what_a_rule_blanked_is_not_read() -> None:
    pixels = anatomy()
    burn(pixels[0], "DOE^JANE 1961", 20, 12)
    settings = detecting(more="rules: [{name: banner, when: 'true.', blank: [[0, 0, 400, 40]]}]")
    assert isinstance(outcome_of(ct(pixels), settings), Deidentified)


@pytest.mark.long
def test_declared_text_is_read_on_every_frame_though_nothing_flags_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = anatomy()
    burn(pixels[0], "DOE^JANE 1961", 20, 12)
    strokes = "dicom_assets.deidentification.pixel_cleaning.strokes.looks_like_text"
    monkeypatch.setattr(strokes, lambda view: False)
    settings = detecting(effort="flagged", more="release_declared: true")

    assert isinstance(outcome_of(ct(pixels), settings), Deidentified)
    outcome = outcome_of(ct(pixels, BurnedInAnnotation="YES"), settings)
    assert isinstance(outcome, Quarantined)
    assert outcome.reason is QuarantineReason.BURNED_IN_TEXT


@pytest.mark.long
def test_small_text_is_read_in_a_large_image() -> None:
    picture = (anatomy(1900, 2400)[0] / 16).astype(np.uint8)
    burn(picture, "SMITH^JOHN 1948", 2200, 1860, size=16, value=255)
    boxes = read_text(picture)
    assert boxes
    assert all(box.left > 2150 and box.top > 1840 for box in boxes)


def test_only_the_sop_classes_that_are_named_are_examined() -> None:
    pixels = anatomy()
    burn(pixels[0], "DOE^JANE 1961", 20, 12)
    settings = profile("detector: {sop_classes: [UltrasoundImageStorage]}")
    assert written(ct(pixels), settings).PixelData == pixels.tobytes()


def test_without_the_extra_a_profile_that_detects_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    require_detector(detecting().pixels)
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'dicom-assets\[ocr\]'"):
        require_detector(detecting().pixels)
    require_detector(blanking((0, 0, 1, 1)).pixels)
    require_detector(PixelRules())


def test_the_profile_that_a_run_loads_is_refused_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "detecting.yaml"
    path.write_text(f"{HEAD}pixels: {{detector: {{sop_classes: ['*']}}}}\n")
    assert find_profile(str(path)).pixels.detector
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    with pytest.raises(ConfigurationError, match=r"pixels\.detector"):
        find_profile(str(path))


def test_without_the_extra_an_instance_to_examine_is_kept_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rapidocr_onnxruntime", "cv2"):
        monkeypatch.setitem(sys.modules, name, None)
    from dicom_assets.deidentification.pixel_cleaning import detector

    detector._reader.cache_clear()
    outcome = outcome_of(ct(anatomy()), detecting())
    assert isinstance(outcome, Quarantined)
    assert outcome.reason is QuarantineReason.PIXELS_NOT_CLEANABLE
    assert "extra `ocr`" in outcome.detail


KNOWN = CORPUS / "burned_open.json"


@pytest.mark.long
@pytest.mark.skipif(not KNOWN.is_file(), reason="the corpus is absent")
def test_known_lines_of_real_images_are_found_and_vanish() -> None:
    for name, lines in json.loads(KNOWN.read_text()).items():
        path = next(CORPUS / part / name for part in ("open", "") if (CORPUS / part / name).is_file())
        out = written(open_instance(path), detecting("blank", more="release_declared: true"))
        before, after = pydicom.dcmread(path).pixel_array, out.pixel_array
        for line in lines:
            (left, top), (right, bottom) = line["top_left"], line["bottom_right"]
            height = bottom - top
            text = (slice(top + height // 4, bottom - height // 4), slice(left + 8, right - 8))
            assert before[text].max() > 150
            assert after[text].max() < 100


def open_instance(path: Path) -> bytes:
    ds = pydicom.dcmread(path)
    ds.Modality = "US"
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()
