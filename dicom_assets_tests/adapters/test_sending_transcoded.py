"""Instances that a PACS does not take as they are: what it gets instead, and what is told of those it can't get."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom.dsutils import decode, encode

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, silence_dicom_libraries
from dicom_assets.adapters.pacs.store import CStorePacs
from dicom_assets.demo.objects import instance_file
from dicom_assets.demo.studies import demo_studies
from dicom_assets.study import OutgoingInstance, StoreOutcome
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.outgoing import outgoing_data_set, outgoing_file, written
from dicom_assets_tests.storing_pacs import StoringPacs, storing_pacs

FILES = Path(pydicom.data.__file__).parent / "test_files"

DESCRIPTION = {
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "LossyImageCompression",
    "PhotometricInterpretation",
    "PixelData",
    "PixelRepresentation",
    "PlanarConfiguration",
}

COMPRESSED = [
    "693_J2KI.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "JPEG2000.dcm",
    "JPEGLSNearLossless_16.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_dcmtk_+eb+cy+s2.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_rle_2frame.dcm",
    "examples_jpeg2k.dcm",
    "examples_ybr_color.dcm",
    "rtdose_rle.dcm",
]

UNCOMPRESSED = [
    "CT_small.dcm",
    "ExplVR_BigEnd.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_expb.dcm",
    "MR_small_implicit.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "UN_sequence.dcm",
    "image_dfl.dcm",
    "liver_expb_1frame.dcm",
    "priv_SQ.dcm",
    "reportsi.dcm",
    "rtplan.dcm",
    "waveform_ecg.dcm",
]


@contextmanager
def a_pacs_that_takes(*syntaxes: str) -> Iterator[StoringPacs]:
    with storing_pacs(syntaxes=syntaxes) as pacs:
        yield pacs


def sent(pacs: StoringPacs, instances: Sequence[OutgoingInstance], *, transcode: bool = True) -> list[StoreOutcome]:
    silence_dicom_libraries()
    node = PacsNode("RESEARCH", "127.0.0.1", pacs.port, "RESEARCH_PACS")
    target = CStorePacs(LocalNode("DICOM_ASSETS", "127.0.0.1", free_port()), node, transcode=transcode)
    return list(target.store(instances))


def received(pacs: StoringPacs, item: OutgoingInstance) -> Dataset:
    """What the PACS got, read by pydicom."""
    syntax, content = pacs.received[item.sop_instance_uid]
    ds = decode(BytesIO(content), syntax == ImplicitVRLittleEndian, True)
    ds.file_meta = dcmread(item.path, stop_before_pixels=True).file_meta
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    return ds


def pixels(ds: Dataset) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pixel_array(ds, raw=True)


def values(ds: Dataset) -> dict[str, object]:
    """Every value but those that say how pixels are stored, in the form in which pydicom writes it as JSON."""
    rest = Dataset()
    for element in ds:
        if element.keyword not in DESCRIPTION and element.tag.element != 0:
            rest.add(element)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = encode(rest, True, True)
    assert content is not None
    return {str(element.tag): repr(element.value) for element in decode(BytesIO(content), True, True)}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"])
@pytest.mark.parametrize("name", COMPRESSED)
def test_pixels_are_what_a_decoder_makes_of_them(name: str, syntax: str) -> None:
    item = outgoing_file(FILES / name)

    with a_pacs_that_takes(syntax) as pacs:
        [outcome] = sent(pacs, [item])

    assert outcome == StoreOutcome(item.sop_instance_uid, transcoded_to=syntax)
    original, found = dcmread(item.path), received(pacs, item)
    np.testing.assert_array_equal(pixels(found), pixels(original))
    assert values(found) == values(original)
    assert found.get("LossyImageCompression", "00") in ("01", original.get("LossyImageCompression", "00"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"])
@pytest.mark.parametrize("name", UNCOMPRESSED)
def test_values_stay_in_another_encoding(name: str, syntax: str) -> None:
    item = outgoing_file(FILES / name)

    with a_pacs_that_takes(syntax) as pacs:
        [outcome] = sent(pacs, [item])

    assert outcome.problem == ""
    assert outcome.transcoded_to == ("" if item.transfer_syntax_uid == syntax else syntax)
    original, found = dcmread(item.path), received(pacs, item)
    assert values(found) == values(original)
    if "PixelData" in original:
        np.testing.assert_array_equal(pixels(found), pixels(original))


def test_instance_that_is_accepted_as_it_is_is_not_transcoded(tmp_path: Path) -> None:
    item = outgoing_file(FILES / "JPEG2000.dcm")

    with a_pacs_that_takes(ExplicitVRLittleEndian, item.transfer_syntax_uid) as pacs:
        [outcome] = sent(pacs, [item])

    assert outcome == StoreOutcome(item.sop_instance_uid)
    assert pacs.received[item.sop_instance_uid][0] == item.transfer_syntax_uid


def test_nothing_is_transcoded_and_nothing_else_proposed_where_that_is_not_allowed() -> None:
    item = outgoing_file(FILES / "JPEG2000.dcm")

    with a_pacs_that_takes(ExplicitVRLittleEndian) as pacs:
        [outcome] = sent(pacs, [item], transcode=False)

    assert outcome.problem.startswith("not accepted: SOP Class ")
    assert pacs.proposals[0] == [(item.sop_class_uid, (item.transfer_syntax_uid,))]
    assert pacs.offered == [], "what else it takes is only asked, to tell why"


def test_explicit_vr_is_preferred(tmp_path: Path) -> None:
    item = outgoing_file(FILES / "MR_small_bigendian.dcm")

    with a_pacs_that_takes(ImplicitVRLittleEndian, ExplicitVRLittleEndian) as pacs:
        [outcome] = sent(pacs, [item])

    assert outcome.transcoded_to == ExplicitVRLittleEndian


def test_demo_instances_of_every_syntax_are_transcoded_whole(tmp_path: Path) -> None:
    study = next(study for study in demo_studies() if study.number == 5)
    items = [
        written(tmp_path, instance_file(study, series, index), f"{uid}.dcm")
        for series in study.series
        for index, uid in enumerate(series.sop_uids)
    ]

    with a_pacs_that_takes(ImplicitVRLittleEndian) as pacs:
        outcomes = sent(pacs, items)

    assert {outcome.problem for outcome in outcomes} == {""}
    for item in items:
        original, found = dcmread(item.path), received(pacs, item)
        assert values(found) == values(original)
        if "PixelData" in original:
            np.testing.assert_array_equal(pixels(found), pixels(original))


class TestNotTranscodable:
    def test_pixels_that_no_decoder_reads_are_told_with_the_reason(self) -> None:
        twelve_bit_jpeg = outgoing_file(FILES / "JPGExtended.dcm")

        self.assert_refused(twelve_bit_jpeg, "and could not be transcoded: (7FE0,0010) can't be decoded")

    def test_data_set_that_can_not_be_read_is_told(self, tmp_path: Path) -> None:
        item = outgoing_data_set(tmp_path, b"\x08\0\x16\0UI\xff\0", transfer_syntax_uid=ExplicitVRBigEndian)

        self.assert_refused(item, "and could not be transcoded: ")

    def test_byte_order_of_unknown_values_is_not_guessed(self, tmp_path: Path) -> None:
        data = b"\0\x08\0\x16UI\0\x041.2\0" + b"\0\x09\0\x10LO\0\x04MINE" + b"\0\x09\x10\x01UN\0\0\0\0\0\x04\1\2\3\4"
        item = outgoing_data_set(tmp_path, data, transfer_syntax_uid=ExplicitVRBigEndian)

        self.assert_refused(item, "the byte order of values of unknown VR can't be changed")

    def test_pixels_of_more_than_16_bits_in_big_endian_are_read_in_two_ways_so_in_none(self) -> None:
        self.assert_refused(outgoing_file(FILES / "rtdose_expb.dcm"), "pixels of more than 16 bits")

    def test_compressed_icon_beside_the_image_is_not_left_in_a_native_syntax(self, tmp_path: Path) -> None:
        ds = dcmread(FILES / "MR_small_jp2klossless.dcm")
        icon = Dataset()
        icon.PixelData = ds.PixelData
        icon["PixelData"].is_undefined_length = True
        icon["PixelData"].VR = "OB"
        ds.IconImageSequence = [icon]
        content = encode(ds, False, True)
        assert content is not None
        item = outgoing_data_set(tmp_path, content, sop_class_uid=ds.SOPClassUID, transfer_syntax_uid=JPEG2000Lossless)

        self.assert_refused(item, "compressed pixels elsewhere")

    @staticmethod
    def assert_refused(item: OutgoingInstance, why: str) -> None:
        with a_pacs_that_takes(ExplicitVRLittleEndian) as pacs:
            [outcome] = sent(pacs, [item])
        assert outcome.problem.startswith("not accepted: SOP Class ")
        assert why in outcome.problem
        assert not outcome.retriable
        assert pacs.offered == []
