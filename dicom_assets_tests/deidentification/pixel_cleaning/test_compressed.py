"""Compressed pixels: decoded where a box is blanked, stored uncompressed, and left alone where none is."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from dicom_assets.deidentification.outcome import Quarantined
from dicom_assets.deidentification.profile import Profile
from dicom_assets.study import QuarantineReason
from dicom_assets_tests.corpus import CORPUS
from dicom_assets_tests.deidentification.builders import as_file, deidentified_bytes, deidentify
from dicom_assets_tests.deidentification.pixel_cleaning.builders import (
    EVERYTHING,
    Pixels,
    blanking,
    noise,
    of_array,
    written,
)

ROWS, COLUMNS = 40, 48
SHAPE = (2, ROWS, COLUMNS)
BOX = (10, 6, 20, 9)
INSIDE = np.zeros((ROWS, COLUMNS), dtype=bool)
INSIDE[6:15, 10:30] = True


def compressed(pixels: Pixels, syntax: str, **attributes: object) -> bytes:
    """A file that pydicom's encoders compressed."""
    ds = pydicom.dcmread(io.BytesIO(as_file(of_array(pixels, **attributes))))
    ds.compress(syntax, generate_instance_uid=False)
    return as_file(ds, syntax)


def smooth(*shape: int) -> Pixels:
    """8 bit color or gray that JPEG keeps nearly as it is."""
    grid = np.indices(shape)
    return (120 + 60 * np.sin(grid[1] / 9) * np.cos(grid[2] / 7) + grid[-1] % 3 * 5).astype(np.uint8)


def jpeg(pixels: Pixels, subsampling: int) -> bytes:
    """A JPEG baseline file, as Pillow encodes it: YBR with a JFIF marker."""
    frames = []
    for frame in pixels:
        stream = io.BytesIO()
        Image.fromarray(frame).save(stream, "JPEG", quality=95, subsampling=subsampling)
        frames.append(stream.getvalue())
    ds = of_array(pixels, LossyImageCompression="01", LossyImageCompressionRatio="8")
    if pixels.ndim == 4:
        ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].is_undefined_length = True
    return as_file(ds, JPEGBaseline8Bit)


LOSSLESS: dict[str, Callable[[], bytes]] = {
    "RLE gray 16": lambda: compressed(noise(*SHAPE, dtype="<u2"), RLELossless),
    "RLE color": lambda: compressed(noise(*SHAPE, 3), RLELossless),
    "JPEG-LS gray 12": lambda: compressed(
        noise(*SHAPE, dtype="<u2", below=4095), JPEGLSLossless, BitsStored=12, HighBit=11
    ),
    "JPEG-LS color": lambda: compressed(noise(*SHAPE, 3), JPEGLSLossless),
    "JPEG 2000 gray 16": lambda: compressed(noise(*SHAPE, dtype="<u2"), JPEG2000Lossless),
    "JPEG 2000 signed": lambda: compressed(noise(*SHAPE, dtype="<i2", below=2000), JPEG2000Lossless),
    "JPEG 2000 color": lambda: compressed(noise(*SHAPE, 3), JPEG2000Lossless, PhotometricInterpretation="RGB"),
}


@pytest.mark.parametrize("make", LOSSLESS.values(), ids=list(LOSSLESS))
def test_what_was_compressed_without_loss_is_the_same_beside_the_box(make: Callable[[], bytes]) -> None:
    file = make()
    out = written(file, blanking(BOX))

    before, after = pydicom.dcmread(io.BytesIO(file)).pixel_array, out.pixel_array
    assert np.array_equal(after[:, ~INSIDE], before[:, ~INSIDE])
    assert len(np.unique(after[:, INSIDE])) == 1
    assert after[0, 6, 10].max() <= 0
    assert out.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert out.BitsAllocated == 8 * after.dtype.itemsize
    assert out.BurnedInAnnotation == "NO"
    assert "LossyImageCompression" not in out


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("samples", [(), (3,)])
def test_a_lossy_image_is_decoded_as_a_viewer_does_and_stays_marked(samples: tuple[int, ...], subsampling: int) -> None:
    file = jpeg(smooth(*SHAPE, *samples), subsampling)
    out = written(file, blanking(BOX))

    before = pydicom.dcmread(io.BytesIO(file)).pixel_array
    after = out.pixel_array
    assert np.array_equal(after[:, ~INSIDE], before[:, ~INSIDE])
    assert after[:, INSIDE].max() == 0
    assert out.LossyImageCompression == "01"
    assert out.LossyImageCompressionRatio == 8
    assert out.PhotometricInterpretation == ("YBR_FULL" if samples else "MONOCHROME2")


def test_a_lossy_image_that_did_not_say_so_now_does() -> None:
    ds = pydicom.dcmread(io.BytesIO(jpeg(smooth(*SHAPE), 0)))
    del ds.LossyImageCompression
    assert written(as_file(ds, JPEGBaseline8Bit), blanking(BOX)).LossyImageCompression == "01"


@pytest.mark.parametrize("make", [*LOSSLESS.values(), lambda: jpeg(smooth(*SHAPE, 3), 1)])
@pytest.mark.parametrize("settings", [blanking(BOX, when="false."), blanking((900, 900, 5, 5))])
def test_pixels_that_no_rule_touches_leave_as_they_came(make: Callable[[], bytes], settings: Profile) -> None:
    file = make()
    original, out = pydicom.dcmread(io.BytesIO(file)), written(file, settings)

    assert out.PixelData == original.PixelData
    assert out.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
    assert "BurnedInAnnotation" not in out


