"""What the options of PS3.15 E.3 do beyond single rows, and overrides that use the same actions."""

from __future__ import annotations

from datetime import date, datetime
from itertools import combinations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_assets.deidentification.derivation import UidReplacer, derive_hash
from dicom_assets.deidentification.encoded import DataSet
from dicom_assets.deidentification.options import CODES, DATE_OPTIONS, SUPPORTED, Option
from dicom_assets.deidentification.profile import Profile, parse_profile
from dicom_assets.study import QuarantineReason, Subject
from dicom_assets_tests.deidentification.builders import (
    SECRET,
    SUBJECT,
    an_instance,
    deidentified,
    deidentified_bytes,
    explicit,
    profile_with,
    read_back,
    reason,
    with_elements,
)

FULL, MODIFIED = Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES
HEAD = "name: mine\nversion: '1'\n"


def profile_of(*options: Option) -> Profile:
    return profile_with(options=frozenset(options))


def overriding(*overrides: str, options: str = "[]") -> Profile:
    return parse_profile(f"{HEAD}options: {options}\noverrides:\n" + "".join(f"- {o}\n" for o in overrides), "p.yaml")


def an_item(**attributes: object) -> Sequence:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return Sequence([ds])


# Dates


def test_intervals_are_kept_between_instances_studies_and_depths_of_one_patient() -> None:
    studies = [
        {"StudyDate": "20240301", "AcquisitionDateTime": "20240301235959.5"},
        {"StudyDate": "20231231", "AcquisitionDateTime": "20240101000001-0500"},
    ]
    days: list[date] = []
    for number, study in enumerate(studies):
        inner = an_item(DateOfSecondaryCapture=study["StudyDate"])
        file = an_instance(StudyInstanceUID=f"1.2.{number}", ReferencedSeriesSequence=inner, **study)
        ds = deidentified(file, profile=profile_of(MODIFIED))
        days += [date.fromisoformat(ds.StudyDate), datetime.strptime(ds.AcquisitionDateTime[:8], "%Y%m%d").date()]
        assert ds.ReferencedSeriesSequence[0].DateOfSecondaryCapture == ds.StudyDate
    assert days == [date(2023, 11, 22), date(2023, 11, 22), date(2023, 9, 22), date(2023, 9, 23)]


def test_another_patient_has_another_offset() -> None:
    file = an_instance(StudyDate="20240301")
    other = Subject("PANOTHER", 31)
    assert deidentified(file, profile=profile_of(MODIFIED), subject=other).StudyDate == "20240401"


@pytest.mark.parametrize("option", [FULL, MODIFIED])
def test_the_birth_date_is_never_kept(option: Option) -> None:
    inner = an_item(PatientBirthDate="19370911")
    file = an_instance(
        PatientBirthDate="19370911", PatientBirthTime="0815", ReferencedSeriesSequence=inner, StudyDate="20240301"
    )
    ds = deidentified(file, profile=profile_of(option))
    assert ds.PatientBirthDate == ds.ReferencedSeriesSequence[0].PatientBirthDate == ""
    assert "PatientBirthTime" not in ds


def test_a_birth_date_in_a_full_date_is_kept_back() -> None:
    file = an_instance(PatientBirthDate="20240301", StudyDate="20240301")
    assert reason(file, profile=profile_of(FULL)) is QuarantineReason.RESIDUAL_IDENTIFIER
    assert deidentified(file, profile=profile_of(MODIFIED)).StudyDate == "20231122"


def test_a_moved_date_that_happens_to_be_the_birth_date_is_no_residue() -> None:
    file = an_instance(PatientBirthDate="20231122", StudyDate="20240301")
    assert deidentified(file, profile=profile_of(MODIFIED)).StudyDate == "20231122"


def test_a_time_that_happens_to_be_the_accession_number_is_no_residue() -> None:
    file = an_instance(AccessionNumber="101530", StudyTime="101530")
    assert deidentified(file, profile=profile_of(FULL)).StudyTime == "101530"


