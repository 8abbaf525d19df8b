"""What identifies though Table E.1-1 does not name it."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from dicom_assets.deidentification.beyond_table import IDENTIFYING
from dicom_assets.deidentification.dictionary import known_vr
from dicom_assets.deidentification.profile import shipped_profile
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets_tests.deidentification.builders import an_image, as_file, deidentified_bytes

SENTINEL = "Q7SENTINEL"


@pytest.mark.parametrize("profile", ["basic", "research", "seed"])
def test_what_identifies_beyond_the_table_is_removed_at_every_depth(profile: str) -> None:
    inner, ds = Dataset(), an_image()
    for tag in IDENTIFYING:
        inner.add_new(tag, known_vr(tag), SENTINEL)
        ds.add_new(tag, known_vr(tag), SENTINEL)
    ds.SourceImageSequence = [inner]

    written = deidentified_bytes(as_file(ds), profile=shipped_profile(profile))

    assert SENTINEL.encode() not in written


@pytest.mark.parametrize("tag", [pytest.param(tag, id=f"{tag:08x}") for tag in sorted(IDENTIFYING)])
def test_what_the_table_came_to_name_needs_no_other_list(tag: int) -> None:
    assert known_vr(tag)
    assert confidentiality_table().row_for(tag) is None
