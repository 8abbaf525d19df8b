"""Makes a structured report that names people and images."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import BasicTextSRStorage, CTImageStorage

from dicom_assets.demo.identified import reference
from dicom_assets.demo.people import INSTITUTION
from dicom_assets.demo.plan import DemoSeries, DemoStudy, Kind

Code = tuple[str, str, str]

RADIOLOGY_REPORT: Code = ("18782-3", "LN", "Radiology Study Observation")
OBSERVER: Code = ("121008", "DCM", "Person Observer Name")
INSTITUTION_OF_OBSERVER: Code = ("121009", "DCM", "Person Observer's Organization Name")
FINDINGS: Code = ("121070", "DCM", "Findings")
FINDING: Code = ("121071", "DCM", "Finding")
IMAGE: Code = ("121080", "DCM", "Best illustration of finding")
MOST_REFERENCES = 3


def report(study: DemoStudy, _series: DemoSeries, _index: int) -> Dataset:
    """A Basic Text SR on the study's CT images, without the study's identity."""
    images = [uid for series in study.series if series.kind is Kind.CT for uid in series.sop_uids[:MOST_REFERENCES]]
    ds = Dataset()
    ds.SOPClassUID = BasicTextSRStorage
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "VERIFIED"
    ds.VerifyingObserverSequence = Sequence([_observer(study)])
    ds.ReferencedPerformedProcedureStepSequence = Sequence([])
    ds.PerformedProcedureCodeSequence = Sequence([])
    ds.CurrentRequestedProcedureEvidenceSequence = Sequence([_evidence(study, images)])
    root = _item("CONTAINER", RADIOLOGY_REPORT, ContinuityOfContent="SEPARATE")
    ds.update(root)
    name = study.patient.spoken_name
    text = f"{name} has a small lesion. Told her father by telephone, {study.patient.telephone}."
    findings = [_item("TEXT", FINDING, "CONTAINS", TextValue=text)]
    for uid in images:
        picture = Sequence([reference(CTImageStorage, uid)])
        findings.append(_item("IMAGE", IMAGE, "CONTAINS", ReferencedSOPSequence=picture))
    ds.ContentSequence = Sequence(
        [
            _item("PNAME", OBSERVER, "HAS OBS CONTEXT", PersonName=study.performing_physician),
            _item("TEXT", INSTITUTION_OF_OBSERVER, "HAS OBS CONTEXT", TextValue=INSTITUTION),
            _item(
                "CONTAINER", FINDINGS, "CONTAINS", ContinuityOfContent="SEPARATE", ContentSequence=Sequence(findings)
            ),
        ]
    )
    return ds


def _item(value_type: str, concept: Code, relationship: str = "", **values: Any) -> Dataset:
    item = Dataset()
    if relationship:
        item.RelationshipType = relationship
    item.ValueType = value_type
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = concept
    item.ConceptNameCodeSequence = Sequence([code])
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _observer(study: DemoStudy) -> Dataset:
    item = Dataset()
    item.VerifyingObserverName = study.performing_physician
    item.VerifyingOrganization = INSTITUTION
    item.VerificationDateTime = study.started_at.strftime("%Y%m%d%H%M%S")
    item.VerifyingObserverIdentificationCodeSequence = Sequence([])
    return item


def _evidence(study: DemoStudy, images: list[str]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = study.series[0].uid
    series.ReferencedSOPSequence = Sequence([reference(CTImageStorage, uid) for uid in images])
    item = Dataset()
    item.StudyInstanceUID = study.study_uid
    item.ReferencedSeriesSequence = Sequence([series])
    return item