@pytest.mark.parametrize(("option", "day"), [(FULL, "20240301"), (MODIFIED, "20231122")])
def test_dates_that_the_table_does_not_name_are_treated_alike(option: Option, day: str) -> None:
    inner = an_item(SecondaryReviewDate="20240301", SecondaryReviewTime="1015")
    file = an_instance(StudyUpdateDateTime="20240301101530", ReferencedSeriesSequence=inner)
    ds = deidentified(file, profile=profile_of(option))
    assert ds.StudyUpdateDateTime == day + "101530"
    assert ds.ReferencedSeriesSequence[0].SecondaryReviewDate == day
    assert ds.ReferencedSeriesSequence[0].SecondaryReviewTime == "1015"


@pytest.mark.parametrize("vr", ["DT", "LO", "UN"])
def test_a_date_that_the_table_does_not_name_and_that_is_none_is_emptied(vr: str) -> None:
    file = with_elements(explicit(0x0008041F, vr, b"XQZSENTINEL"))
    for option in (FULL, MODIFIED):
        assert read_back(deidentified_bytes(file, profile=profile_of(option))).value(0x0008041F) == b""


def test_a_date_in_a_dummied_sequence_moves() -> None:
    (inner,) = an_item(SecondaryReviewDate="20240301", ContentDate="20240301", CodeMeaning="Zweistein")
    ds = deidentified(an_instance(PersonIdentificationCodeSequence=Sequence([inner])), profile=profile_of(MODIFIED))
    (inside,) = ds.PersonIdentificationCodeSequence
    assert (inside.SecondaryReviewDate, inside.ContentDate) == ("20231122", "20231122")
    assert inside.CodeMeaning == "DUMMY"


# Patient characteristics

CHARACTERISTICS = profile_of(Option.RETAIN_PATIENT_CHARACTERISTICS)


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (b"089Y", b"089Y"),
        (b"090Y", b"090Y"),
        (b"091Y", b"090Y"),
        (b"123Y", b"090Y"),
        (b"45Y ", b"45Y "),
        (b"999M", b"999M"),
        (b"1079M", b"1079M\0"),
        (b"1080M", b"090Y"),
        (b"1100M", b"090Y"),
        (b"4700W", b"090Y"),
        (b"9999D", b"9999D\0"),
        (b"003D", b"003D"),
        (b"091Y\\040Y", b"090Y\\040Y\0"),
        (b"", b""),
    ],
)
@pytest.mark.parametrize("vr", ["AS", "UN", "LO"])
def test_no_age_over_89_is_told(vr: str, age: bytes, told: bytes) -> None:
    written = read_back(deidentified_bytes(with_elements(explicit(0x00101010, vr, age)), profile=CHARACTERISTICS))
    assert written.value(0x00101010).rstrip(b" \0") == told.rstrip(b" \0")


@pytest.mark.parametrize("age", [b"95", b"95 years", b"O91Y", b"091y", b"99999D", b"045Y Zweistein"])
def test_what_is_no_age_is_removed(age: bytes) -> None:
    for vr in ("AS", "LO", "UN"):
        ds = deidentified(with_elements(explicit(0x00101010, vr, age)), profile=CHARACTERISTICS)
        assert "PatientAge" not in ds


def test_size_and_weight_are_kept_as_numbers_only() -> None:
    ds = deidentified(an_instance(PatientSize="1.75", PatientWeight="70.5"), profile=CHARACTERISTICS)
    assert (ds.PatientSize, ds.PatientWeight) == (1.75, 70.5)
    odd = with_elements(explicit(0x00101030, "DS", b"70 kg, Zw"))
    assert "PatientWeight" not in deidentified(odd, profile=CHARACTERISTICS)


# Devices, institutions, UIDs

DEVICES = profile_of(Option.RETAIN_DEVICE_IDENTITY)


def test_kept_text_that_holds_the_patients_name_is_kept_back() -> None:
    file = an_instance(InstitutionName="Zweistein Clinic")
    assert reason(file, profile=profile_of(Option.RETAIN_INSTITUTION_IDENTITY)) is QuarantineReason.RESIDUAL_IDENTIFIER