def test_a_header_that_no_rule_touches_differs_in_nothing_but_the_profiles_name() -> None:
    file = jpeg(smooth(*SHAPE, 3), 1)
    touched = written(file, blanking(BOX, when="false."))
    plain = pydicom.dcmread(io.BytesIO(deidentified_bytes(file, allowed_modalities=EVERYTHING)))

    del touched.DeidentificationMethod, plain.DeidentificationMethod
    assert touched == plain


ENCAPSULATED = "open/cornerstonejs+dicomParser/encapsulated/multi-frame/CT0012.fragmented_no_bot_jpeg_lossless"
FILES = {
    "JPEGLSNearLossless_08.dcm": JPEGLSNearLossless,
    "JPEGLSNearLossless_16.dcm": JPEGLSNearLossless,
    "SC_rgb_jpeg_dcmtk.dcm": JPEGBaseline8Bit,
    "SC_rgb_jpeg_gdcm.dcm": JPEGLosslessSV1,
    "SC_rgb_rle_2frame.dcm": RLELossless,
    "SC_rgb_rle_32bit_2frame.dcm": RLELossless,
    "MR_small_jp2klossless.dcm": JPEG2000Lossless,
    "693_J2KI.dcm": JPEG2000,
    "J2K_pixelrep_mismatch.dcm": JPEG2000Lossless,
    f"{ENCAPSULATED}.57.dcm": JPEGLossless,
    f"{ENCAPSULATED}.70.dcm": JPEGLosslessSV1,
    "open/pydicom+pydicom-data/data_store/data/HTJ2KLossless_08_RGB.dcm": HTJ2KLossless,
    "open/pydicom+pydicom-data/data_store/data/HTJ2K_08_RGB.dcm": HTJ2K,
}


@pytest.mark.parametrize("name", FILES, ids=[Path(name).name for name in FILES])
def test_other_peoples_files_are_the_same_beside_the_box(name: str) -> None:
    path = CORPUS / name if "/" in name else Path(str(get_testdata_file(name)))
    if not path.is_file():
        pytest.skip("the corpus is absent")
    original = pydicom.dcmread(path)
    assert original.file_meta.TransferSyntaxUID == FILES[name]

    out = written(as_file(with_what_is_needed(original), FILES[name]), blanking((0, 0, 4, 4)))

    before, after = (one.pixel_array.reshape(frames_first(one)) for one in (original, out))
    assert len(np.unique(after[:, :4, :4])) == 1
    expected = before.copy()
    expected[:, :4, :4] = after[:, :4, :4]
    assert np.array_equal(after, expected)


def frames_first(ds: Dataset) -> tuple[int, ...]:
    """The shape of all frames."""
    color = (3,) if ds.SamplesPerPixel == 3 else ()
    return int(ds.get("NumberOfFrames") or 1), ds.Rows, ds.Columns, *color


def with_what_is_needed(ds: Dataset) -> Dataset:
    """The data set with the attributes that no instance may lack."""
    ds.Modality, ds.PatientName = "OT", "Zweistein^Albertine"
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if keyword not in ds:
            setattr(ds, keyword, "1.2.3.4")
    ds.BurnedInAnnotation = "NO"
    return ds


def test_a_stream_that_no_decoder_reads_keeps_the_instance_back() -> None:
    ds = pydicom.dcmread(io.BytesIO(LOSSLESS["JPEG-LS color"]()))
    ds.PixelData = encapsulate([b"\xff\xd8 nothing a decoder knows", b"\xff\xd8"])
    assert refusal(as_file(ds, JPEGLSLossless)).endswith("RuntimeError")


def test_frames_that_nobody_counted_keep_the_instance_back() -> None:
    ds = pydicom.dcmread(io.BytesIO(jpeg(smooth(*SHAPE), 0)))
    ds.NumberOfFrames = 1
    with pytest.warns(UserWarning, match="frames"):
        assert pydicom.dcmread(io.BytesIO(as_file(ds, JPEGBaseline8Bit))).pixel_array.shape[0] == 2
    assert "more frames" in refusal(as_file(ds, JPEGBaseline8Bit))


def test_without_the_extra_a_compressed_image_is_kept_back(monkeypatch: pytest.MonkeyPatch) -> None:
    file = LOSSLESS["RLE color"]()
    monkeypatch.setitem(sys.modules, "pydicom.pixels.decoders.base", None)
    assert "extra `pixels` is not installed" in refusal(file)


def refusal(file: bytes) -> str:
    """Why it was kept back."""
    outcome, _ = deidentify(file, profile=blanking(BOX), allowed_modalities=EVERYTHING)
    assert isinstance(outcome, Quarantined)
    assert outcome.reason is QuarantineReason.PIXELS_NOT_CLEANABLE
    return outcome.detail


def test_an_image_too_large_to_be_stored_uncompressed_is_not_decoded() -> None:
    ds = pydicom.dcmread(io.BytesIO(LOSSLESS["RLE color"]()))
    ds.Rows = ds.Columns = 65535
    assert "larger, decoded, than" in refusal(as_file(ds, RLELossless))
