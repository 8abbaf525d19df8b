"""Oddities put together at random: kept back, or clean by the look of another reader."""

from __future__ import annotations

import io
import warnings

import pydicom
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_assets.deidentification.encoded import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    SHORT_VRS,
    Encoding,
)
from dicom_assets.deidentification.outcome import Quarantined
from dicom_assets_tests.deidentification.builders import SUBJECT, deidentify
from dicom_assets_tests.deidentification.odd_elements import UNDEFINED, a_file, item, one, sequence, the_elements

SECRETS = ("Zweistein", "Albertine", "MRN-4711-0815", "47110815", "1937-09-11", "19370911")
TAGS = (
    *(0x00020003, 0x00080005, 0x00080008, 0x00080070, 0x00080104, 0x00080118, 0x00081140, 0x00081155, 0x00090010),
    *(0x00091001, 0x00100010, 0x00180015, 0x00180050, 0x00189073, 0x0020000E, 0x00200013, 0x00280106, 0x0040A730),
    *(0x00420011, 0x00880200, 0x04000500, 0x50000005, 0x60003000, 0x7FDF0010, 0x7FE00001, 0xFFFCFFFC, 0xFFFEE00D),
)
SYNTAXES = {
    EXPLICIT_LITTLE: ExplicitVRLittleEndian,
    IMPLICIT_LITTLE: ImplicitVRLittleEndian,
    EXPLICIT_BIG: ExplicitVRBigEndian,
}
codecs = st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"])
values = st.one_of(
    st.builds(str.encode, st.sampled_from(SECRETS), codecs),
    st.builds(lambda secret: b"of " + secret.lower().encode() + b".", st.sampled_from(SECRETS)),
    st.sampled_from([b"", b"1", b"1.2.840.10008.1.2", b"AXIAL", b"4711.0815", b"11.09.1937", b"\\\\", b"ISO_IR 192"]),
    st.binary(max_size=9),
)


@st.composite
def pieces(draw: st.DrawFn, encoding: Encoding, depth: int = 3) -> bytes:
    """An element that may be odd in any way, with others inside it."""
    encoding = draw(st.sampled_from([encoding, encoding, encoding, IMPLICIT_LITTLE, EXPLICIT_LITTLE]))
    tag, value = draw(st.sampled_from(TAGS)), draw(values)
    if depth and draw(st.booleans()):
        inside = b"".join(draw(st.lists(pieces(encoding, depth - 1), max_size=3)))
        items = [item(inside, encoding, defined=draw(st.booleans()))] * draw(st.integers(0, 2))
        return sequence(tag, items, encoding, vr=draw(st.sampled_from(["SQ", "SQ", "UN"])), defined=draw(st.booleans()))
    length = draw(st.sampled_from([None, None, None, None, len(value), 3, 0xFFFE, UNDEFINED]))
    vr = draw(st.sampled_from(sorted(LONG_VRS | SHORT_VRS)))
    if length is not None and vr in SHORT_VRS and not encoding.implicit:
        length &= 0xFFFF
    return one(tag, vr, value, encoding, length)


@st.composite
def odd_files(draw: st.DrawFn) -> bytes:
    """A good file with odd elements among its own."""
    encoding = draw(st.sampled_from([EXPLICIT_LITTLE, EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG]))
    parts = [one(tag, *value, encoding) for tag, value in sorted(the_elements(encoding).items())]
    for piece in draw(st.lists(pieces(encoding), min_size=1, max_size=3)):
        parts.insert(draw(st.integers(1, len(parts))), piece)
    return a_file(b"".join(parts), SYNTAXES[encoding])


@given(odd_files())
@settings(max_examples=400, deadline=None)
def test_an_odd_file_is_kept_back_or_clean(file: bytes) -> None:
    outcome, written = deidentify(file, identifiers=frozenset(SECRETS))
    if isinstance(outcome, Quarantined):
        assert written == b""
        assert not any(secret.lower() in outcome.detail.lower() for secret in SECRETS)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that are odd in themselves and tell nothing stay
        ds = pydicom.dcmread(io.BytesIO(written))
        text = repr(ds.to_json_dict(suppress_invalid_tags=True)).lower()
        assert not [element.tag for element in ds.iterall() if element.tag.is_private or element.tag.group < 8]
    assert ds.PatientID == SUBJECT.patient_id
    for secret in (*SECRETS, "1.2.826.0.1.99.1", "zweistein"):
        assert secret.lower() not in text
        for codec in ("utf-8", "utf-16-le", "utf-16-be"):
            assert secret.lower().encode(codec) not in written.lower()
