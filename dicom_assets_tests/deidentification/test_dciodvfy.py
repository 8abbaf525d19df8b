"""An independent validator, dciodvfy of dicom3tools, finds nothing in what we write that it did not find before."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from dicom_assets.deidentification.outcome import Deidentified
from dicom_assets.deidentification.quarantine import QuarantineRules
from dicom_assets_tests.corpus import corpus_files
from dicom_assets_tests.deidentification.builders import deidentified_bytes, deidentify, profile_with
from dicom_assets_tests.deidentification.iod_objects import OBJECTS, object_file

pytestmark = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")

NOT_READ = ("Information Object Not found", "Tag read failed")
"""dciodvfy's own limits: deflated data sets, files without SOP Class; nothing it says then is about attributes."""
DOCUMENTS_PASS = profile_with(quarantine=QuarantineRules(encapsulated_documents=False))
MODALITIES = frozenset(
    {
        "ANN",
        "CR",
        "CT",
        "DOC",
        "DX",
        "ECG",
        "MG",
        "MR",
        "NM",
        "OT",
        "PR",
        "PT",
        "RTDOSE",
        "RTIMAGE",
        "RTPLAN",
        "RTSTRUCT",
    }
    | {"RWV", "SC", "SEG", "SM", "SR", "US", "XA"}
)
SHIPPED = Path(pydicom.data.__file__).parent / "test_files"

REMOVED_BY_THE_TABLE = {
    "GSPS": {"PresentationCreationDate(0070,0082)", "PresentationCreationTime(0070,0083)"},
    "SR": {"ReferencedRequestSequence(0040,a370)[1]/RequestedProcedureID(0040,1001)"},
}
"""Of Type 1 and 2 there, and yet Table E.1-1 asks for plain X."""


def errors_in(content: bytes, file: Path) -> frozenset[str]:
    """The errors that dciodvfy reports, values taken out."""
    file.write_bytes(content)
    run = subprocess.run(["dciodvfy", "-new", file], capture_output=True, check=False)
    file.unlink()
    lines = (run.stdout + run.stderr).decode("latin-1").splitlines()
    return frozenset(re.sub(r"<(?!/)[^>]*>", "<>", line) for line in lines if line.startswith("Error"))


def new_errors(folder: Path, number: int, content: bytes) -> frozenset[str] | None:
    """What dciodvfy finds in our output and not in the input; None where it can't judge or nothing was written."""
    outcome, written = deidentify(content, allowed_modalities=MODALITIES, profile=DOCUMENTS_PASS)
    if not isinstance(outcome, Deidentified):
        return None
    before = errors_in(content, folder / f"{number}.before")
    if any(limit in error for error in before for limit in NOT_READ):
        return None
    return errors_in(written, folder / f"{number}.after") - before


def judged(folder: Path, contents: list[bytes]) -> list[frozenset[str]]:
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        found = pool.map(partial(new_errors, folder), range(len(contents)), contents)
        return [errors for errors in found if errors is not None]


@pytest.mark.skipif(not corpus_files(), reason="the corpus is not beside the repository")
def test_no_file_of_the_corpus_gets_a_new_error(tmp_path: Path) -> None:
    contents = [file.path.read_bytes() for file in corpus_files()]
    found = judged(tmp_path, contents)
    assert len(found) > len(contents) * 0.7
    assert not frozenset().union(*found)


def test_no_file_of_the_pydicom_wheel_gets_a_new_error(tmp_path: Path) -> None:
    contents = [path.read_bytes() for path in sorted(SHIPPED.rglob("*")) if path.is_file()]
    found = judged(tmp_path, contents)
    assert len(found) > 50
    assert not frozenset().union(*found)


@pytest.mark.parametrize("name", OBJECTS)
def test_an_invented_object_stays_as_valid_as_the_table_lets_it(name: str, tmp_path: Path) -> None:
    file = object_file(name)
    assert not errors_in(file, tmp_path / "before")
    written = deidentified_bytes(file, profile=DOCUMENTS_PASS, allowed_modalities=MODALITIES)
    removed = REMOVED_BY_THE_TABLE.get(name, set())
    found = errors_in(written, tmp_path / "after")
    assert {error.split(" - ")[1].removeprefix("</").removesuffix(">") for error in found} == removed
    assert all("Missing attribute" in error for error in found)
