"""Odd files: written and clean, or kept back with a reason; never half of it."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest

from dicom_assets.deidentification.identity import read_identity
from dicom_assets.deidentification.outcome import Deidentified, Quarantined, UnreadableInstanceError
from dicom_assets_tests.deidentification.builders import SUBJECT, deidentify
from dicom_assets_tests.deidentification.odd_elements import (
    JPEG,
    NAMED,
    REFERENCES,
    SENTINELS,
    Odd,
    changed,
    encapsulated,
    fragments,
    item,
    one,
    sequence,
)
from dicom_assets_tests.deidentification.odd_files import ODDITIES

CODECS = ("utf-8", "utf-16-le", "utf-16-be")
CHARACTERS = ("Müßiggang", "Zoë", "山田", "太郎", "小东", "やまだ", "Люкceмбypг", "XiaoDong")
THEIRS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "shift_jis", "iso2022_jp", "gb18030", "euc_kr", "iso8859_5")


@pytest.mark.parametrize("name", ODDITIES)
def test_odd_file(name: str) -> None:
    odd = ODDITIES[name]
    outcome, written = deidentify(odd.make())
    if odd.reason is not None:
        assert isinstance(outcome, Quarantined), outcome
        assert (outcome.reason, written) == (odd.reason, b"")
        assert not any(sentinel in outcome.detail for sentinel in SENTINELS)
        return
    assert isinstance(outcome, Deidentified), outcome
    assert_clean(written)
    assert_readable(written, odd)


def assert_clean(written: bytes) -> None:
    """No sentinel in the bytes, nor in what pydicom makes of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = repr(pydicom.dcmread(io.BytesIO(written)).to_json_dict())
    for sentinel in SENTINELS:
        assert sentinel.lower() not in text.lower()
        for codec in CODECS:
            assert sentinel.lower().encode(codec) not in written.lower()
    for sentinel in CHARACTERS:
        assert sentinel not in text
        for codec in THEIRS:
            if (raw := sentinel.encode(codec, "ignore")) and len(raw) >= len(sentinel):
                assert raw not in written


def assert_readable(written: bytes, odd: Odd) -> None:
    """pydicom reads every value of it without a warning, unless the value came that way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if odd.kept_oddly else "error")
        ds = pydicom.dcmread(io.BytesIO(written))
        values = [(element.tag, element.VR, element.value) for element in ds.iterall()]
    assert ds.PatientID == ds.PatientName == SUBJECT.patient_id
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert "PixelData" in ds or "FloatPixelData" in ds
    assert not [tag for tag, _, _ in values if tag.is_private or tag.element == 0 or tag.group < 8]
    assert [element.tag for element in ds] == sorted(element.tag for element in ds)


def test_values_that_are_as_they_should_be_stay_beside_odd_ones() -> None:
    _, written = deidentify(changed(one(0x00081197, "US", b"abc", length=3), t00180088=("DS", b" +1.5e-1 \\2")))
    ds = pydicom.dcmread(io.BytesIO(written))
    assert ds.Manufacturer == "Maker of Scanners"
    assert ds.SpacingBetweenSlices == [0.15, 2]


@pytest.mark.parametrize(
    "file",
    [
        changed(sequence(REFERENCES, [item(NAMED, defined=False)], defined=False), sequence(0x00081199, [item(NAMED)])),
        encapsulated(fragments(JPEG, JPEG)),
    ],
    ids=["native", "encapsulated"],
)
def test_a_file_cut_anywhere_is_kept_back(file: bytes) -> None:
    assert isinstance(deidentify(file)[0], Deidentified)
    for length in range(len(file)):
        outcome, written = deidentify(file[:length])
        assert isinstance(outcome, Quarantined), length
        assert written == b""


def test_a_file_cut_anywhere_has_an_identity_or_none() -> None:
    file = changed(sequence(REFERENCES, [item(NAMED, defined=False)], defined=False))
    for length in range(0, len(file), 3):
        with suppress(UnreadableInstanceError):
            assert read_identity(io.BytesIO(file[:length])).patient.patient_id in {"", "MRN-4711-0815"}


class Counting(io.FileIO):
    """A file that counts the bytes that were read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(-1 if size is None else size)
        self.taken += len(content)
        return content


@pytest.mark.parametrize("start", [b"", b"Zweistein ", changed()[:-24] + one(0x7FE00010, "OW", b"", length=0x7FFFFF00)])
def test_a_file_of_2_gb_is_not_read_whole_for_its_identity(start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as stream:
        stream.write(start)
        stream.truncate(2 << 30)
    with Counting(path) as source:
        try:
            assert read_identity(source).patient.patient_id == "MRN-4711-0815"
        except UnreadableInstanceError:
            assert b"DICM" not in start
        assert source.taken <= 1 << 20
