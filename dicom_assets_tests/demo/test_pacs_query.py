"""C-FIND against the embedded PACS at all levels, with every kind of matching."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context

from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets_tests.demo.test_embedded_pacs import (
    PATIENT_ROOT_FIND,
    STUDY_ROOT_FIND,
    Loaded,
    a_query,
    association,
    found,
)


def studies_found(pacs: EmbeddedPacs, **keys: str) -> set[str]:
    return {answer.StudyInstanceUID for answer in found(pacs, a_query("STUDY", **keys))}


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian], ids=["implicit", "explicit"])
def test_a_study_is_found_with_what_was_asked_of_it(pacs: EmbeddedPacs, neck: Loaded, syntax: str) -> None:
    query = a_query(
        "STUDY",
        StudyInstanceUID=neck[0].study_uid,
        PatientName="",
        AccessionNumber="",
        ModalitiesInStudy="",
        SOPClassesInStudy="",
        NumberOfStudyRelatedSeries="",
        NumberOfStudyRelatedInstances="",
    )
    with association(pacs, build_context(STUDY_ROOT_FIND, syntax)) as assoc:
        (_, answer), (status, _nothing) = assoc.send_c_find(query, UID(STUDY_ROOT_FIND))

    assert status.Status == 0x0000
    assert answer is not None
    assert answer.PatientName == neck[0].patient.dicom_name
    assert answer.AccessionNumber == neck[0].accession_number
    assert list(answer.ModalitiesInStudy) == ["MR", "US"]
    assert len(answer.SOPClassesInStudy) == 2
    assert answer.NumberOfStudyRelatedSeries == 2
    assert answer.NumberOfStudyRelatedInstances == 27
    assert answer.RetrieveAETitle == "ARCHIVE"


def test_only_what_was_asked_for_is_answered(pacs: EmbeddedPacs, neck: Loaded) -> None:
    (answer,) = found(pacs, a_query("STUDY", StudyInstanceUID=neck[0].study_uid))
    assert {element.keyword for element in answer} == {"QueryRetrieveLevel", "RetrieveAETitle", "StudyInstanceUID"}


def test_patients_are_found_with_their_counts(pacs: EmbeddedPacs, neck: Loaded) -> None:
    query = a_query("PATIENT", PatientID="", NumberOfPatientRelatedStudies="", NumberOfPatientRelatedInstances="")
    answers = found(pacs, query, PATIENT_ROOT_FIND)

    counts = {answer.PatientID: answer.NumberOfPatientRelatedInstances for answer in answers}
    assert len(counts) == 2
    assert counts[neck[0].patient.mrn] == 27
    assert {answer.NumberOfPatientRelatedStudies for answer in answers} == {1}


def test_series_of_a_study_are_found_with_their_counts(pacs: EmbeddedPacs, neck: Loaded) -> None:
    query = a_query("SERIES", StudyInstanceUID=neck[0].study_uid, SeriesInstanceUID="", Modality="")
    query.NumberOfSeriesRelatedInstances = None
    answers = found(pacs, query)
    assert {(a.Modality, int(a.NumberOfSeriesRelatedInstances)) for a in answers} == {("MR", 24), ("US", 3)}


def test_instances_are_found_with_their_sop_class(pacs: EmbeddedPacs, neck: Loaded) -> None:
    answers = found(pacs, a_query("IMAGE", StudyInstanceUID=neck[0].study_uid, SOPInstanceUID="", SeriesInstanceUID=""))

    assert {answer.SOPInstanceUID for answer in answers} == {file.sop_instance_uid for file in neck[1]}
    assert {answer.SOPClassUID.name for answer in answers} == {"MR Image Storage", "Ultrasound Image Storage"}


def test_numbers_of_an_image_can_be_asked_for(pacs: EmbeddedPacs, neck: Loaded) -> None:
    query = a_query("IMAGE", SOPInstanceUID=neck[1][0].sop_instance_uid, InstanceNumber="")
    query.Rows = None
    (answer,) = found(pacs, query)
    assert (answer.Rows, answer.InstanceNumber) == (192, 1)


def test_a_list_of_uids_finds_each_of_them(pacs: EmbeddedPacs, neck: Loaded) -> None:
    wanted = [file.sop_instance_uid for file in neck[1][:5]]
    query = a_query("IMAGE")
    query.SOPInstanceUID = wanted
    assert {answer.SOPInstanceUID for answer in found(pacs, query)} == set(wanted)


@pytest.mark.parametrize("name", ["Måk*", "måkestad^*", "*^Ann?lore", "?åkestad^Annelore", "M*d^*"])
def test_a_name_is_matched_with_wildcards_in_any_case(pacs: EmbeddedPacs, neck: Loaded, name: str) -> None:
    given = neck[0].patient.given_name
    query = a_query(
        "STUDY", PatientName=name.replace("Ann?lore", f"{given[:3]}?{given[4:]}").replace("Annelore", given)
    )
    query.SpecificCharacterSet = "ISO_IR 192"
    query.StudyInstanceUID = ""
    assert [answer.StudyInstanceUID for answer in found(pacs, query)] == [neck[0].study_uid]


def test_a_name_that_is_not_ascii_comes_back_whole(pacs: EmbeddedPacs, neck: Loaded) -> None:
    (answer,) = found(pacs, a_query("STUDY", StudyInstanceUID=neck[0].study_uid, PatientName=""))
    assert str(answer.PatientName).startswith("Måkestad^")


def test_characters_of_patterns_of_other_languages_are_taken_literally(pacs: EmbeddedPacs) -> None:
    assert studies_found(pacs, PatientID="WX[0-9]*") == set()
    assert studies_found(pacs, PatientID="WX.......") == set()


@pytest.mark.parametrize(
    ("days", "finds"),
    [
        ("{day}", True),
        ("{day}-", True),
        ("-{day}", True),
        ("{day}-{day}", True),
        ("20000101-20991231", True),
        ("20990101-", False),
        ("-19991231", False),
        ("19990101", False),
    ],
)
def test_dates_match_singly_and_in_ranges(pacs: EmbeddedPacs, neck: Loaded, days: str, finds: bool) -> None:
    text = days.format(day=neck[0].day.strftime("%Y%m%d"))
    assert (neck[0].study_uid in studies_found(pacs, StudyDate=text, StudyInstanceUID="")) is finds


def test_a_universal_wildcard_finds_even_what_has_no_value(pacs: EmbeddedPacs) -> None:
    assert len(studies_found(pacs, MedicalAlerts="*")) == 2
    assert studies_found(pacs, MedicalAlerts="A*") == set()


def test_modalities_in_study_match_any_of_the_study(pacs: EmbeddedPacs, neck: Loaded) -> None:
    assert studies_found(pacs, ModalitiesInStudy="US") == {neck[0].study_uid}
    assert len(studies_found(pacs, ModalitiesInStudy="MR")) == 2
    assert studies_found(pacs, ModalitiesInStudy="PT") == set()


def test_a_sequence_key_is_answered_empty(pacs: EmbeddedPacs, neck: Loaded) -> None:
    query = a_query("STUDY", StudyInstanceUID=neck[0].study_uid)
    query.ReferencedStudySequence = [Dataset()]
    (answer,) = found(pacs, query)
    assert len(answer.ReferencedStudySequence) == 0


@pytest.mark.parametrize(("level", "model"), [("PATIENT", STUDY_ROOT_FIND), ("SLICE", PATIENT_ROOT_FIND)])
def test_a_level_that_the_model_does_not_have_is_refused(pacs: EmbeddedPacs, level: str, model: str) -> None:
    with association(pacs, build_context(model)) as assoc:
        ((status, _),) = assoc.send_c_find(a_query(level, PatientID=""), UID(model))
    assert status.Status == 0xA900
