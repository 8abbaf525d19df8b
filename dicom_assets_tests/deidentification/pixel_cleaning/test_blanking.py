"""Native pixels: every frame and sample of a box becomes black, and no byte beside it changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_assets.deidentification.outcome import Quarantined
from dicom_assets.study import QuarantineReason
from dicom_assets_tests.deidentification.builders import as_file, deidentify
from dicom_assets_tests.deidentification.pixel_cleaning.builders import (
    BOX,
    COLUMNS,
    EVERYTHING,
    INSIDE,
    ROWS,
    Pixels,
    blanking,
    noise,
    of_array,
    written,
)


@dataclass(frozen=True)
class Kind:
    """An array (frames, rows, columns[, samples]), its attributes, and the black of it."""

    pixels: Pixels
    black: Any
    attributes: dict[str, Any] = field(default_factory=dict)


SHAPE = (2, ROWS, COLUMNS)
KINDS: dict[str, Kind] = {
    "gray 8": Kind(noise(*SHAPE), 0),
    "gray 16": Kind(noise(*SHAPE, dtype="<u2"), 0),
    "gray 12 of 16": Kind(noise(*SHAPE, dtype="<u2", below=4096), 0, {"BitsStored": 12, "HighBit": 11}),
    "gray 32": Kind(noise(*SHAPE, dtype="<u4"), 0),
    "signed 16": Kind(noise(*SHAPE, dtype="<i2"), -32768),
    "signed 12 of 16": Kind(noise(*SHAPE, dtype="<i2", below=2047), -2048, {"BitsStored": 12, "HighBit": 11}),
    "signed 8": Kind(noise(*SHAPE, dtype="i1"), -128),
    "inverse 8": Kind(noise(*SHAPE), 255, {"PhotometricInterpretation": "MONOCHROME1"}),
    "inverse 10 of 16": Kind(
        noise(*SHAPE, dtype="<u2", below=1023),
        1023,
        {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 10, "HighBit": 9},
    ),
    "inverse signed 16": Kind(
        noise(*SHAPE, dtype="<i2", below=32767), 32767, {"PhotometricInterpretation": "MONOCHROME1"}
    ),
    "inverse by LUT shape": Kind(noise(*SHAPE), 255, {"PresentationLUTShape": "INVERSE"}),
    "high bits": Kind(noise(*SHAPE, dtype="<u2"), 0, {"BitsStored": 12, "HighBit": 15}),
    "RGB": Kind(noise(*SHAPE, 3), (0, 0, 0)),
    "RGB 16": Kind(noise(*SHAPE, 3, dtype="<u2"), (0, 0, 0)),
    "YBR_FULL": Kind(noise(*SHAPE, 3), (0, 128, 128), {"PhotometricInterpretation": "YBR_FULL"}),
    "odd length": Kind(noise(1, 5, 7)[:, :, :], 0),
}


def expected_of(kind: Kind) -> Pixels:
    """The array with its box made black by other means."""
    inside = np.zeros(kind.pixels.shape[1:3], dtype=bool)
    inside[BOX[1] : BOX[1] + BOX[3], BOX[0] : BOX[0] + BOX[2]] = True
    changed = kind.pixels.copy()
    changed[:, inside] = kind.black
    return changed


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_box_is_black_in_every_frame_and_nothing_else_changed(kind: Kind, syntax: str) -> None:
    out = written(as_file(of_array(kind.pixels, **kind.attributes), syntax), blanking(BOX))

    expected = expected_of(kind).tobytes()
    assert bytes(out.PixelData) == expected + b"\0" * (len(expected) & 1)
    assert out.file_meta.TransferSyntaxUID == syntax
    assert out.BurnedInAnnotation == "NO"


@pytest.mark.parametrize("depth", [1, 2])
def test_color_by_plane_is_blanked_in_every_plane(depth: int) -> None:
    pixels = noise(*SHAPE, 3, dtype=f"<u{depth}")
    planes = pixels.transpose(0, 3, 1, 2)
    ds = of_array(pixels, PlanarConfiguration=1, PixelData=planes.tobytes())

    expected = pixels.copy()
    expected[:, INSIDE] = 0
    assert written(as_file(ds), blanking(BOX)).PixelData == expected.transpose(0, 3, 1, 2).tobytes()


def big_endian(ds: Dataset, vr: str, value: bytes) -> bytes:
    """A big endian file whose Pixel Data holds these very bytes."""
    del ds.PixelData
    ds.add_new(0x7FE00010, vr, value)
    return as_file(ds, ExplicitVRBigEndian)


@pytest.mark.parametrize("kind", ["gray 16", "signed 12 of 16", "inverse 10 of 16", "RGB 16", "gray 32"])
def test_samples_of_several_bytes_are_blanked_in_big_endian(kind: str) -> None:
    def swapped(pixels: Pixels) -> bytes:
        return pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()

    ds = of_array(KINDS[kind].pixels, **KINDS[kind].attributes)
    out = written(big_endian(ds, "OW", swapped(KINDS[kind].pixels)), blanking(BOX))
    assert out.PixelData == swapped(expected_of(KINDS[kind]))


@pytest.mark.parametrize("vr", ["OB", "OW"])
@pytest.mark.parametrize("kind", ["inverse 8", "YBR_FULL"])
def test_bytes_that_change_places_in_big_endian_words_are_found(kind: str, vr: str) -> None:
    def placed(pixels: Pixels) -> bytes:
        return pixels.tobytes() if vr == "OB" else pixels.reshape(-1, 2)[:, ::-1].tobytes()

    ds = of_array(KINDS[kind].pixels, **KINDS[kind].attributes)
    out = written(big_endian(ds, vr, placed(KINDS[kind].pixels)), blanking(BOX))
    assert out.PixelData == placed(expected_of(KINDS[kind]))


@pytest.mark.parametrize(("interpretation", "black"), [("MONOCHROME2", 0), ("MONOCHROME1", 1)])
def test_single_bits_are_blanked_though_frames_begin_within_a_byte(interpretation: str, black: int) -> None:
    bits = np.random.default_rng(5).integers(0, 2, (3, 5, 7)).astype(np.uint8)

    def packed(values: Pixels) -> bytes:
        return np.packbits(values.reshape(-1), bitorder="little").tobytes()

    ds = of_array(bits, PhotometricInterpretation=interpretation, BitsAllocated=1, BitsStored=1, HighBit=0)
    ds.PixelData = packed(bits)
    expected = bits.copy()
    expected[:, 2:5, 1:6] = black
    assert written(as_file(ds), blanking(BOX)).PixelData == packed(expected)


def test_color_that_two_pixels_share_goes_with_either() -> None:
    pairs = noise(2, ROWS, COLUMNS // 2, 4)
    ds = of_array(noise(*SHAPE, 3), PhotometricInterpretation="YBR_FULL_422", PixelData=pairs.tobytes())

    out = np.frombuffer(written(as_file(ds), blanking(BOX)).PixelData, np.uint8).reshape(pairs.shape)

    luminance, before = (values[..., :2].reshape(SHAPE) for values in (out, pairs))
    assert (luminance[:, INSIDE] == 0).all()
    assert np.array_equal(luminance[:, ~INSIDE], before[:, ~INSIDE])
    touched = INSIDE.reshape(ROWS, COLUMNS // 2, 2).any(axis=2)
    assert (out[:, touched][..., 2:] == 128).all()
    assert np.array_equal(out[:, ~touched], pairs[:, ~touched])


def a_palette(kind: str) -> dict[str, Any]:
    """256 entries from the first value on; the darkest is the fortieth."""
    reds = np.arange(256)[::-1].copy() % 200 + 50
    reds[40] = 1
    table = reds.astype(np.uint8).tobytes() if kind == "8" else (reds * 256).astype("<u2").tobytes()
    names = [f"{color}PaletteColorLookupTable" for color in ("Red", "Green", "Blue")]
    attributes: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    attributes |= {f"{name}Descriptor": [256, 0, 8 if kind == "8" else 16] for name in names}
    if kind == "segmented":
        words = np.array([0, 40, *range(60000, 59960, -1), 0, 1, 7, 1, 215, 50000], "<u2").tobytes()
        names, table = [f"Segmented{name}" for name in names], words
    return attributes | {f"{name}Data": table for name in names}


@pytest.mark.parametrize("kind", ["8", "16", "segmented"])
def test_a_palette_images_box_gets_the_darkest_index(kind: str) -> None:
    pixels = noise(*SHAPE)
    out = written(as_file(of_array(pixels, **a_palette(kind))), blanking(BOX))

    expected = pixels.copy()
    expected[:, INSIDE] = 40
    assert out.PixelData == expected.tobytes()


@pytest.mark.parametrize(
    "attributes",
    [
        {"PhotometricInterpretation": "CMYK"},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"PhotometricInterpretation": "RGB"},
        {"BitsStored": 9},
        {**a_palette("8"), "BluePaletteColorLookupTableData": b"\0" * 8},
    ],
)
def test_an_image_of_an_unknown_kind_is_kept_back(attributes: dict[str, Any]) -> None:
    file = as_file(of_array(noise(*SHAPE), **attributes))
    outcome, _ = deidentify(file, profile=blanking(BOX), allowed_modalities=EVERYTHING)
    assert isinstance(outcome, Quarantined)
    assert outcome.reason is QuarantineReason.PIXELS_NOT_CLEANABLE


def test_extremes_that_may_be_untrue_are_removed() -> None:
    ds = of_array(noise(*SHAPE), SmallestImagePixelValue=1, LargestImagePixelValue=254)
    assert "SmallestImagePixelValue" not in written(as_file(ds), blanking(BOX))
    assert "LargestImagePixelValue" in written(as_file(ds), blanking(BOX, when="false."))


@pytest.mark.parametrize(
    "words",
    [
        [2, 2, 0, 0, 0, 1],
        [0, 1, 5, 2, 9, 8, 0],
        [0, 300, 1],
        [9, 1, 1],
        [1, 5, 7],
        [0, 1, 0, 1, 65535, 9, *([2, 9, 2, 0] * 9)],
    ],
)
def test_a_segmented_palette_that_makes_no_sense_keeps_the_instance_back(words: list[int]) -> None:
    segmented = a_palette("segmented") | {
        f"Segmented{color}PaletteColorLookupTableData": np.array(words, "<u2").tobytes()
        for color in ("Red", "Green", "Blue")
    }
    file = as_file(of_array(noise(*SHAPE), **segmented))
    outcome, _ = deidentify(file, profile=blanking(BOX), allowed_modalities=EVERYTHING)
    assert isinstance(outcome, Quarantined)
    assert outcome.reason is QuarantineReason.PIXELS_NOT_CLEANABLE
