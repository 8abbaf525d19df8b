"""What compressed frames say beside their pixels."""

from __future__ import annotations

import pytest
from pydicom.encaps import encapsulate

from dicom_assets.deidentification.encoded import Element
from dicom_assets.deidentification.stream_texts import StreamTexts
from dicom_assets.study import QuarantineReason
from dicom_assets_tests.deidentification.builders import an_image, as_file, deidentified_bytes, reason

JPEG, JPEG_2000, RLE = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"
SCAN = b"\xff\xda\0\x02\x12\x34\xff\0\x56"
NAME = b"for Zweistein"


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def jpeg(before: bytes = b"", between: bytes = b"", after: bytes = b"") -> bytes:
    return b"\xff\xd8" + segment(0xDB, bytes(65)) + before + SCAN + between + SCAN + b"\xff\xd9" + after


def jpeg_2000(comment: bytes) -> bytes:
    return b"\xff\x4f" + segment(0x51, bytes(36)) + segment(0x64, comment) + b"\xff\x90\0\x0a" + bytes(8) + b"\xff\xd9"


def an_encapsulated(frame: bytes, transfer_syntax: str = JPEG) -> bytes:
    ds = an_image(PixelData=encapsulate([frame, frame]), NumberOfFrames=2)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return as_file(ds, transfer_syntax)


@pytest.mark.parametrize(
    ("frame", "transfer_syntax"),
    [
        pytest.param(jpeg(segment(0xFE, NAME)), JPEG, id="comment"),
        pytest.param(jpeg(b"\xff" + segment(0xE1, b"Exif\0\0" + NAME)), JPEG, id="exif after a fill byte"),
        pytest.param(jpeg(between=segment(0xFE, NAME)), JPEG, id="between scans"),
        pytest.param(jpeg(after=NAME), JPEG, id="after the image"),
        pytest.param(NAME + jpeg(), JPEG, id="before the image"),
        pytest.param(jpeg_2000(b"\0\1" + NAME), JPEG_2000, id="jpeg 2000"),
        pytest.param(jpeg(segment(0xFE, b"of MRN 4711 0815")), JPEG, id="punctuated number"),
        pytest.param(jpeg(segment(0xFE, b"1.2.826.0.1.99.1.1")), JPEG, id="uid"),
    ],
)
def test_an_identifier_beside_compressed_pixels_keeps_the_instance_back(frame: bytes, transfer_syntax: str) -> None:
    assert reason(an_encapsulated(frame, transfer_syntax)) is QuarantineReason.RESIDUAL_IDENTIFIER


@pytest.mark.parametrize(
    ("frame", "transfer_syntax"),
    [
        pytest.param(jpeg(segment(0xE0, b"JFIF\0\1\2") + segment(0xFE, b"lossless"), after=b"\0"), JPEG, id="jpeg"),
        pytest.param(jpeg_2000(b"\0\1Kakadu-v7.10"), JPEG_2000, id="jpeg 2000"),
        pytest.param(bytes(64) + NAME, RLE, id="samples that look like a name"),
    ],
)
def test_other_words_and_samples_pass(frame: bytes, transfer_syntax: str) -> None:
    assert frame in deidentified_bytes(an_encapsulated(frame, transfer_syntax))


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_stream_that_is_cut_off_is_read_as_far_as_it_goes(cut: int) -> None:
    whole = encapsulate([jpeg(segment(0xFE, NAME), segment(0xFE, NAME))])
    StreamTexts(Element(0x7FE00010, "OB", whole[: len(whole) - cut], undefined=True), JPEG)
