"""What holds for every instance."""

from __future__ import annotations

import io
from typing import Any

import pydicom
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_keyword
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.outcome import Deidentified, Quarantined
from dicom_assets_tests.deidentification.builders import (
    REQUIRED,
    SECRET,
    an_image,
    as_file,
    deidentified_bytes,
    deidentify,
)

SENTINELS = {
    "PN": "Sentinel^Qwertz",
    "LO": "SENTINEL",
    "SH": "SENTINEL",
    "LT": "SENTINEL",
    "ST": "SENTINEL",
    "UT": "SENTINEL",
    "DA": "20370911",
    "TM": "235911",
    "DT": "20370911235911",
    "UI": "1.2.999.31337",
}
NEVER_KEPT = {"PN", "LT", "ST", "UT", "DA", "TM", "DT", "UI"}
TAGS = sorted(
    tag
    for tag, entry in DicomDictionary.items()
    if entry[0] in NEVER_KEPT
    and tag >> 16 >= 8
    and dictionary_keyword(tag) not in {*REQUIRED, "ReferencedSOPClassUID", "EncapsulatedDocument"}
)


@st.composite
def nested(draw: st.DrawFn, depth: int = 3) -> Dataset:
    ds = Dataset()
    for tag in draw(st.lists(st.sampled_from(TAGS), max_size=5)):
        vr = DicomDictionary[tag][0]
        ds.add_new(tag, vr, SENTINELS[vr])
    if draw(st.booleans()):
        block = ds.private_block(0x0009, "SENTINEL CREATOR", create=True)
        block.add_new(1, "LO", "SENTINEL")
    if depth and draw(st.booleans()):
        sequence = draw(st.sampled_from([0x00081115, 0x00289110, 0x0040A730, 0x00081140, 0x00400275]))
        ds.add_new(sequence, "SQ", [draw(nested(depth - 1))])
        ds[sequence].is_undefined_length = draw(st.booleans())
    return ds


@st.composite
def files(draw: st.DrawFn) -> bytes:
    ds = an_image()
    ds.update(draw(nested()))
    for keyword, value in REQUIRED.items():
        setattr(ds, keyword, value)
    syntax = draw(st.sampled_from([ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]))
    return as_file(ds, syntax)


def content_of(ds: Dataset) -> Any:
    return ds.to_json_dict()


@given(files())
@settings(max_examples=150, deadline=None)
def test_no_sentinel_is_left_at_any_depth(file: bytes) -> None:
    written = deidentified_bytes(file).lower()
    for sentinel in (*SENTINELS.values(), "qwertz"):
        assert sentinel.lower().encode() not in written


@given(files())
@settings(max_examples=60, deadline=None)
def test_the_same_file_always_gives_the_same_bytes(file: bytes) -> None:
    assert deidentified_bytes(file) == deidentified_bytes(file)


@given(files())
@settings(max_examples=60, deadline=None)
def test_what_was_written_can_be_read_and_written(file: bytes) -> None:
    ds = pydicom.dcmread(io.BytesIO(deidentified_bytes(file)))
    buffer = io.BytesIO()
    ds.save_as(buffer)
    assert content_of(pydicom.dcmread(io.BytesIO(buffer.getvalue()))) == content_of(ds)


@given(files())
@settings(max_examples=60, deadline=None)
def test_doing_it_again_changes_nothing_but_uids(file: bytes) -> None:
    once = deidentified_bytes(file)
    outcome, twice = deidentify(once, uids=UidReplacer(SECRET))
    assert isinstance(outcome, Deidentified), outcome
    first, second = (pydicom.dcmread(io.BytesIO(content)) for content in (once, twice))
    for ds in (first, second):
        ds.walk(lambda parent, element: parent.__delitem__(element.tag) if element.VR == "UI" else None)
    assert content_of(first) == content_of(second)


@given(st.text(min_size=4, max_size=20), st.text(max_size=20))
@settings(max_examples=100, deadline=None)
def test_no_text_makes_the_engine_fail(name: str, manufacturer: str) -> None:
    ds = an_image(SpecificCharacterSet="ISO_IR 192")
    ds.PatientName, ds.Manufacturer = name, manufacturer
    outcome, written = deidentify(as_file(ds))
    assert isinstance(outcome, Quarantined | Deidentified)
    if name.isalpha() and len(name) >= 8:
        assert name.encode() not in written
