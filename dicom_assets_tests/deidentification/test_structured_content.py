"""Content items that the table does not name, trees, and sequences like them outside of reports."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.content_rules import content_rule
from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.explain import explain_instance
from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.overrides import Override
from dicom_assets.deidentification.profile import Profile
from dicom_assets_tests.deidentification.builders import (
    SECRET,
    SUBJECT,
    an_image,
    as_file,
    deidentified,
    explicit,
    profile_with,
    with_raw,
)
from dicom_assets_tests.deidentification.content_builders import (
    LOCAL,
    MODALITIES,
    ORIGINAL_UID,
    SENTINEL,
    a_by_reference_item,
    a_code,
    a_measurement,
    a_reference,
    a_report,
    an_item,
    cleaned,
    cleaned_bytes,
    cleaning,
)

UNLISTED = ("111111", "DCM", "A concept that the table does not name")
REMOVED = ("121106", "DCM", "Comment")


def written_item(item: Dataset, *options: Option) -> Dataset:
    (written,) = cleaned(as_file(a_report(item)), *options).ContentSequence
    return written


@pytest.mark.parametrize("concept", [UNLISTED, LOCAL, None], ids=["public", "local", "unnamed"])
@pytest.mark.parametrize(
    ("value_type", "keyword", "expected"),
    [
        ("TEXT", "TextValue", "DUMMY"),
        ("PNAME", "PersonName", "DUMMY"),
        ("DATE", "Date", "19000101"),
        ("TIME", "Time", "000000"),
        ("DATETIME", "DateTime", "19000101000000"),
        ("CONTAINER", "ContinuityOfContent", "SEPARATE"),
        ("SCOORD", "GraphicData", [1.0, 2.0]),
        ("TCOORD", "ReferencedSamplePositions", 5),
    ],
)
def test_item_that_the_table_does_not_name_goes_by_its_value_type(
    concept: tuple[str, ...] | None, value_type: str, keyword: str, expected: Any
) -> None:
    item = written_item(an_item(value_type, concept))
    assert (item.RelationshipType, item.ValueType, item[keyword].value) == ("CONTAINS", value_type, expected)


@pytest.mark.parametrize("value_type", ["IMAGE", "COMPOSITE", "WAVEFORM"])
def test_reference_that_the_table_does_not_name_gets_the_new_uids(value_type: str) -> None:
    (reference,) = written_item(an_item(value_type, None)).ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID.startswith("2.25.")


@pytest.mark.parametrize(
    ("uid", "kept"), [(ORIGINAL_UID, False), ("1.2.840.10008.5.1.4.1.1.2", True)], ids=["own", "registered"]
)
def test_uid_item_keeps_registered_uids_only(uid: str, kept: bool) -> None:
    item = an_item("UIDREF", UNLISTED, UID=uid)
    assert (written_item(item).UID == item.UID) is kept
    assert written_item(item, Option.RETAIN_UIDS).UID == item.UID


def test_code_of_a_public_scheme_stays_without_its_context_group() -> None:
    code = a_code("89190005", "SCT", "Peripheral")
    code.CodingSchemeVersion, code.ContextIdentifier, code.MappingResource = "20200101", "6128", "DCMR"
    code.EquivalentCodeSequence = [a_code(SENTINEL, "99LOCAL", SENTINEL)]
    (kept,) = written_item(an_item("CODE", UNLISTED, ConceptCodeSequence=[code])).ConceptCodeSequence
    assert [str(element.value) for element in kept] == ["89190005", "SCT", "20200101", "Peripheral"]


@pytest.mark.parametrize(
    ("code", "scheme"), [(SENTINEL, "99LOCAL"), ("123", SENTINEL[:11]), ("", "DCM"), ("A B", "DCM"), ("1", "")]
)
def test_other_code_becomes_a_dummy(code: str, scheme: str) -> None:
    item = an_item("CODE", UNLISTED, ConceptCodeSequence=[a_code(code, scheme, SENTINEL)])
    (kept,) = written_item(item).ConceptCodeSequence
    assert (kept.CodeValue, kept.CodingSchemeDesignator, kept.CodeMeaning) == ("DUMMY", "99DUMMY", "DUMMY")


def test_long_code_of_a_public_scheme_stays() -> None:
    code = Dataset()
    code.LongCodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "12345678901234567890", "SCT", "Long"
    (kept,) = written_item(an_item("CODE", UNLISTED, ConceptCodeSequence=[code])).ConceptCodeSequence
    assert kept == code


@pytest.mark.parametrize(("code", "kept"), [("12.3-A", "12.3-A"), (f"{SENTINEL} X", "DUMMY")])
def test_local_concept_name_keeps_its_code_but_not_its_meaning(code: str, kept: str) -> None:
    (name,) = written_item(an_item("NUM", (code, "99LOCAL", SENTINEL))).ConceptNameCodeSequence
    assert (name.CodeValue, name.CodeMeaning) == (kept, "DUMMY")


def test_roots_local_concept_name_loses_its_meaning() -> None:
    report = a_report(an_item("CONTAINER"), ConceptNameCodeSequence=[a_code("R1", "99LOCAL", SENTINEL)])
    (name,) = cleaned(as_file(report)).ConceptNameCodeSequence
    assert (name.CodeValue, name.CodeMeaning) == ("R1", "DUMMY")


def test_measurement_keeps_its_numbers_and_public_units() -> None:
    value = a_measurement("12.5")
    value.FloatingPointValue = 12.5
    item = an_item("NUM", LOCAL, MeasuredValueSequence=[value])
    item.NumericValueQualifierCodeSequence = [a_code("114000", "DCM", "Not a number")]
    kept = written_item(item)
    assert kept.MeasuredValueSequence[0] == value
    assert kept.NumericValueQualifierCodeSequence[0].CodeValue == "114000"


def test_number_that_is_none_is_emptied() -> None:
    file = as_file(a_report(an_item("NUM", UNLISTED, MeasuredValueSequence=[a_measurement("12345678901")])))
    (value,) = cleaned(file.replace(b"12345678901", SENTINEL.encode())).ContentSequence[0].MeasuredValueSequence
    assert value["NumericValue"].is_empty


def test_identifier_written_as_a_number_goes() -> None:
    report = a_report(an_item("NUM", ("121030", "DCM", "Subject ID")), an_item("NUM", ("121022", "DCM", "Accession")))
    (subject_id,) = cleaned(as_file(report)).ContentSequence
    assert subject_id.MeasuredValueSequence[0].NumericValue == 0


@pytest.mark.parametrize(
    ("concept", "value", "unit", "written"),
    [
        (("30525-0", "LN", "Age"), "89", "a", 89),
        (("30525-0", "LN", "Age"), "90", "a", 90),
        (("30525-0", "LN", "Age"), "97", "a", 90),
        (("30525-0", "LN", "Age"), "1200", "mo", 1080),
        (("30525-0", "LN", "Age"), "400", "d", 400),
        (("30525-0", "LN", "Age"), "104", "unit of nobody", 90),
        (LOCAL, "104", "a", 90),
        (UNLISTED, "104", "mm", 104),
    ],
)
def test_age_over_89_becomes_90(concept: tuple[str, ...], value: str, unit: str, written: int) -> None:
    measured = a_measurement(value, unit)
    measured.FloatingPointValue = float(value)
    (kept,) = written_item(an_item("NUM", concept, MeasuredValueSequence=[measured])).MeasuredValueSequence
    assert (kept.NumericValue, kept.FloatingPointValue) == (written, float(written))


def test_subjects_age_stays_with_its_option_and_is_capped() -> None:
    item = an_item("NUM", ("121033", "DCM", "Subject Age"), MeasuredValueSequence=[a_measurement("95", "a")])
    kept = written_item(item, Option.RETAIN_PATIENT_CHARACTERISTICS)
    assert kept.MeasuredValueSequence[0].NumericValue == 90


@pytest.mark.parametrize("encoding", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_age_is_capped_in_every_encoding(encoding: str) -> None:
    measured = a_measurement("97", "a")
    measured.FloatingPointValue = 97.0
    report = a_report(an_item("NUM", LOCAL, MeasuredValueSequence=[measured]))
    kept = cleaned(as_file(report, encoding)).ContentSequence[0].MeasuredValueSequence[0]
    assert (kept.NumericValue, kept.FloatingPointValue) == (90, 90.0)


@pytest.mark.parametrize("value_type", ["TABLE", "NOVEL", ""])
def test_item_of_an_unknown_value_type_goes_with_what_is_below(value_type: str) -> None:
    item = an_item("TEXT", UNLISTED, an_item("NUM"))
    item.ValueType = value_type
    assert [kept.ValueType for kept in cleaned(as_file(a_report(item, an_item("NUM")))).ContentSequence] == ["NUM"]


def test_item_of_an_unknown_relationship_goes() -> None:
    report = a_report(an_item("NUM", relationship="SENTINEL"), an_item("CONTAINER"))
    assert [kept.ValueType for kept in cleaned(as_file(report)).ContentSequence] == ["CONTAINER"]


def test_attribute_that_does_not_belong_to_an_items_type_goes() -> None:
    item = an_item("NUM")
    item.TextValue, item.PersonName, item.ContentLabel = SENTINEL, SENTINEL, "SENTINEL"
    item.AlgorithmFamilyCodeSequence = [a_code()]
    assert {element.keyword for element in written_item(item)} == {
        "RelationshipType",
        "ValueType",
        "ConceptNameCodeSequence",
        "MeasuredValueSequence",
    }


def test_item_keeps_the_template_of_the_standard_and_no_other() -> None:
    ours, theirs = an_item("CONTAINER"), an_item("CONTAINER")
    for item, resource in ((ours, "DCMR"), (theirs, "99LOCAL")):
        template = Dataset()
        template.MappingResource, template.TemplateIdentifier = resource, "1411"
        item.ContentTemplateSequence = [template]
    first, second = cleaned(as_file(a_report(ours, theirs))).ContentSequence
    assert first.ContentTemplateSequence[0].TemplateIdentifier == "1411"
    assert "ContentTemplateSequence" not in second


def test_item_keeps_its_character_set() -> None:
    item = an_item(
        "CODE", UNLISTED, ConceptCodeSequence=[a_code("1", "SCT", "Käse")], SpecificCharacterSet="ISO_IR 192"
    )
    assert written_item(item).ConceptCodeSequence[0].CodeMeaning == "Käse"


def test_observation_of_an_item_follows_its_own_rules() -> None:
    item = an_item("CONTAINER")
    item.ObservationDateTime, item.ObservationUID = "20370911", ORIGINAL_UID
    kept = written_item(item)
    assert kept.ObservationDateTime == "19000101000000"
    assert kept.ObservationUID.startswith("2.25.")


def test_removed_item_takes_what_is_below_along() -> None:
    report = a_report(an_item("TEXT", REMOVED, an_item("NUM"), an_item("IMAGE", None)), an_item("CONTAINER"))
    assert [kept.ValueType for kept in cleaned(as_file(report)).ContentSequence] == ["CONTAINER"]


def test_report_of_which_nothing_stays_has_no_content() -> None:
    assert "ContentSequence" not in cleaned(as_file(a_report(an_item("TEXT", REMOVED))))


def test_content_encoded_as_text_goes() -> None:
    file = with_raw(as_file(a_report()), explicit(0x0040A730, "LO", SENTINEL.encode()))
    assert SENTINEL.encode() not in cleaned_bytes(file)


def test_content_encoded_as_un_is_cleaned() -> None:
    inner = as_file(a_report(an_item("TEXT"), an_item("NUM")), ImplicitVRLittleEndian)
    start = inner.index(struct.pack("<HH", 0x0040, 0xA730))
    length = struct.unpack_from("<L", inner, start + 4)[0]
    file = with_raw(as_file(a_report()), explicit(0x0040A730, "UN", inner[start + 8 : start + 8 + length]))
    assert [item.ValueType for item in cleaned(file).ContentSequence] == ["TEXT", "NUM"]
    assert SENTINEL.encode() not in cleaned_bytes(file)


@pytest.mark.parametrize("encoding", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_item_that_moved_is_still_referred_to(encoding: str) -> None:
    report = a_report(
        an_item("TEXT", REMOVED),
        an_item("CONTAINER", None, an_item("PNAME", ("121088", "DCM", "Fellow")), an_item("IMAGE", None)),
        an_item("TEXT", UNLISTED, a_by_reference_item(1, 2, 2), a_by_reference_item(1, 2)),
    )
    _, text = cleaned(as_file(report, encoding)).ContentSequence
    assert [item.ReferencedContentItemIdentifier for item in text.ContentSequence] == [[1, 1, 1], [1, 1]]


@pytest.mark.parametrize("position", [(1, 1), (1, 1, 1), (1, 9), (2, 2), (1, 3, 2)])
def test_reference_to_an_item_that_is_gone_goes(position: tuple[int, ...]) -> None:
    report = a_report(
        an_item("TEXT", REMOVED, an_item("NUM")),
        an_item("CONTAINER", None),
        an_item("TEXT", UNLISTED, a_by_reference_item(*position)),
    )
    assert "ContentSequence" not in cleaned(as_file(report)).ContentSequence[1]


def test_reference_that_is_no_position_goes() -> None:
    odd, alien = a_by_reference_item(1, 1), a_by_reference_item(1, 1, relationship="SENTINEL")
    odd.add_new(0x0040DB73, "OB", b"12345678ab")
    report = a_report(an_item("NUM", UNLISTED, odd, alien, a_by_reference_item(1)))
    (kept,) = cleaned(as_file(report)).ContentSequence[0].ContentSequence
    assert kept.ReferencedContentItemIdentifier == 1


def test_coordinates_without_their_image_go_and_what_refers_to_them() -> None:
    image = an_item("IMAGE", ("121080", "DCM", "Best illustration"), relationship="SELECTED FROM")
    report = a_report(
        an_item("SCOORD", None, image),
        an_item("SCOORD", None, an_item("IMAGE", None, relationship="SELECTED FROM")),
        an_item("NUM", UNLISTED, a_by_reference_item(1, 1), a_by_reference_item(1, 2)),
        an_item("TCOORD", None, a_by_reference_item(1, 1, 1, relationship="SELECTED FROM")),
    )
    scoord, number = cleaned(as_file(report)).ContentSequence
    assert (scoord.ValueType, number.ValueType) == ("SCOORD", "NUM")
    (reference,) = number.ContentSequence
    assert reference.ReferencedContentItemIdentifier == [1, 1]


def test_dates_of_public_concepts_are_shifted_and_of_local_ones_are_not() -> None:
    profile = cleaning(Option.RETAIN_MODIFIED_DATES)
    assert content_rule(*UNLISTED[:2], "DATE", profile).action is Action.SHIFT
    assert content_rule(*LOCAL[:2], "DATE", profile).action is Action.DUMMY
    assert content_rule("21112-8", "LN", "DATE", profile).action is Action.DUMMY
    assert content_rule("121031", "DCM", "DATE", profile).action is Action.REMOVE


def test_text_is_cleaned_where_descriptors_are() -> None:
    rule = content_rule(*LOCAL[:2], "TEXT", cleaning(Option.CLEAN_DESCRIPTORS))
    assert (rule.action, rule.otherwise, rule.option) == (Action.CLEAN, Action.DUMMY, Option.CLEAN_DESCRIPTORS)


def test_override_holds_inside_of_content() -> None:
    override = Override((0x0040A730,), 0x0040A160, Action.REPLACE, argument="OURS")
    profile: Profile = profile_with(options=cleaning().options, overrides=(override,))
    file = as_file(a_report(an_item("TEXT")))
    assert deidentified(file, profile=profile, allowed_modalities=MODALITIES).ContentSequence[0].TextValue == "OURS"


def test_persons_and_texts_around_the_content_go() -> None:
    observer = Dataset()
    observer.VerifyingObserverName, observer.VerifyingOrganization = SENTINEL, SENTINEL
    observer.VerificationDateTime = "20370911235911"
    observer.VerifyingObserverIdentificationCodeSequence = [a_code(SENTINEL, "99LOCAL", SENTINEL)]
    participant = Dataset()
    participant.PersonName, participant.ParticipationDateTime = SENTINEL, "20370911235911"
    report = a_report(
        an_item("NUM"),
        VerifyingObserverSequence=[observer],
        AuthorObserverSequence=[participant],
        ParticipantSequence=[participant],
        CustodialOrganizationSequence=[participant],
        CompletionFlagDescription=SENTINEL,
        ContentDate="20370911",
    )
    written = cleaned_bytes(as_file(report))
    assert all(sentinel not in written for sentinel in (SENTINEL.encode(), b"20370911"))


def test_annotation_of_a_waveform_goes_by_its_value() -> None:
    text, code, number, bare = Dataset(), Dataset(), Dataset(), Dataset()
    for item in (text, code, number, bare):
        item.ReferencedWaveformChannels, item.AnnotationGroupNumber = [1, 0], 7
    text.UnformattedTextValue = SENTINEL
    bare.ConceptNameCodeSequence = [a_code("5.10.3-5", "SCPECG", "T Offset")]
    bare.TemporalRangeType, bare.ReferencedSamplePositions = "POINT", 3816
    code.ConceptCodeSequence = [a_code(SENTINEL, "99LOCAL", SENTINEL)]
    number.NumericValue, number.MeasurementUnitsCodeSequence = "12.5", [a_code("mm", "UCUM", "mm")]
    file = as_file(an_image(WaveformAnnotationSequence=[text, code, number, bare]))
    first, second, third, fourth = cleaned(file).WaveformAnnotationSequence
    assert (first.UnformattedTextValue, first.AnnotationGroupNumber) == ("DUMMY", 7)
    assert second.ConceptCodeSequence[0].CodeValue == "DUMMY"
    assert (third, fourth) == (number, bare)
    assert SENTINEL.encode() not in cleaned_bytes(file)


def test_acquisition_context_may_become_empty() -> None:
    context = an_item("TEXT", REMOVED, relationship="")
    ds = cleaned(as_file(an_image(AcquisitionContextSequence=[context])))
    assert list(ds.AcquisitionContextSequence) == []


def test_steps_of_a_preparation_are_cleaned_and_empty_ones_go() -> None:
    parent = an_item("TEXT", ("111705", "DCM", "Parent Specimen Identifier"), relationship="")
    processing = an_item("CODE", ("111701", "DCM", "Type"), relationship="", ConceptCodeSequence=[a_code("1", "SCT")])
    steps, removed, specimen = Dataset(), Dataset(), Dataset()
    steps.SpecimenPreparationStepContentItemSequence = [parent, processing]
    removed.SpecimenPreparationStepContentItemSequence = [an_item("TEXT", ("121041", "DCM", "Specimen Identifier"))]
    specimen.SpecimenPreparationSequence = [steps, removed]
    file = as_file(an_image(SpecimenDescriptionSequence=[specimen]))
    (kept,) = cleaned(file).SpecimenDescriptionSequence[0].SpecimenPreparationSequence
    first, second = kept.SpecimenPreparationStepContentItemSequence
    assert (first.TextValue, second) == ("DUMMY", processing)


def test_content_below_a_dummied_sequence_is_dummied() -> None:
    observer = Dataset()
    observer.ContentSequence = [an_item("NUM"), an_item("IMAGE", None, ReferencedSOPSequence=[a_reference()])]
    observer.ConceptNameCodeSequence = [a_code()]
    (kept,) = cleaned(as_file(a_report(VerifyingObserverSequence=[observer]))).VerifyingObserverSequence
    assert kept.ContentSequence[0].MeasuredValueSequence[0].NumericValue == 0
    assert kept.ConceptNameCodeSequence[0].CodeMeaning == "DUMMY"


def test_basic_profile_does_what_it_did() -> None:
    ds = deidentified(as_file(a_report(an_item("TEXT", REMOVED))), allowed_modalities=MODALITIES)
    (item,) = ds.ContentSequence
    assert item.ConceptNameCodeSequence[0].CodeMeaning == "DUMMY"
    assert "TextValue" not in item or item.TextValue == "DUMMY"


def test_method_says_that_content_was_cleaned() -> None:
    codes = [item.CodeValue for item in cleaned(as_file(a_report())).DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113103", "113104"]


def test_explanation_names_the_rules_of_items() -> None:
    file = as_file(a_report(an_item("TEXT", REMOVED), an_item("CONTAINER", None, an_item("PNAME", UNLISTED))))
    told = explain_instance(io.BytesIO(file), cleaning(), SUBJECT, UidReplacer(SECRET))
    lines = {(line.depth, line.keyword): (line.rule, line.effect) for line in told}
    assert lines[1, "TextValue"] == ("E.3.4-1 X", "removed")
    assert lines[2, "PersonName"] == ("unlisted PNAME item", "replaced")
    assert lines[0, "ContentSequence"] == ("C", "kept, cleaned inside")