def test_ae_titles_are_hashed_alike_wherever_they_are_and_one_by_one() -> None:
    file = an_instance(
        StationAETitle="CT01",
        RetrieveAETitle=["CT01", "", "ARCHIVE"],
        ReferencedSeriesSequence=an_item(NetworkID="CT01"),
    )
    ds = deidentified(file, profile=DEVICES)
    hashed = derive_hash(SECRET, "CT01")
    assert ds.StationAETitle == ds.ReferencedSeriesSequence[0].NetworkID == hashed
    assert list(ds.RetrieveAETitle) == [hashed, "", derive_hash(SECRET, "ARCHIVE")]
    other = deidentified(file, profile=DEVICES, uids=UidReplacer(SECRET + b"!"))
    assert other.StationAETitle != hashed


def test_dates_of_devices_follow_the_options_about_dates_alone() -> None:
    file = an_instance(DateOfLastCalibration="20240301", TimeOfLastCalibration="1015", DeviceSerialNumber="4711")
    alone = deidentified(file, profile=DEVICES)
    assert "DateOfLastCalibration" not in alone
    assert "TimeOfLastCalibration" not in alone
    assert alone.LongitudinalTemporalInformationModified == "REMOVED"
    moved = deidentified(file, profile=profile_of(Option.RETAIN_DEVICE_IDENTITY, MODIFIED))
    assert (moved.DateOfLastCalibration, moved.TimeOfLastCalibration) == ("20231122", "1015")
    full = deidentified(file, profile=profile_of(Option.RETAIN_DEVICE_IDENTITY, FULL))
    assert full.DateOfLastCalibration == "20240301"
    assert alone.DeviceSerialNumber == moved.DeviceSerialNumber == full.DeviceSerialNumber == "4711"


def test_a_kept_device_that_a_content_item_names_is_no_residue() -> None:
    (inner,) = an_item(UID="1.2.999.31337.7")
    ds = deidentified(
        an_instance(DeviceUID="1.2.999.31337.7", ReferencedSeriesSequence=Sequence([inner])), profile=DEVICES
    )
    assert ds.DeviceUID == "1.2.999.31337.7"
    assert ds.ReferencedSeriesSequence[0].UID.startswith("2.25.")


def test_the_study_uid_in_the_place_of_a_devices_is_kept_back() -> None:
    file = an_instance(DeviceUID="1.2.826.0.1.99.1")
    assert reason(file, profile=DEVICES) is QuarantineReason.RESIDUAL_IDENTIFIER


def test_uids_are_retained_in_data_set_and_file_meta_whether_the_table_names_them_or_not() -> None:
    file = an_instance(TargetFrameOfReferenceUID="1.2.999.1", FrameOfReferenceUID="1.2.999.2")
    uids = UidReplacer(SECRET)
    ds = deidentified(file, profile=profile_of(Option.RETAIN_UIDS), uids=uids)
    assert ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID == "1.2.826.0.1.99.1.1.1"
    assert (ds.TargetFrameOfReferenceUID, ds.FrameOfReferenceUID) == ("1.2.999.1", "1.2.999.2")
    assert uids.seen == {}


@pytest.mark.parametrize("tag", [0x0018991E, 0x00200052], ids=["unlisted", "listed"])
def test_what_is_no_uid_is_replaced_though_uids_are_retained(tag: int) -> None:
    file = with_elements(explicit(tag, "UI", b"XQZSENTINEL"))
    value = read_back(deidentified_bytes(file, profile=profile_of(Option.RETAIN_UIDS))).value(tag)
    assert value.startswith(b"2.25.")


# What is said of it


CLAIMED = SUPPORTED - {Option.CLEAN_PIXEL_DATA}
"""Clean Pixel Data needs a section of its own, and is claimed of instances on which it was carried out."""
COMBINATIONS = [
    options
    for options in [*(c for n in range(3) for c in combinations(sorted(CLAIMED), n)), (*sorted(CLAIMED - {FULL}),)]
    if not set(options) >= DATE_OPTIONS
]


