"""One frame as a small picture: every kind of image that can be displayed, and a word for every other."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, JPEGLSLossless, RLELossless

from dicom_assets.contact_sheet.tiles import EDGE, MOST_SAMPLES, Tile, Word, tile_of
from dicom_assets_tests.corpus import CorpusFile, corpus_files
from dicom_assets_tests.deidentification.builders import a_data_set, as_file
from dicom_assets_tests.deidentification.pixel_cleaning.builders import Pixels, of_array

RAMP = np.tile(np.arange(64, dtype="<u2") * 16, (48, 1))[np.newaxis]
"""One frame that gets brighter from left to right."""

NOT_SHOWN = {
    "JPEG-lossy.dcm": Word.NOT_DECODABLE,  # 12 bit JPEG has no decoder under a licence that suits
    "I341-newConfig.dcm": Word.NOT_DECODABLE,
    "privateTag.dcm": Word.NOT_DECODABLE,
    "privateTagRemoved.dcm": Word.NOT_DECODABLE,
    "RG2_JPLY.dcm": Word.NOT_DECODABLE,
    "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm": Word.NOT_DECODABLE,
    "liver_rle.dcm": Word.NOT_DECODABLE,  # 1 bit in RLE
    "liver_deflate.dcm": Word.NO_DECODER,
}


def picture(file: bytes, position: float = 0.0) -> Pixels:
    tile = tile_of(file, position)
    assert tile.picture is not None, tile
    return tile.picture


def is_brighter_to_the_right(shown: Pixels) -> bool:
    return bool(shown[:, -4:].mean() > shown[:, :4].mean() + 100)


@pytest.fixture(scope="module")
def corpus_tiles() -> list[tuple[CorpusFile, Tile]]:
    return [(file, tile_of(file.path.read_bytes(), 0.5)) for file in corpus_files()]


@pytest.mark.skipif(not corpus_files(), reason="the corpus is not there")
def test_every_image_of_the_corpus_that_has_a_decoder_is_shown(corpus_tiles: list[tuple[CorpusFile, Tile]]) -> None:
    words = {
        file.path.name: tile.word for file, tile in corpus_tiles if tile.word in (Word.NOT_DECODABLE, Word.NO_DECODER)
    }

    assert words == NOT_SHOWN
    assert sum(tile.picture is not None for _, tile in corpus_tiles) > 180


@pytest.mark.skipif(not corpus_files(), reason="the corpus is not there")
@pytest.mark.parametrize(
    "syntax", ["1", "2", "5", "1.99", *(f"4.{kind}" for kind in (50, 57, 70, 80, 81, 90, 91, 201, 203))]
)
def test_syntax_of_the_corpus_is_shown(corpus_tiles: list[tuple[CorpusFile, Tile]], syntax: str) -> None:
    shown: defaultdict[str, int] = defaultdict(int)
    for file, tile in corpus_tiles:
        shown[file.transfer_syntax] += tile.picture is not None

    assert shown[f"1.2.840.10008.1.2.{syntax}"] > 0


@pytest.mark.parametrize(
    ("attributes", "brighter"),
    [
        ({}, True),
        ({"PhotometricInterpretation": "MONOCHROME1"}, False),
        ({"PresentationLUTShape": "INVERSE"}, False),
        ({"WindowCenter": "512", "WindowWidth": "1024"}, True),
        ({"WindowCenter": "5000", "WindowWidth": "10"}, True),  # shows nothing, so that the range is shown
        ({"WindowCenter": "0", "WindowWidth": "1024", "RescaleSlope": "1", "RescaleIntercept": "-512"}, True),
    ],
)
def test_gray_is_as_a_viewer_shows_it(attributes: dict[str, Any], brighter: bool) -> None:
    shown = picture(as_file(of_array(RAMP, **attributes)))

    assert is_brighter_to_the_right(shown) == brighter
    assert shown.dtype == np.uint8


def test_window_of_the_header_clips() -> None:
    shown = picture(as_file(of_array(RAMP, WindowCenter="256", WindowWidth="512")))

    assert (shown[:, 40:] == 255).all()


@pytest.mark.parametrize("dtype", ["<i2", "<i4", "<u4", "u1", "i1"])
def test_values_of_any_width_and_sign_are_shown(dtype: str) -> None:
    values = (RAMP.astype("i4") // 16 - (32 if dtype.strip("<").startswith("i") else 0)).astype(dtype)

    assert is_brighter_to_the_right(picture(as_file(of_array(values))))


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_other_plain_syntaxes_are_shown(syntax: str) -> None:
    ds = of_array(RAMP.astype(">u2" if syntax == ExplicitVRBigEndian else "<u2"))

    assert is_brighter_to_the_right(picture(as_file(ds, syntax)))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_one_frame_of_many_is_decoded(syntax: str) -> None:
    frames = np.concatenate([np.full((1, 48, 64), 100 * number, "<u2") for number in range(3)])
    frames[:, 0, 0] = 4000
    ds = of_array(frames, WindowCenter="128", WindowWidth="256")
    ds.file_meta = _meta(ds)
    ds.compress(syntax)

    shown = [tile_of(as_file(ds, syntax), position) for position in (0.0, 0.5, 1.0)]

    assert [tile.frame for tile in shown] == [0, 1, 2]
    assert [int(tile.picture[20, 20]) for tile in shown if tile.picture is not None] == [0, 99, 199]


def _meta(ds: Dataset) -> Any:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return meta


@pytest.mark.parametrize("planar", [0, 1])
def test_color_is_shown_in_color(planar: int) -> None:
    red = np.zeros((1, 48, 64, 3), "u1")
    red[..., 0] = 200
    pixels = red.transpose(0, 3, 1, 2) if planar else red

    shown = picture(as_file(of_array(red, PlanarConfiguration=planar, PixelData=pixels.tobytes())))

    assert shown.shape == (48, 64, 3)
    assert (shown == (200, 0, 0)).all()


def test_floating_point_pixels_are_shown() -> None:
    ds = of_array(RAMP)
    ds.FloatPixelData = (RAMP.astype("<f4") / 1e6).tobytes()
    for keyword in ("PixelData", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)

    assert is_brighter_to_the_right(picture(as_file(ds)))


def test_large_image_is_made_small_before_it_is_looked_at() -> None:
    shown = picture(as_file(of_array(np.tile(np.arange(2000, dtype="<u2"), (1500, 1))[np.newaxis])))

    assert 2 * EDGE <= min(shown.shape) < 4 * EDGE


def too_large() -> bytes:
    side = 65535
    assert side * side > MOST_SAMPLES
    return as_file(of_array(RAMP, Rows=side, Columns=side))


@pytest.mark.parametrize(
    ("file", "word"),
    [
        (b"no DICOM at all" * 20, Word.UNREADABLE),
        (too_large(), Word.TOO_LARGE),
        (as_file(of_array(RAMP, Rows=0)), Word.UNREADABLE),
        (as_file(of_array(RAMP, Rows=4000)), Word.NOT_DECODABLE),
        (as_file(of_array(RAMP, PhotometricInterpretation="SURPRISE")), Word.UNKNOWN_KIND),
        (as_file(of_array(RAMP, BitsAllocated=13)), Word.UNKNOWN_KIND),
    ],
)
def test_what_can_not_be_shown_is_gray_with_a_word(file: bytes, word: Word) -> None:
    assert tile_of(file, 0.5).word is word


def test_broken_compression_is_gray_with_a_word() -> None:
    ds = of_array(RAMP)
    ds.file_meta = _meta(ds)
    ds.compress(JPEGLSLossless)
    ds.PixelData = ds.PixelData[:60] + b"\0\0" * 40 + ds.PixelData[140:]

    assert tile_of(as_file(ds, JPEGLSLossless), 0.5).word is Word.NOT_DECODABLE
    assert tile_of(as_file(ds, JPEGLSLossless), 0.5, Word.DECODER_DIED).word is Word.DECODER_DIED


def test_video_has_no_decoder() -> None:
    ds = of_array(RAMP)
    ds.file_meta = _meta(ds)
    ds.compress(RLELossless)

    assert tile_of(as_file(ds, "1.2.840.10008.1.2.4.102"), 0.5).word is Word.NO_DECODER


@pytest.mark.parametrize(
    ("sop_class_uid", "name"),
    [("1.2.840.10008.5.1.4.1.1.88.11", "Basic Text SR"), ("1.2.3.4", "no image")],
)
def test_object_without_pixels_says_what_it_is(sop_class_uid: str, name: str) -> None:
    tile = tile_of(as_file(a_data_set(SOPClassUID=sop_class_uid, SeriesNumber=7)), 0.5)

    assert (tile.picture, tile.word, tile.object_name, tile.series_number) == (None, None, name, 7)
