"""Identifiers of C-FIND answers, read as pydicom reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from dicom_assets.adapters.pacs.plane.identifiers import read_identifier

UIDS = st.from_regex(r"[1-9](\.[1-9][0-9]{0,5}){1,8}", fullmatch=True)


def encoded(ds: Dataset) -> bytes:
    content = encode(ds, is_implicit_vr=True, is_little_endian=True)
    assert content is not None
    return content


@given(sop_uid=UIDS, classes=st.lists(UIDS, max_size=4), count=st.integers(0, 99999))
def test_values_are_those_that_were_encoded(sop_uid: str, classes: list[str], count: int) -> None:
    ds = Dataset()
    ds.SOPInstanceUID = sop_uid
    ds.SOPClassesInStudy = classes
    ds.NumberOfStudyRelatedInstances = count
    ds.PatientName = None

    assert read_identifier(encoded(ds)) == {
        0x00080018: sop_uid,
        0x00080062: "\\".join(classes),
        0x00100010: "",
        0x00201208: str(count),
    }


def test_sequence_of_undefined_length_is_passed_over() -> None:
    item = Dataset()
    item.SOPInstanceUID = "1.2.9"
    ds = Dataset()
    ds.ReferencedStudySequence = [item]
    ds["ReferencedStudySequence"].is_undefined_length = True
    ds.SOPInstanceUID = "1.2.3"
    ds.SeriesInstanceUID = "1.2.4"

    found = read_identifier(encoded(ds))

    assert (found[0x00080018], found[0x0020000E]) == ("1.2.3", "1.2.4")


@pytest.mark.parametrize("cut", range(1, 18))
def test_cut_identifier_is_refused(cut: int) -> None:
    ds = Dataset()
    ds.SOPInstanceUID = "1.2.3.4.5"

    with pytest.raises(ValueError, match="is cut"):
        read_identifier(encoded(ds)[:-cut])


@given(content=st.binary(max_size=64))
def test_whatever_comes_is_read_or_refused(content: bytes) -> None:
    try:
        found = read_identifier(content)
    except ValueError:
        return
    assert all(isinstance(value, str) for value in found.values())
