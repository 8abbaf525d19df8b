"""Clean Graphics: overlays, curves and the annotations of presentation states."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
)

from dicom_assets.deidentification.graphics import Annotations, Curves, GraphicsRules, Overlays
from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.profile import Profile, parse_profile
from dicom_assets.errors import ProfileError
from dicom_assets.study import QuarantineReason
from dicom_assets_tests.deidentification.builders import (
    a_data_set,
    an_image,
    as_file,
    deidentified,
    deidentified_bytes,
    reason,
)
from dicom_assets_tests.deidentification.content_builders import (
    MODALITIES,
    SENTINEL,
    a_reference,
    cleaning,
    needs_dciodvfy,
    validity_errors,
)

BITS = b"\xa5\x3c\x0f\xf0\x99\x66\x55\xaa"
ENCODINGS = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def cleaning_graphics(**rules: Any) -> Profile:
    return replace(cleaning(), graphics=GraphicsRules(**rules))


def an_overlay(kind: str = "R", group: int = 0x6000, **changes: Any) -> dict[int, tuple[str, Any]]:
    elements: dict[int, tuple[str, Any]] = {
        0x0010: ("US", 8),
        0x0011: ("US", 8),
        0x0015: ("IS", "1"),
        0x0022: ("LO", SENTINEL),
        0x0040: ("CS", kind),
        0x0045: ("LO", "USER"),
        0x0050: ("SS", [1, 1]),
        0x0100: ("US", 1),
        0x0102: ("US", 0),
        0x1301: ("IS", "12"),
        0x1500: ("LO", SENTINEL),
        0x3000: ("OW", BITS),
        0x4000: ("LT", SENTINEL),
    }
    for name, value in changes.items():
        number = int(name.removeprefix("e"), 16)
        elements[number] = (elements[number][0], value)
    return {group << 16 | number: value for number, value in elements.items()}


def a_curve(**changes: Any) -> dict[int, tuple[str, Any]]:
    elements: dict[int, tuple[str, Any]] = {
        0x0005: ("US", 2),
        0x0010: ("US", 2),
        0x0020: ("CS", "POLY"),
        0x0022: ("LO", SENTINEL),
        0x0040: ("SH", SENTINEL),
        0x0103: ("US", 0),
        0x3000: ("OW", BITS),
    }
    for name, value in changes.items():
        number = int(name.removeprefix("e"), 16)
        elements[number] = (elements[number][0], value)
    return {0x50000000 | number: value for number, value in elements.items()}


def with_graphics(ds: Dataset, *graphics: dict[int, tuple[str, Any]]) -> Dataset:
    for elements in graphics:
        for tag, (vr, value) in elements.items():
            ds.add_new(tag, vr, value)
    return ds


def groups(ds: Dataset) -> set[int]:
    return {element.tag.group for element in ds if element.tag.group >> 8 in {0x50, 0x60}}


def test_overlays_and_curves_go_unless_the_profile_keeps_them() -> None:
    file = as_file(with_graphics(an_image(), an_overlay("R"), an_overlay("G", 0x6002), a_curve()))
    assert groups(deidentified(file, profile=cleaning())) == set()
    assert groups(deidentified(file)) == set()


@pytest.mark.parametrize(
    ("overlays", "left"), [(Overlays.KEEP_REGIONS, {0x6000}), (Overlays.KEEP_ALL, {0x6000, 0x6002})]
)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_overlays_of_the_types_that_the_profile_keeps_stay(overlays: Overlays, left: set[int], encoding: str) -> None:
    file = as_file(with_graphics(an_image(), an_overlay("R"), an_overlay("G", 0x6002)), encoding)
    profile = cleaning_graphics(overlays=overlays)
    ds = deidentified(file, profile=profile)
    assert groups(ds) == left
    assert SENTINEL.encode() not in deidentified_bytes(file, profile=profile)
    kept = {element.tag.element: element.value for element in ds.group_dataset(0x6000)}
    assert kept.keys() == {0x0010, 0x0011, 0x0015, 0x0040, 0x0045, 0x0050, 0x0100, 0x0102, 0x1301, 0x3000}
    assert (kept[0x0010], kept[0x0011], list(kept[0x0050]), kept[0x3000]) == (8, 8, [1, 1], BITS)


@pytest.mark.parametrize(
    "changes",
    [
        {"e0040": "ROI"},
        {"e0040": ""},
        {"e0010": 9},
        {"e0011": 5},
        {"e0010": 0},
        {"e0015": "2"},
        {"e0015": ""},
        {"e0100": 16},
        {"e0102": 1},
        {"e3000": BITS + b"\0\0"},
        {"e3000": b""},
    ],
)
def test_overlay_whose_description_does_not_add_up_goes(changes: dict[str, Any]) -> None:
    file = as_file(with_graphics(an_image(), an_overlay(**changes)))
    expected = {0x6000} if changes == {"e0015": ""} else set()  # one frame is meant
    assert groups(deidentified(file, profile=cleaning_graphics(overlays=Overlays.KEEP_REGIONS))) == expected


def test_overlay_subtype_that_is_no_term_goes() -> None:
    file = as_file(with_graphics(an_image(), an_overlay(e0045=SENTINEL)))
    profile = cleaning_graphics(overlays=Overlays.KEEP_REGIONS)
    assert 0x60000045 not in deidentified(file, profile=profile)
    assert SENTINEL.encode() not in deidentified_bytes(file, profile=profile)


def test_overlay_of_a_real_image_can_still_be_drawn() -> None:
    path = get_testdata_file("examples_overlay.dcm", download=False)
    file = Path(str(path)).read_bytes()
    before = pydicom.dcmread(io.BytesIO(file))
    after = deidentified(file, profile=cleaning_graphics(overlays=Overlays.KEEP_ALL))
    assert groups(after) == groups(before) != set()
    for group in groups(after):
        assert (after.overlay_array(group) == before.overlay_array(group)).all()


def test_long_value_in_the_place_of_a_number_goes() -> None:
    image = with_graphics(an_image(), an_overlay(), {0x60000051: ("US", [0x5851] * 9)})
    profile = cleaning_graphics(overlays=Overlays.KEEP_REGIONS)
    assert 0x60000051 not in deidentified(as_file(image, ImplicitVRLittleEndian), profile=profile)


def test_overlay_in_a_sequence_goes() -> None:
    inner = with_graphics(Dataset(), an_overlay(), a_curve())
    file = as_file(an_image(ReferencedSeriesSequence=[inner]))
    profile = cleaning_graphics(overlays=Overlays.KEEP_REGIONS, curves=Curves.KEEP)
    assert groups(deidentified(file, profile=profile).ReferencedSeriesSequence[0]) == set()


def embedded(pixels: bytes, position: int = 15, **attributes: Any) -> Dataset:
    image = an_image(BitsStored=12, HighBit=11, PixelData=pixels, **attributes)
    plane = an_overlay("G", e0100=16, e0102=position)
    return with_graphics(image, {tag: value for tag, value in plane.items() if tag != 0x60003000})


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("overlays", [Overlays.REMOVE, Overlays.KEEP_REGIONS])
def test_instance_with_an_overlay_in_its_pixels_is_kept_back(encoding: str, overlays: Overlays) -> None:
    pixels = struct.pack((">" if encoding == ExplicitVRBigEndian else "<") + "6H", 0, 0, 0x8000, 0, 0, 0)
    file = as_file(embedded(pixels), encoding)
    profile = cleaning_graphics(overlays=overlays)
    assert reason(file, profile=profile) is QuarantineReason.BURNED_IN_ANNOTATION
    assert reason(file) is QuarantineReason.BURNED_IN_ANNOTATION


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_instance_whose_declared_overlay_bit_is_never_set_passes(encoding: str) -> None:
    pixels = struct.pack((">" if encoding == ExplicitVRBigEndian else "<") + "6H", *([0x7FFF] * 6))
    assert groups(deidentified(as_file(embedded(pixels), encoding), profile=cleaning())) == set()


def test_overlay_at_a_bit_that_pixels_do_not_have_is_taken_for_one_that_is_set() -> None:
    assert (
        reason(as_file(embedded(bytes(12), position=16)), profile=cleaning()) is QuarantineReason.BURNED_IN_ANNOTATION
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_curve_keeps_its_numbers_only(encoding: str) -> None:
    file = as_file(with_graphics(an_image(), a_curve()), encoding)
    profile = cleaning_graphics(curves=Curves.KEEP)
    kept = {element.tag.element: element.value for element in deidentified(file, profile=profile).group_dataset(0x5000)}
    assert kept == {0x0005: 2, 0x0010: 2, 0x0020: "POLY", 0x0103: 0, 0x3000: BITS}
    assert SENTINEL.encode() not in deidentified_bytes(file, profile=profile)


@pytest.mark.parametrize("changes", [{"e0020": "TABL"}, {"e0010": 1}, {"e0103": 9}, {"e3000": b""}])
def test_curve_whose_description_does_not_add_up_goes(changes: dict[str, Any]) -> None:
    file = as_file(with_graphics(an_image(), a_curve(**changes)))
    assert groups(deidentified(file, profile=cleaning_graphics(curves=Curves.KEEP))) == set()


def a_presentation_state() -> Dataset:
    graphic, text = Dataset(), Dataset()
    graphic.GraphicAnnotationUnits, graphic.GraphicDimensions, graphic.NumberOfGraphicPoints = "PIXEL", 2, 2
    graphic.GraphicData, graphic.GraphicType, graphic.GraphicFilled = [1.0, 2.0, 3.0, 4.0], "CIRCLE", "N"
    text.UnformattedTextValue, text.AnchorPointAnnotationUnits = SENTINEL, "PIXEL"
    text.AnchorPoint, text.AnchorPointVisibility = [1.0, 1.0], "N"
    both, texts_only = Dataset(), Dataset()
    both.GraphicLayer, texts_only.GraphicLayer = SENTINEL, "OTHER"
    both.GraphicObjectSequence = [graphic]
    both.TextObjectSequence, texts_only.TextObjectSequence = [text], [text]
    both.ReferencedImageSequence = [a_reference("1.2.826.0.1.3680043.8.498.1.2.1")]
    layers = [Dataset(), Dataset()]
    for number, (layer, name) in enumerate(zip(layers, (SENTINEL, "OTHER"), strict=True), start=1):
        layer.GraphicLayer, layer.GraphicLayerOrder, layer.GraphicLayerDescription = name, number, SENTINEL
    series, area = Dataset(), Dataset()
    series.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.1.2"
    series.ReferencedImageSequence = [a_reference("1.2.826.0.1.3680043.8.498.1.2.1")]
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [1, 1], [8, 8]
    area.PresentationSizeMode, area.PresentationPixelAspectRatio = "SCALE TO FIT", [1, 1]
    return a_data_set(
        SOPClassUID=GrayscaleSoftcopyPresentationStateStorage,
        Modality="PR",
        StudyInstanceUID="1.2.826.0.1.3680043.8.498.1",
        SeriesInstanceUID="1.2.826.0.1.3680043.8.498.1.1",
        SOPInstanceUID="1.2.826.0.1.3680043.8.498.1.1.1",
        PatientBirthDate="",
        PatientSex="",
        StudyDate="",
        StudyTime="",
        StudyID="",
        AccessionNumber="",
        ReferringPhysicianName="",
        SeriesNumber="1",
        InstanceNumber="1",
        Manufacturer="Maker",
        Laterality="",
        ContentLabel=SENTINEL,
        ContentDescription=SENTINEL,
        ContentCreatorName=SENTINEL,
        PresentationCreationDate="20240102",
        PresentationCreationTime="101112",
        PresentationLUTShape="IDENTITY",
        ReferencedSeriesSequence=[series],
        DisplayedAreaSelectionSequence=[area],
        GraphicAnnotationSequence=[both, texts_only],
        GraphicLayerSequence=layers,
    )


def cleaned_state(**rules: Any) -> Dataset:
    return deidentified(
        as_file(a_presentation_state()), profile=cleaning_graphics(**rules), allowed_modalities=MODALITIES
    )


def test_graphic_objects_stay_and_text_goes() -> None:
    ds = cleaned_state()
    (annotation,) = ds.GraphicAnnotationSequence
    assert annotation.GraphicObjectSequence == a_presentation_state().GraphicAnnotationSequence[0].GraphicObjectSequence
    assert "TextObjectSequence" not in annotation
    assert annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID.startswith("2.25.")


def test_layers_get_new_names_that_still_fit() -> None:
    ds = cleaned_state()
    first, second = (layer.GraphicLayer for layer in ds.GraphicLayerSequence)
    assert re.fullmatch(r"[0-9A-Z]{16}", first)
    assert first != second
    assert ds.GraphicAnnotationSequence[0].GraphicLayer == first
    assert not any("GraphicLayerDescription" in layer for layer in ds.GraphicLayerSequence)


def test_no_text_is_left_of_a_presentation_state() -> None:
    file = as_file(a_presentation_state())
    for rules in (GraphicsRules(), GraphicsRules(annotations=Annotations.REMOVE)):
        profile = replace(cleaning(), graphics=rules)
        written = deidentified_bytes(file, profile=profile, allowed_modalities=MODALITIES)
        assert SENTINEL.encode() not in written


def test_annotations_go_where_the_profile_says_so() -> None:
    assert "GraphicAnnotationSequence" not in cleaned_state(annotations=Annotations.REMOVE)


@needs_dciodvfy
@pytest.mark.parametrize("annotations", Annotations)
def test_valid_presentation_state_gets_no_new_error(annotations: Annotations) -> None:
    file = as_file(a_presentation_state())
    profile = cleaning_graphics(annotations=annotations)
    assert not validity_errors(file)
    written = deidentified_bytes(file, profile=profile, allowed_modalities=MODALITIES)
    # The table removes the date and time of creation, which are required; that is not the graphics' affair.
    assert not [error for error in validity_errors(written) if "PresentationCreation" not in error]


def test_compound_graphics_and_what_only_they_need_go() -> None:
    ds = a_presentation_state()
    annotation = ds.GraphicAnnotationSequence[0]
    tick, ruler = Dataset(), Dataset()
    tick.TickPosition, tick.TickLabel = 0.5, SENTINEL
    ruler.CompoundGraphicType, ruler.MajorTicksSequence = "RULER", [tick]
    annotation.CompoundGraphicSequence = [ruler]
    annotation.GraphicObjectSequence[0].CompoundGraphicInstanceID = 1
    annotation.GraphicObjectSequence[0].TrackingID = SENTINEL
    profile = cleaning()
    written = deidentified(as_file(ds), profile=profile, allowed_modalities=MODALITIES)
    (kept,) = written.GraphicAnnotationSequence
    assert "CompoundGraphicSequence" not in kept
    assert {"CompoundGraphicInstanceID", "TrackingID"}.isdisjoint(e.keyword for e in kept.GraphicObjectSequence[0])


@pytest.mark.parametrize(
    ("overlays", "shapes"),
    [(Overlays.REMOVE, "CIRCULAR"), (Overlays.KEEP_REGIONS, ["CIRCULAR", "BITMAP"])],
)
def test_bitmap_shutter_goes_with_its_overlay(overlays: Overlays, shapes: Any) -> None:
    ds = with_graphics(an_image(ShutterShape=["CIRCULAR", "BITMAP"], ShutterOverlayGroup=0x6000), an_overlay())
    written = deidentified(as_file(ds), profile=cleaning_graphics(overlays=overlays))
    assert written.ShutterShape == shapes
    assert ("ShutterOverlayGroup" in written) is (overlays is Overlays.KEEP_REGIONS)


def test_activation_layer_gets_the_layers_new_name() -> None:
    ds = with_graphics(a_presentation_state(), {**an_overlay(), 0x60001001: ("CS", "OTHER")})
    profile = cleaning_graphics(overlays=Overlays.KEEP_REGIONS)
    written = deidentified(as_file(ds), profile=profile, allowed_modalities=MODALITIES)
    assert written[0x60001001].value == written.GraphicLayerSequence[1].GraphicLayer


def test_icon_goes() -> None:
    icon = an_image()
    assert "IconImageSequence" not in deidentified(as_file(an_image(IconImageSequence=[icon])), profile=cleaning())


HEAD = "name: mine\nversion: '1'\noptions: [Clean Graphics]\n"


def test_profile_says_what_stays() -> None:
    content = HEAD + "graphics:\n  overlays: keep_regions\n  curves: keep\n  annotations: remove\n"
    rules = parse_profile(content, "p.yaml").graphics
    assert rules == GraphicsRules(Overlays.KEEP_REGIONS, Curves.KEEP, Annotations.REMOVE)
    assert parse_profile(HEAD, "p.yaml").graphics == GraphicsRules()


def test_overlays_that_may_be_writing_are_a_risk_to_be_taken() -> None:
    content = HEAD + "graphics:\n  overlays: keep_all\n"
    with pytest.raises(ProfileError, match=r"line 5: graphics.overlays keep_all keeps overlays that may hold writing"):
        parse_profile(content, "p.yaml")
    profile = parse_profile(content + "  i_accept_the_risk: looked at every one\n", "p.yaml")
    assert profile.accepted_risks == {"graphics.overlays keep_all": "looked at every one"}
    ds = deidentified(as_file(an_image()), profile=profile)
    assert "DeidentificationMethodCodeSequence" not in ds


def test_graphics_without_the_option_are_refused() -> None:
    with pytest.raises(ProfileError, match=r"line 3: graphics says how"):
        parse_profile("name: mine\nversion: '1'\ngraphics: {curves: keep}\n", "p.yaml")


def test_fingerprint_changes_with_the_graphics() -> None:
    changed = [cleaning_graphics(**{name: value}) for name, value in CHANGES]
    assert len({cleaning().fingerprint, *(profile.fingerprint for profile in changed)}) == len(CHANGES) + 1
    assert Option.CLEAN_GRAPHICS in cleaning().options


CHANGES: list[tuple[str, Any]] = [
    ("overlays", Overlays.KEEP_REGIONS),
    ("curves", Curves.KEEP),
    ("annotations", Annotations.REMOVE),
]
