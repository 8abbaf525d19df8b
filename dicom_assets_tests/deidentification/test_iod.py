"""The extract of PS3.3, held against places that were looked up by hand in the standard."""

from __future__ import annotations

import pytest
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    EncapsulatedPDFStorage,
    EnhancedCTImageStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    MRImageStorage,
    RTDoseStorage,
    RTStructureSetStorage,
    TwelveLeadECGWaveformStorage,
)

from dicom_assets.deidentification.iod import AttributeType, attribute_type, content_tags, parse_iod_types
from dicom_assets.errors import ConfigurationError

CONTENT = 0x0040A730
REQUEST_ATTRIBUTES = 0x00400275
SHARED_GROUPS, PER_FRAME_GROUPS = 0x52009229, 0x52009230


@pytest.mark.parametrize(
    ("sop_class_uid", "path", "tag", "type_"),
    [
        (CTImageStorage, (), 0x00080020, "2"),  # C.7.2.1 Study Date
        (CTImageStorage, (), 0x00080022, "3"),  # C.7.10.1 Acquisition Date
        (CTImageStorage, (), 0x00080023, "2C"),  # C.7.6.1 Content Date
        (CTImageStorage, (), 0x00100010, "2"),  # C.7.1.1 Patient's Name
        (CTImageStorage, (), 0x00100030, "2"),  # C.7.1.1 Patient's Birth Date
        (MRImageStorage, (), 0x00180014, None),  # not in the table, no VR with a rule
        (EnhancedCTImageStorage, (), 0x00080023, "1"),  # C.8.15.2 Content Date
        (EnhancedCTImageStorage, (), 0x0008002A, "1C"),  # C.8.15.2 Acquisition DateTime
        (EnhancedCTImageStorage, (), 0x00181000, "1"),  # C.7.5.2 Device Serial Number
        (CTImageStorage, (), 0x00181000, "3"),  # C.7.5.1
        (RTStructureSetStorage, (), 0x30060008, "2"),  # C.8.8.5 Structure Set Date
        (ComprehensiveSRStorage, (), 0x00080023, "1"),  # C.17.2 Content Date
        (ComprehensiveSRStorage, (), 0x0040A123, None),  # its row D leaves no choice
    ],
)
def test_an_attribute_has_its_type(sop_class_uid: str, path: tuple[int, ...], tag: int, type_: str | None) -> None:
    found = attribute_type(sop_class_uid, path, tag)
    assert found == (None if type_ is None else AttributeType(type_))


def test_the_place_decides_about_the_type() -> None:
    assert attribute_type(RTStructureSetStorage, (0x30060020,), 0x30060026) == "2"  # ROI Name
    assert attribute_type(RTStructureSetStorage, (), 0x30060026) is None


def test_every_frame_is_described_like_the_shared_group() -> None:
    for outer in (SHARED_GROUPS, PER_FRAME_GROUPS):
        assert attribute_type(EnhancedCTImageStorage, (outer, 0x00180000 | 0x9325), 0x00181210) is None
        assert attribute_type(EnhancedCTImageStorage, (outer, 0x00081140, 0x0040A170), 0x00080120) == "1C"


def test_a_tree_has_the_same_types_at_every_depth() -> None:
    first = attribute_type(ComprehensiveSRStorage, (CONTENT,), 0x0040A160)
    assert first == "1C"  # Text Value: not in the table, UT
    assert attribute_type(ComprehensiveSRStorage, (CONTENT,) * 7, 0x0040A160) == first


@pytest.mark.parametrize("sop_class_uid", ["", "1.2.3", "1.2.840.10008.1.1"])
def test_an_unknown_class_has_no_types(sop_class_uid: str) -> None:
    assert attribute_type(sop_class_uid, (), 0x00080020) is None
    assert attribute_type(sop_class_uid, (REQUEST_ATTRIBUTES,), 0x00080020) is None
    assert not content_tags(sop_class_uid)


def test_a_class_names_what_its_instances_exist_for() -> None:
    assert 0x7FE00010 in content_tags(CTImageStorage)
    assert content_tags(TwelveLeadECGWaveformStorage) == {0x54000100}
    assert content_tags(EncapsulatedPDFStorage) == {0x00420011}
    assert content_tags(ComprehensiveSRStorage) == {CONTENT}


def test_content_that_is_conditional_is_not_asked_for() -> None:
    assert not content_tags(RTDoseStorage)
    assert not content_tags(GrayscaleSoftcopyPresentationStateStorage)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"nodes": []}', b'{"nodes": [], "sop_classes": {"1.2": 1}}'])
def test_a_broken_file_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigurationError):
        parse_iod_types(data)