@pytest.mark.parametrize("options", COMBINATIONS, ids=lambda options: "+".join(CODES[option] for option in options))
def test_the_method_says_which_options_were_carried_out(options: tuple[Option, ...]) -> None:
    ds = deidentified(an_instance(), profile=profile_of(*options))
    codes = [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
    assert codes == ["113100", *sorted(CODES[option] for option in options)]
    said = "MODIFIED" if MODIFIED in options else "UNMODIFIED" if FULL in options else "REMOVED"
    assert ds.LongitudinalTemporalInformationModified == said


# Overrides


PLACES = [("{}", 0), ("ReferencedSeriesSequence.{}", 1), ("'*.{}'", 0), ("'*.{}'", 1)]


def at_depth(depth: int, keyword: str, value: object) -> bytes:
    attributes = {keyword: value}
    return an_instance(**(attributes if depth == 0 else {"ReferencedSeriesSequence": an_item(**attributes)}))


def place_of(written: bytes, depth: int) -> DataSet:
    top = read_back(written)
    return top if depth == 0 else (top.elements[0x00081115].items or [])[0]


@pytest.mark.parametrize(("place", "depth"), PLACES)
@pytest.mark.parametrize(
    ("keyword", "tag", "action", "value", "changed"),
    [
        ("StudyDate", 0x00080020, "shift", "20240301", b"20231122"),
        ("StudyUpdateDateTime", 0x0008041F, "shift", "202403011015", b"202311221015"),
        ("CodingSchemeUID", 0x0008010C, "uid", "1.2.999.7", UidReplacer(SECRET)("1.2.999.7").encode()),
        ("StudyDescription", 0x00081030, "hash", "BRAIN", derive_hash(SECRET, "BRAIN").encode()),
        ("CodeMeaning", 0x00080104, "hash", "BRAIN", derive_hash(SECRET, "BRAIN").encode()),
        ("OperatorsName", 0x00081070, "hash", "Zweistein^A", derive_hash(SECRET, "Zweistein^A").encode()),
    ],
)
def test_an_override_is_carried_out_wherever_it_holds(
    place: str, depth: int, keyword: str, tag: int, action: str, value: str, changed: bytes
) -> None:
    risk = ", i_accept_the_risk: tried" if (keyword, action) == ("StudyUpdateDateTime", "shift") else ""
    profile = overriding(f"{{attribute: {place.format(keyword)}, action: {action}{risk}}}")
    written = place_of(deidentified_bytes(at_depth(depth, keyword, value), profile=profile), depth)
    assert written.value(tag).rstrip(b" \0") == changed


@pytest.mark.parametrize("options", ["[]", f"[{FULL}]", f"[{MODIFIED}]"])
def test_a_date_that_an_override_can_not_move_is_not_kept(options: str) -> None:
    profile = overriding("{attribute: StudyDate, action: shift}", options=options)
    assert deidentified(an_instance(StudyDate="some day"), profile=profile).StudyDate == ""
    moved = deidentified(an_instance(StudyDate="20240301"), profile=profile)
    assert moved.StudyDate == "20231122"
    assert moved.LongitudinalTemporalInformationModified == "MODIFIED"


def test_a_text_that_an_override_can_not_hash_is_not_kept() -> None:
    profile = overriding("{attribute: CodeMeaning, action: hash}")
    file = with_elements(explicit(0x00080104, "SQ", b""))
    assert 0x00080104 not in read_back(deidentified_bytes(file, profile=profile)).elements


def test_an_override_holds_in_a_dummied_sequence() -> None:
    profile = overriding("{attribute: PersonIdentificationCodeSequence.CodeMeaning, action: hash}")
    ds = deidentified(an_instance(PersonIdentificationCodeSequence=an_item(CodeMeaning="Zwei")), profile=profile)
    assert ds.PersonIdentificationCodeSequence[0].CodeMeaning == derive_hash(SECRET, "Zwei")


def test_one_text_has_one_hash_in_every_character_set() -> None:
    profile = overriding("{attribute: StudyDescription, action: hash}")
    hashes = {
        deidentified(
            an_instance(SpecificCharacterSet=charset, StudyDescription="Schädel"), profile=profile
        ).StudyDescription
        for charset in ("ISO_IR 100", "ISO_IR 192")
    }
    assert hashes == {derive_hash(SECRET, "Schädel")}


def test_a_subject_without_offset_leaves_dates_where_they_were() -> None:
    subject = Subject(SUBJECT.patient_id, 0)
    assert (
        deidentified(an_instance(StudyDate="20240301"), profile=profile_of(MODIFIED), subject=subject).StudyDate
        == "20240301"
    )
