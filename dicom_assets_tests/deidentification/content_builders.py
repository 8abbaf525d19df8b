"""Content items and the reports around them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ComprehensiveSRStorage

from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.profile import Profile
from dicom_assets_tests.deidentification.builders import a_data_set, deidentified, deidentified_bytes, profile_with

SENTINEL = "XQZSENTINEL"
ORIGINAL_UID = "1.2.999.31337.424242"
IMAGE_CLASS = "1.2.840.10008.5.1.4.1.1.2"
MODALITIES = frozenset({"SR", "KO", "PR", "CT", "ECG", "SM", "ANN"})
LOCAL = ("123456", "99LOCAL", "A local concept")

needs_dciodvfy = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")


def cleaning(*options: Option) -> Profile:
    """The basic profile with Clean Structured Content, Clean Graphics and more options."""
    return profile_with(options=frozenset({Option.CLEAN_STRUCTURED_CONTENT, Option.CLEAN_GRAPHICS, *options}))


def a_code(code: str = "DCM1", scheme: str = "DCM", meaning: str = "Meaning") -> Dataset:
    """A coded entry."""
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = code, scheme, meaning
    return ds


def a_reference(uid: str = ORIGINAL_UID) -> Dataset:
    """A reference to an image."""
    ds = Dataset()
    ds.ReferencedSOPClassUID, ds.ReferencedSOPInstanceUID = IMAGE_CLASS, uid
    return ds


def a_measurement(value: str, unit: str = "mm", scheme: str = "UCUM") -> Dataset:
    """A measured value."""
    ds = Dataset()
    ds.MeasurementUnitsCodeSequence = [a_code(unit, scheme, unit)]
    ds.NumericValue = value
    return ds


def a_value(value_type: str) -> dict[str, Any]:
    """The attributes of a value that must not leave."""
    values: dict[str, dict[str, Any]] = {
        "TEXT": {"TextValue": SENTINEL},
        "PNAME": {"PersonName": SENTINEL},
        "DATE": {"Date": "20370911"},
        "TIME": {"Time": "235911"},
        "DATETIME": {"DateTime": "20370911235911"},
        "UIDREF": {"UID": ORIGINAL_UID},
        "CODE": {"ConceptCodeSequence": [a_code(SENTINEL, "99LOCAL", SENTINEL)]},
        "NUM": {"MeasuredValueSequence": [a_measurement("77125")]},
        "CONTAINER": {"ContinuityOfContent": "SEPARATE"},
        **{kind: {"ReferencedSOPSequence": [a_reference()]} for kind in ("IMAGE", "COMPOSITE", "WAVEFORM")},
        "SCOORD": {"GraphicType": "POINT", "GraphicData": [1.0, 2.0]},
        "TCOORD": {"TemporalRangeType": "POINT", "ReferencedSamplePositions": [5]},
    }
    return values[value_type]


def an_item(
    value_type: str,
    concept: tuple[str, ...] | None = ("121071", "DCM", "Finding"),
    *children: Dataset,
    relationship: str = "CONTAINS",
    **attributes: Any,
) -> Dataset:
    """A content item; without attributes its value is a sentinel."""
    ds = Dataset()
    if relationship:
        ds.RelationshipType = relationship
    ds.ValueType = value_type
    if concept is not None:
        ds.ConceptNameCodeSequence = [a_code(*concept)]
    for keyword, value in (attributes or a_value(value_type)).items():
        setattr(ds, keyword, value)
    if children:
        ds.ContentSequence = Sequence(children)
    return ds


def a_by_reference_item(*position: int, relationship: str = "INFERRED FROM") -> Dataset:
    """An item that refers to another by its position."""
    ds = Dataset()
    ds.RelationshipType = relationship
    ds.ReferencedContentItemIdentifier = list(position)
    return ds


def a_report(*items: Dataset, **attributes: Any) -> Dataset:
    """A structured report with as much around its content as the engine needs."""
    root = {
        "ValueType": "CONTAINER",
        "ContinuityOfContent": "SEPARATE",
        "ConceptNameCodeSequence": [a_code("126000", "DCM", "Imaging Measurement Report")],
        "ContentSequence": list(items),
    }
    return a_data_set(**{"SOPClassUID": ComprehensiveSRStorage, "Modality": "SR", **root, **attributes})


def cleaned(file: bytes, *options: Option) -> Dataset:
    """What was written with both options."""
    return deidentified(file, profile=cleaning(*options), allowed_modalities=MODALITIES)


def cleaned_bytes(file: bytes, *options: Option) -> bytes:
    """The bytes of that."""
    return deidentified_bytes(file, profile=cleaning(*options), allowed_modalities=MODALITIES)


def validity_errors(file: bytes) -> Counter[str]:
    """What dciodvfy calls an error, positions of items and values left off."""
    with tempfile.NamedTemporaryFile(suffix=".dcm") as copy:
        copy.write(file)
        copy.flush()
        done = subprocess.run(["dciodvfy", "-new", copy.name], capture_output=True, check=False)
    lines = (done.stderr + done.stdout).decode("latin-1").splitlines()
    errors = [re.sub(r"\[\d+\]|<[^<>]*>$", "", line) for line in lines if line.startswith("Error")]
    return Counter(errors)
