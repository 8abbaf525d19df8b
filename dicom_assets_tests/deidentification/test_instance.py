"""What is written: patient, UIDs, method, file meta information, pixels, encodings."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.outcome import Deidentified, Quarantined
from dicom_assets.deidentification.part10 import IMPLEMENTATION_CLASS_UID
from dicom_assets.deidentification.profile import parse_profile
from dicom_assets.deidentification.quarantine import QuarantineRules
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import QuarantineReason, Subject
from dicom_assets_tests.deidentification.builders import (
    PIXELS,
    SECRET,
    SUBJECT,
    an_image,
    an_instance,
    as_file,
    deidentified,
    deidentified_bytes,
    deidentify,
    explicit,
    profile_with,
    with_elements,
    with_raw,
)

TALAIRACH = "1.2.840.10008.1.4.1.1"


def test_the_subject_takes_the_patients_place() -> None:
    ds = deidentified(an_instance(PatientBirthDate="19500417", PatientAge="077Y"), subject=Subject("ALIAS-7", -3))
    assert (ds.PatientID, str(ds.PatientName), ds.PatientBirthDate) == ("ALIAS-7", "ALIAS-7", "")
    assert "PatientAge" not in ds


@pytest.mark.parametrize("patient_id", ["", " ", "x" * 65, "A\\B", "A^B", "Ä", "a\nb"])
def test_a_subject_that_can_not_be_written_stops_the_run(patient_id: str) -> None:
    with pytest.raises(ConfigurationError, match="subject's id"):
        deidentify(an_instance(), subject=Subject(patient_id, -3))


def test_the_outcome_says_what_was_written() -> None:
    uids = UidReplacer(SECRET)
    file = an_instance(AccessionNumber="ACC-77", IssuerOfPatientID="HOSP")
    outcome, written = deidentify(file, uids=uids)
    assert isinstance(outcome, Deidentified)
    ds = pydicom.dcmread(io.BytesIO(written))
    assert outcome.sop_instance_uid == ds.SOPInstanceUID == uids("1.2.826.0.1.99.1.1.1")
    assert outcome.series_instance_uid == ds.SeriesInstanceUID
    assert outcome.study_instance_uid == ds.StudyInstanceUID
    assert (outcome.modality, outcome.transfer_syntax_uid) == ("CT", ExplicitVRLittleEndian)
    assert "4711" not in repr(outcome)


def test_an_outcome_survives_pickling() -> None:
    outcome, _ = deidentify(an_instance())
    assert pickle.loads(pickle.dumps(outcome)) == outcome


def test_a_reference_points_to_where_its_target_went() -> None:
    reference = Dataset()
    reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    reference.ReferencedSOPInstanceUID = "1.2.826.0.1.99.1.1.2"
    uids = UidReplacer(SECRET)
    ds = deidentified(an_instance(SourceImageSequence=[reference]), uids=uids)
    assert ds.SourceImageSequence[0].ReferencedSOPInstanceUID == uids("1.2.826.0.1.99.1.1.2")
    assert ds.SourceImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"


def test_registered_uids_stay() -> None:
    uids = UidReplacer(SECRET)
    ds = deidentified(an_instance(FrameOfReferenceUID=TALAIRACH), uids=uids)
    assert ds.FrameOfReferenceUID == TALAIRACH
    assert TALAIRACH not in uids.seen


def test_a_uid_of_several_values_is_replaced_value_by_value() -> None:
    uids = UidReplacer(SECRET)
    ds = deidentified(an_instance(FailedSOPInstanceUIDList=["1.2.99.8.1", "1.2.99.8.2"]), uids=uids)
    assert list(ds.FailedSOPInstanceUIDList) == [uids("1.2.99.8.1"), uids("1.2.99.8.2")]


def test_the_method_names_the_basic_profile_and_no_option() -> None:
    ds = deidentified(an_instance())
    assert ds.PatientIdentityRemoved == "YES"
    assert all("Basic" in text or "basic" in text for text in ds.DeidentificationMethod)
    codes = [(item.CodeValue, item.CodingSchemeDesignator) for item in ds.DeidentificationMethodCodeSequence]
    assert codes == [("113100", "DCM")]
    assert ds.LongitudinalTemporalInformationModified == "REMOVED"


@pytest.mark.parametrize(("before", "after"), [("MODIFIED", "REMOVED"), ("NONSENSE", "REMOVED")])
def test_what_became_of_dates_is_said_anew(before: str, after: str) -> None:
    ds = deidentified(an_instance(LongitudinalTemporalInformationModified=before))
    assert ds.LongitudinalTemporalInformationModified == after


def a_code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def test_earlier_codes_for_what_was_cleaned_are_appended_and_nothing_else() -> None:
    earlier = [
        a_code("113105", "DCM", "by Dr. Zeppelin"),
        a_code("113106", "DCM", "Full dates"),
        a_code("113100", "DCM", "Basic"),
        a_code("113999", "DCM", "No such code"),
        a_code("113101", "99HOSP", "Local"),
    ]
    file = an_instance(DeidentificationMethodCodeSequence=earlier, DeidentificationMethod="by Dr. Zeppelin")
    ds = deidentified(file)
    assert [code.CodeValue for code in ds.DeidentificationMethodCodeSequence] == ["113100", "113105"]
    assert b"Zeppelin" not in deidentified_bytes(file)


def test_preamble_and_file_meta_information_are_our_own() -> None:
    ds = an_image()
    file = as_file(ds, preamble=b"II*\0SECRET".ljust(128, b"S"))
    ae_titles = b"".join(explicit(tag, "AE", b"SECRETAE") for tag in (0x00020016, 0x00020017, 0x00020018))
    private = explicit(0x00020100, "UI", b"1.2.3.4.5") + explicit(0x00020102, "OB", b"SECRET")
    length = struct.unpack_from("<L", file, 140)[0]
    file = file[: 144 + length] + ae_titles + private + file[144 + length :]
    written = deidentified_bytes(file)
    assert written[:132] == bytes(128) + b"DICM"
    assert b"SECRET" not in written
    meta = pydicom.dcmread(io.BytesIO(written)).file_meta
    assert meta.MediaStorageSOPInstanceUID == pydicom.dcmread(io.BytesIO(written)).SOPInstanceUID
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert {element.keyword for element in meta} == {
        "FileMetaInformationGroupLength",
        "FileMetaInformationVersion",
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "TransferSyntaxUID",
        "ImplementationClassUID",
        "ImplementationVersionName",
    }


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda syntax: syntax.keyword,
)
def test_native_pixels_leave_as_they_came(syntax: str) -> None:
    ds = deidentified(as_file(an_image(StudyDescription="secret"), syntax))
    assert ds.file_meta.TransferSyntaxUID == syntax
    assert ds.PixelData == PIXELS["PixelData"]
    assert (ds.Rows, ds.Columns) == (2, 3)
    assert "StudyDescription" not in ds


@pytest.mark.parametrize(
    "name",
    [
        "693_J2KI.dcm",
        "JPEG-lossy.dcm",
        "JPEG2000.dcm",
        "JPEG2000-embedded-sequence-delimiter.dcm",
        "JPGExtended.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_rle_2frame.dcm",
        "examples_jpeg2k.dcm",
        "examples_ybr_color.dcm",
    ],
)
def test_compressed_pixels_leave_as_they_came(name: str) -> None:
    path = get_testdata_file(name, download=False)
    assert path is not None
    file = Path(path).read_bytes()
    written = deidentified_bytes(
        file,
        profile=profile_with(quarantine=QuarantineRules(secondary_capture=False)),
        allowed_modalities=frozenset({"CT", "MR", "OT", "NM", "US"}),
    )
    start = file.index(b"\xe0\x7f\x10\x00O")
    stop = file.rindex(b"\xfe\xff\xdd\xe0\0\0\0\0")
    assert written.endswith(file[start:stop] + b"\xfe\xff\xdd\xe0\0\0\0\0")


def test_a_deflated_data_set_stays_deflated() -> None:
    written = deidentified_bytes(as_file(an_image(), DeflatedExplicitVRLittleEndian))
    length = struct.unpack_from("<L", written, 140)[0]
    assert PIXELS["PixelData"] in zlib.decompress(written[144 + length :], -15)


def test_a_file_without_preamble_and_meta_is_read() -> None:
    file = an_instance()
    length = struct.unpack_from("<L", file, 140)[0]
    assert deidentified(file[144 + length :]).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert deidentified(file[132:]).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_a_data_set_that_is_not_encoded_as_it_says_leaves_under_its_real_encoding() -> None:
    file = as_file(an_image(), ImplicitVRLittleEndian)
    lying = file.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1\0")
    lying = lying.replace(b"UI\x12\x001.2.840.10008.1.2.1", b"UI\x14\x001.2.840.10008.1.2.1")
    assert deidentified(lying).file_meta.TransferSyntaxUID == ImplicitVRLittleEndian


@pytest.mark.parametrize(
    ("tag", "vr", "kept"),
    [
        (0x00080070, "LO", True),  # Manufacturer
        (0x00180050, "DS", True),  # Slice Thickness
        (0x00080119, "UC", True),  # Long Code Value
        (0x00142006, "PN", False),  # Evaluator's Name
        (0x00080108, "LT", False),  # Extended Code Meaning
        (0x00080116, "ST", False),  # Coding Scheme Responsible Organization
        (0x0040A160, "UT", False),  # Text Value
        (0x00081190, "UR", False),  # Retrieve URL
        (0x0008041B, "OB", False),  # Record Key
        (0x00281201, "OW", True),  # Red Palette Color Lookup Table Data
        (0x00080404, "DT", False),  # Item Inventory DateTime
        (0x00089999, "LO", False),  # not in the dictionary
        (0x60000010, "US", False),  # Overlay Rows
        (0x60020022, "LO", False),  # Overlay Description
        (0x50020022, "LO", False),  # Curve Description
        (0x7F100010, "OW", False),  # Variable Pixel Data
        (0x00080000, "UL", False),  # group length
        (0xFFFCFFFC, "OB", False),  # Data Set Trailing Padding
        (0x00090010, "LO", False),  # a private creator
        (0x00180050, "LT", False),  # Slice Thickness in a VR for free text
    ],
)
def test_an_attribute_that_the_table_does_not_name_is_decided_by_its_vr(tag: int, vr: str, kept: bool) -> None:
    value = b"1.250000" if tag == 0x00180050 else b"SENTINEL"
    written = deidentified_bytes(with_elements(explicit(tag, vr, value)))
    assert (value in written) is kept


def test_unlisted_attributes_follow_the_profile() -> None:
    file = with_raw(an_instance(), explicit(0x00080070, "LO", b"SENTINEL"), explicit(0x00180015, "CS", b"SENTINEL"))
    assert deidentified(file, profile=profile_with(unlisted=Action.EMPTY))["BodyPartExamined"].is_empty
    ds = deidentified(file, profile=profile_with(unlisted=Action.REMOVE))
    assert "BodyPartExamined" not in ds
    assert ds["Manufacturer"].is_empty, "of Type 2 in a CT"
    assert ds.Modality == "CT"


def test_a_number_that_is_none_is_emptied() -> None:
    assert deidentified(with_elements(explicit(0x00180050, "DS", b"Dr. Sentinel ")))["SliceThickness"].is_empty


@pytest.mark.parametrize(("came", "left"), [("ISO_IR 192", "ISO_IR 192"), ("ISO-IR 100", "ISO_IR 100"), ("DOE", None)])
def test_a_character_set_stays_when_it_is_one(came: str, left: str | None) -> None:
    ds = deidentified(with_elements(explicit(0x00080005, "CS", came.encode().ljust(10))))
    assert ds.get("SpecificCharacterSet") == left


def test_the_content_of_a_report_is_dummied_and_its_tree_stays() -> None:
    leaf, container = Dataset(), Dataset()
    leaf.RelationshipType, leaf.ValueType, leaf.TextValue = "CONTAINS", "TEXT", "Albertine has a cough"
    leaf.ConceptNameCodeSequence = [a_code("121071", "DCM", "Finding of Dr. Zeppelin")]
    container.RelationshipType, container.ValueType = "CONTAINS", "CONTAINER"
    container.ContentSequence = [leaf]
    ds = deidentified(an_instance(ContentSequence=[container]))
    inner = ds.ContentSequence[0].ContentSequence[0]
    assert (inner.ValueType, inner.RelationshipType, inner.TextValue) == ("TEXT", "CONTAINS", "DUMMY")
    assert inner.ConceptNameCodeSequence[0].CodeMeaning == "DUMMY"
    ds.save_as(io.BytesIO())


def test_a_uid_that_is_none_is_replaced_all_the_same() -> None:
    file = with_elements(explicit(0x00080005, "CS", b"ISO_IR 192"), explicit(0x00080018, "UI", b"1.2.\xc3\xa9\xff"))
    outcome, written = deidentify(file)
    assert isinstance(outcome, Deidentified)
    assert outcome.sop_instance_uid == pydicom.dcmread(io.BytesIO(written)).SOPInstanceUID


def test_a_private_sop_class_stays() -> None:
    assert deidentified(an_instance(SOPClassUID="1.3.12.2.1107.5.9.1")).SOPClassUID == "1.3.12.2.1107.5.9.1"


def test_writing_begins_only_when_all_is_done() -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    from dicom_assets.deidentification.instance import deidentify_instance
    from dicom_assets_tests.deidentification.builders import BASIC, SUBJECT

    with pytest.raises(OSError, match="space"):
        deidentify_instance(
            io.BytesIO(an_instance()),
            Full(),
            profile=BASIC,
            subject=SUBJECT,
            uids=UidReplacer(SECRET),
            allowed_modalities=frozenset({"CT"}),
        )


@pytest.mark.parametrize("value", ["1.2." + "3" * 70, "1.2\t3"])
def test_a_reference_that_is_no_uid_by_any_stretch_is_quarantined(value: str) -> None:
    # (0008,1155) Referenced SOP Instance UID inside (0008,1140) Referenced Image Sequence
    item = explicit(0x00081155, "UI", value.encode())
    sequence = explicit(0x00081140, "SQ", b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item)
    file = an_instance()
    place = file.index(explicit(0x00100010, "PN", b"")[:6])

    outcome, written = deidentify(file[:place] + sequence + file[place:])

    assert isinstance(outcome, Quarantined)
    assert outcome.reason is QuarantineReason.MALFORMED
    assert written == b""


@pytest.mark.parametrize("missing", [("PatientID",), ("PatientName",), ("PatientID", "PatientName")])
def test_an_instance_that_names_no_patient_gets_the_subject(missing: tuple[str, ...]) -> None:
    ds = deidentified(an_instance(**dict.fromkeys(missing)))
    assert (ds.PatientID, ds.PatientName) == (SUBJECT.patient_id, SUBJECT.patient_id)


def test_an_override_may_leave_the_patient_out() -> None:
    text = "name: mine\nversion: '1'\noverrides:\n  - {attribute: PatientName, action: remove}\n"
    assert "PatientName" not in deidentified(an_instance(), profile=parse_profile(text, "p.yaml"))
