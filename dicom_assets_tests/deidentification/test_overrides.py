"""What a profile says about single attributes."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.profile import Profile, parse_profile
from dicom_assets.errors import ProfileError
from dicom_assets.study import QuarantineReason
from dicom_assets_tests.deidentification.builders import BASIC, an_instance, deidentified, deidentified_bytes, reason

HEAD = "name: mine\nversion: '1'\noverrides:\n"
RISK = "    i_accept_the_risk: the ethics board allows it\n"


def profile(attribute: str, action: str, more: str = "") -> Profile:
    return parse_profile(f"{HEAD}  - attribute: {attribute}\n    action: {action}\n{more}", "p.yaml")


@pytest.mark.parametrize(
    ("action", "more", "expected"),
    [
        ("keep", RISK, "Knee of somebody"),
        ("empty", "", ""),
        ("replace", "    with: KNEE\n", "KNEE"),
        ("remove", "", None),
    ],
)
def test_an_override_takes_the_place_of_the_table(action: str, more: str, expected: str | None) -> None:
    ds = deidentified(
        an_instance(StudyDescription="Knee of somebody"), profile=profile("StudyDescription", action, more)
    )
    assert ds.get("StudyDescription") == expected


def test_an_attribute_may_be_given_by_number() -> None:
    ds = deidentified(an_instance(SliceThickness="5"), profile=profile("'0018,0050'", "remove"))
    assert "SliceThickness" not in ds


def with_item() -> bytes:
    item = Dataset()
    item.StudyDescription = "inside"
    return an_instance(StudyDescription="outside", ReferencedSeriesSequence=[item])


@pytest.mark.parametrize(
    ("attribute", "outside", "inside"),
    [
        ("StudyDescription", "X", None),
        ("ReferencedSeriesSequence.StudyDescription", None, "X"),
        ("'*.StudyDescription'", "X", "X"),
    ],
)
def test_an_override_holds_at_its_place(attribute: str, outside: str | None, inside: str | None) -> None:
    ds = deidentified(with_item(), profile=profile(attribute, "replace", "    with: X\n"))
    assert ds.get("StudyDescription") == outside
    assert ds.ReferencedSeriesSequence[0].get("StudyDescription") == inside


def test_what_a_person_answers_for_passes_the_residual_scan() -> None:
    kept = profile("AccessionNumber", "keep", RISK)
    assert deidentified(an_instance(AccessionNumber="ACC-77123"), profile=kept).AccessionNumber == "ACC-77123"


def test_what_nobody_answers_for_does_not_pass_the_residual_scan() -> None:
    kept = profile("ConvolutionKernel", "keep")
    file = an_instance(ConvolutionKernel="Zweistein")
    assert reason(file, profile=kept) is QuarantineReason.RESIDUAL_IDENTIFIER
    assert deidentified(an_instance(ConvolutionKernel="B30f"), profile=kept).ConvolutionKernel == "B30f"


@pytest.mark.parametrize(
    ("options", "attribute"),
    [("", "StudyDate"), ("Retain Longitudinal Temporal Information with Modified Dates", "StudyTime")],
)
def test_a_date_that_is_kept_is_not_called_removed_or_modified(options: str, attribute: str) -> None:
    kept = f"    action: keep\n{RISK}"
    text = f"name: mine\nversion: '1'\noptions: [{options}]\noverrides:\n  - attribute: {attribute}\n{kept}"
    ds = deidentified(an_instance(StudyDate="20240301", StudyTime="1015"), profile=parse_profile(text, "p.yaml"))
    assert ds.LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_an_accepted_risk_is_not_called_the_basic_profile() -> None:
    ds = deidentified(an_instance(), profile=profile("StudyDescription", "keep", RISK))
    assert ds.PatientIdentityRemoved == "YES"
    assert "with 1 exceptions" in ds.DeidentificationMethod[0]
    assert "DeidentificationMethodCodeSequence" not in ds
    assert b"ethics board" not in deidentified_bytes(an_instance(), profile=profile("StudyDescription", "keep", RISK))


def test_accepted_risks_are_listed_for_the_audit_trail() -> None:
    kept = profile("StudyDescription", "keep", RISK)
    assert kept.accepted_risks == {"keep (0008,1030)": "the ethics board allows it"}
    assert list(profile("'*.OperatorsName'", "keep", RISK).accepted_risks) == ["keep any depth, (0008,1070)"]
    assert BASIC.accepted_risks == {}


def test_an_override_that_keeps_no_more_than_the_table_needs_no_reason() -> None:
    assert profile("SliceThickness", "keep").overrides[0].action is Action.KEEP
    assert profile("ReferencedSeriesSequence", "keep").overrides[0].action is Action.KEEP


@pytest.mark.parametrize(
    "attribute",
    [
        "PatientName",
        "PatientBirthDate",
        "StudyDescription",
        "AccessionNumber",
        "RequestAttributesSequence",
        "'0009,1010'",
        "'0011,0010'",
        "'*.OperatorsName'",
        "ReferencedSeriesSequence.StudyDate",
    ],
)
def test_keeping_more_than_the_table_needs_a_reason(attribute: str) -> None:
    with pytest.raises(
        ProfileError, match=r"p.yaml, line 5: overrides\[1\].action keep keeps more .* i_accept_the_risk"
    ):
        profile(attribute, "keep")
    assert profile(attribute, "keep", RISK).accepted_risks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  - action: keep\n", r"line 4: overrides\[1\].attribute is missing"),
        ("  - attribute: Nonsense\n    action: remove\n", r"line 4: .* names no attribute"),
        ("  - attribute: StudyDate.StudyTime\n    action: remove\n", r"through something that is not a sequence"),
        ("  - attribute: SOPInstanceUID\n    action: remove\n", r"engine's own affair"),
        ("  - attribute: '0002,0010'\n    action: remove\n", r"engine's own affair"),
        ("  - attribute: '0008,0000'\n    action: remove\n", r"engine's own affair"),
        ("  - attribute: PatientIdentityRemoved\n    action: keep\n", r"engine's own affair"),
        ("  - attribute: '*.A.B'\n    action: remove\n", r"names no attribute|must be a keyword"),
        ("  - attribute: StudyDate\n", r"action is missing"),
        ("  - attribute: StudyDate\n    action: dance\n", r"line 5: .*action must be one of keep, remove, empty"),
        ("  - attribute: StudyDescription\n    action: shift\n", r"shift does not go with the VR LO"),
        ("  - attribute: StudyDescription\n    action: uid\n", r"uid does not go with the VR LO"),
        ("  - attribute: StudyDate\n    action: hash\n", r"hash does not go with the VR DA"),
        ("  - attribute: StudyDate\n    action: replace\n", r"with is missing"),
        (
            "  - attribute: StudyDate\n    action: replace\n    with: tomorrow\n",
            r"line 6: .*with is no value for the VR DA",
        ),
        ("  - attribute: Rows\n    action: replace\n    with: 5\n", r"with is no value for the VR US"),
        ("  - attribute: StudyDate\n    action: remove\n    with: 5\n", r"line 6: .*with is not a field"),
        (
            "  - attribute: StudyDescription\n    action: keep\n    i_accept_the_risk: ' '\n",
            r"line 6: .*i_accept_the_risk must be the reason, in words",
        ),
    ],
)
def test_a_mistake_is_named_by_line_and_field(text: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        parse_profile(HEAD + text, "p.yaml")
