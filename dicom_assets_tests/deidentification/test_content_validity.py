"""What is written is as valid as what came, whatever tree comes, and holds nothing of a person."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedSRStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
)

from dicom_assets.deidentification.content_table import content_table
from dicom_assets.deidentification.outcome import Deidentified
from dicom_assets_tests.corpus import corpus_files
from dicom_assets_tests.deidentification.builders import as_file, deidentify
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
    needs_dciodvfy,
    validity_errors,
)

PATIENT_AND_STUDY: dict[str, Any] = {
    "PatientBirthDate": "",
    "PatientSex": "F",
    "StudyDate": "20240102",
    "StudyTime": "101112",
    "StudyID": "S1",
    "AccessionNumber": "ACC4711",
    "ReferringPhysicianName": "Doctor^Referring",
    "SeriesNumber": "1",
    "InstanceNumber": "1",
    "Manufacturer": "Maker",
    "ContentDate": "20240102",
    "ContentTime": "101112",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.1",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.1.1",
    "SOPInstanceUID": "1.2.826.0.1.3680043.8.498.1.1.1",
    "PatientID": "MRN4711",
}
IMAGE_UID = "1.2.826.0.1.3680043.8.498.1.2.1"
EVIDENCE_STUDY = "1.2.826.0.1.3680043.8.498.1"


def evidence() -> Dataset:
    study, series = Dataset(), Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = "1.2.826.0.1.3680043.8.498.1.2", [a_reference(IMAGE_UID)]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = EVIDENCE_STUDY, [series]
    return study


def image(name: tuple[str, ...] | None = None, relationship: str = "CONTAINS") -> Dataset:
    return an_item("IMAGE", name, relationship=relationship, ReferencedSOPSequence=[a_reference(IMAGE_UID)])


def context(value_type: str, code: str, meaning: str, **attributes: Any) -> Dataset:
    return an_item(value_type, (code, "DCM", meaning), relationship="HAS OBS CONTEXT", **attributes)


def observers() -> list[Dataset]:
    return [
        context("CODE", "121005", "Observer Type", ConceptCodeSequence=[a_code("121006", "DCM", "Person")]),
        context("PNAME", "121008", "Person Observer Name", PersonName="Observer^Olga"),
        context("TEXT", "121009", "Person Observer's Organization Name", TextValue=SENTINEL),
        context("PNAME", "121029", "Subject Name", PersonName="Zweistein^Albertine"),
        context("TEXT", "121030", "Subject ID", TextValue="MRN4711"),
        context("DATE", "121031", "Subject Birth Date", Date="19370911"),
        context("UIDREF", "121028", "Subject UID", UID="1.2.826.0.1.3680043.8.498.77"),
    ]


def document(sop_class: str, modality: str, title: tuple[str, str, str], *items: Dataset, **more: Any) -> Dataset:
    general = {
        "ReferencedPerformedProcedureStepSequence": [],
        "PerformedProcedureCodeSequence": [],
        "CompletionFlag": "PARTIAL",
        "VerificationFlag": "UNVERIFIED",
        "CurrentRequestedProcedureEvidenceSequence": [evidence()],
    }
    return a_report(
        *items,
        **{
            **PATIENT_AND_STUDY,
            **general,
            "SOPClassUID": sop_class,
            "Modality": modality,
            "ConceptNameCodeSequence": [a_code(*title)],
            **more,
        },
    )


def comprehensive() -> Dataset:
    region = an_item(
        "SCOORD", ("111030", "DCM", "Image Region"), image(relationship="SELECTED FROM"), relationship="CONTAINS"
    )
    by_reference = an_item(
        "NUM",
        ("410668003", "SCT", "Length"),
        a_by_reference_item(1, 9),
        a_by_reference_item(1, 8, 1),
        MeasuredValueSequence=[a_measurement("12.5")],
    )
    finding = an_item("TEXT", ("121071", "DCM", "Finding"), image(relationship="INFERRED FROM"))
    group = an_item("CONTAINER", ("126010", "DCM", "Imaging Measurements"), finding, by_reference)
    return document(
        ComprehensiveSRStorage,
        "SR",
        ("126000", "DCM", "Imaging Measurement Report"),
        *observers(),
        an_item("CONTAINER", ("121111", "DCM", "Summary"), image(("121080", "DCM", "Best illustration of finding"))),
        region,
        an_item("TEXT", ("121106", "DCM", "Comment"), image(relationship="INFERRED FROM")),
        group,
    )


def enhanced() -> Dataset:
    local = an_item("CONTAINER", LOCAL, an_item("TEXT", LOCAL), an_item("CODE", LOCAL), an_item("DATETIME", LOCAL))
    return document(EnhancedSRStorage, "SR", ("R1", "99LOCAL", SENTINEL), *observers(), local)


def key_objects() -> Dataset:
    kos = document(
        KeyObjectSelectionDocumentStorage,
        "KO",
        ("113000", "DCM", "Of Interest"),
        *observers()[:3],
        an_item("TEXT", ("113012", "DCM", "Key Object Description")),
        image(),
    )
    del kos.CompletionFlag, kos.VerificationFlag, kos.PerformedProcedureCodeSequence
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    kos.ContentTemplateSequence = [template]
    return kos


REPORTS = {"comprehensive": comprehensive(), "enhanced": enhanced(), "key objects": key_objects()}


@needs_dciodvfy
@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("encoding", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_valid_report_stays_valid(name: str, encoding: str) -> None:
    file = as_file(REPORTS[name], encoding)
    assert not validity_errors(file)
    assert not validity_errors(cleaned_bytes(file))


@pytest.mark.parametrize("name", REPORTS)
def test_no_person_and_no_text_is_left_of_a_report(name: str) -> None:
    written = cleaned_bytes(as_file(REPORTS[name]))
    for text in ("Observer", "Olga", "Zweistein", "4711", "19370911", SENTINEL, EVIDENCE_STUDY):
        meanings = written.replace(b"Observer Type", b"").replace(b"Person Observer", b"")
        assert text.encode() not in meanings


def test_reference_and_evidence_name_the_same_image() -> None:
    ds = cleaned(as_file(REPORTS["comprehensive"]))
    (series,) = ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    number = ds.ContentSequence[-1].ContentSequence[-1]
    (region,) = number.ContentSequence
    position = region.ReferencedContentItemIdentifier
    target: Dataset = ds
    for place in position[1:]:
        target = target.ContentSequence[place - 1]
    assert target.ValueType == "SCOORD"
    referenced = target.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert referenced == series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID


@pytest.mark.parametrize("name", REPORTS)
def test_doing_it_again_changes_nothing_but_uids(name: str) -> None:
    once = cleaned_bytes(as_file(REPORTS[name]))
    first, second = cleaned(as_file(REPORTS[name])), cleaned(once)
    for ds in (first, second):
        ds.walk(lambda parent, element: parent.__delitem__(element.tag) if element.VR == "UI" else None)
    assert first.to_json_dict() == second.to_json_dict()


CORPUS = [file for file in corpus_files() if file.modality in {"SR", "ECG", "ANN"}]


@needs_dciodvfy
@pytest.mark.skipif(not CORPUS, reason="the corpus is absent")
def test_real_reports_get_no_new_error_in_their_content() -> None:
    judged = 0
    for file in CORPUS:
        content = file.path.read_bytes()
        outcome, written = deidentify(content, profile=cleaning(), allowed_modalities=MODALITIES)
        if not isinstance(outcome, Deidentified) or outcome.transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
            continue  # dciodvfy does not inflate
        places = ("ContentSequence", "AcquisitionContextSequence", "WaveformAnnotationSequence")
        new = validity_errors(written) - validity_errors(content)
        assert not [error for error in new if any(place in error for place in places)]
        assert pydicom.dcmread(io.BytesIO(written)).SOPClassUID == outcome.sop_class_uid
        judged += 1
    assert judged > len(CORPUS) // 2


CONCEPTS = st.sampled_from(
    [
        *((row.code, row.scheme, SENTINEL) for row in content_table().rows[::5]),
        (SENTINEL + " X", "99LOCAL", SENTINEL),
        ("123", "99LOCAL", SENTINEL),
        ("1", SENTINEL, SENTINEL),
        None,
    ]
)
TYPES = st.sampled_from(
    ["TEXT", "PNAME", "DATE", "TIME", "DATETIME", "UIDREF", "CODE", "IMAGE", "COMPOSITE", "WAVEFORM", "CONTAINER"]
)
RELATIONSHIPS = st.sampled_from(["CONTAINS", "HAS OBS CONTEXT", "SELECTED FROM", "INFERRED FROM", SENTINEL, ""])


@st.composite
def items(draw: st.DrawFn, depth: int = 3) -> Dataset:
    if draw(st.integers(0, 5)) == 0:
        return a_by_reference_item(1, *draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    concept = draw(CONCEPTS)
    if concept is not None and concept[1] in {"DCM", "SCT", "LN", "NCIt", "UMLS", "NCDR"}:
        concept = (*concept[:2], "Meaning")
    item = an_item(draw(TYPES), concept, relationship=draw(RELATIONSHIPS))
    if draw(st.booleans()):
        item.TextValue, item.PersonName = SENTINEL, SENTINEL
    if draw(st.booleans()):
        item.private_block(0x0041, SENTINEL, create=True).add_new(1, "LO", SENTINEL)
    if depth and draw(st.booleans()):
        item.ContentSequence = draw(st.lists(items(depth - 1), max_size=3))
    return item


@given(
    st.lists(items(), max_size=4),
    st.sampled_from(["ContentSequence", "AcquisitionContextSequence", "WaveformAnnotationSequence"]),
    st.sampled_from([ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]),
)
@settings(max_examples=150, deadline=None)
def test_no_sentinel_is_left_of_any_tree_and_no_reference_dangles(
    content: list[Dataset], keyword: str, encoding: str
) -> None:
    report = a_report(an_item("CONTAINER"), **{keyword: content})
    file = as_file(report, encoding)
    written = cleaned_bytes(file)
    for sentinel in (SENTINEL, ORIGINAL_UID, "20370911", "235911"):
        assert sentinel.encode() not in written
    ds = pydicom.dcmread(io.BytesIO(written))
    positions = {(1,), *positions_in(ds.get(keyword, []), (1,))}
    for element in ds.iterall():
        if element.keyword == "ReferencedContentItemIdentifier":
            assert tuple(element.value) in positions


def positions_in(content: Any, above: tuple[int, ...]) -> list[tuple[int, ...]]:
    found = []
    for number, item in enumerate(content, start=1):
        found += [(*above, number), *positions_in(item.get("ContentSequence", []), (*above, number))]
    return found
