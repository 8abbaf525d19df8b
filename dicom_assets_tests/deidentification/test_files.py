"""Real files: each is written without its patient, or kept back with a reason."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from dicom_assets.deidentification.outcome import Deidentified, Quarantined
from dicom_assets_tests.deidentification.builders import SHARED, deidentify

CORPUS = SHARED / "corpus"
MODALITIES = frozenset(
    {"CT", "MR", "US", "OT", "SC", "CR", "DX", "NM", "PT", "SR", "RTDOSE", "RTPLAN", "RTSTRUCT", "ECG", "SEG"}
)
ROOT = Path(pydicom.data.__file__).parent
SHIPPED = sorted(path for path in ROOT.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})


def corpus_files() -> list[str]:
    manifest = CORPUS / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="", encoding="utf-8") as stream:
        return [line["path"] for line in csv.DictReader(stream)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_file_of_the_pydicom_wheel(path: Path) -> None:
    check(path.read_bytes())


@pytest.mark.skipif(not corpus_files(), reason="the corpus is not beside the repository")
def test_files_of_the_corpus() -> None:
    outcomes = [check((CORPUS / path).read_bytes()) for path in corpus_files()]
    assert len(outcomes) == len(corpus_files())
    assert sum(isinstance(outcome, Deidentified) for outcome in outcomes) > len(outcomes) * 0.7


def check(file: bytes) -> Deidentified | Quarantined:
    outcome, written = deidentify(file, allowed_modalities=MODALITIES)
    if isinstance(outcome, Quarantined):
        assert written == b""
        return outcome
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd files are what this is about
        original = pydicom.dcmread(io.BytesIO(file), force=True)
        ds = pydicom.dcmread(io.BytesIO(written))
        assert_pixels_are_the_same(original, ds)
        pixels = ds.get("PixelData", b"") or b"no pixels"
        for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
            if keyword in ds:
                del ds[keyword]
        assert_patient_is_gone(original, ds.to_json().lower())
        assert_patient_is_gone(original, written.replace(pixels, b"").decode("latin-1").lower())
        assert not [element for element in ds.iterall() if element.tag.is_private]
        assert ds.SOPInstanceUID != original.SOPInstanceUID
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID == outcome.sop_instance_uid
    return outcome


def assert_pixels_are_the_same(original: pydicom.Dataset, ds: pydicom.Dataset) -> None:
    assert ("PixelData" in original) == ("PixelData" in ds)
    if "PixelData" in ds:
        odd = len(original.PixelData) & 1
        assert original.PixelData + b"\0" * odd == ds.PixelData


def assert_patient_is_gone(original: pydicom.Dataset, header: str) -> None:
    for keyword in ("PatientID", "PatientName", "AccessionNumber"):
        value = str(original.get(keyword, "") or "").strip()
        if len(value) >= 6:
            assert value.lower() not in header
