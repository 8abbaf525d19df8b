"""Invented objects that are no images: reports, presentation states, documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydicom.uid as uid
from pydicom.dataset import Dataset

from dicom_assets_tests.deidentification.iod_modules import (
    SERIES,
    STUDY,
    a_reference,
    an_object,
    code,
    item,
)

NOT_AN_IMAGE = ("PatientPosition", "FrameOfReferenceUID", "PositionReferenceIndicator")


def content(relationship: str, value_type: str, name: str, **value: Any) -> Dataset:
    """A content item (C.17.3)."""
    return item(
        RelationshipType=relationship,
        ValueType=value_type,
        ConceptNameCodeSequence=[code(name, "99LOCAL", name.title())],
        **value,
    )


def report() -> Dataset:
    """Comprehensive SR (A.35.3), of every value type that it may hold."""
    line = content("CONTAINS", "SCOORD", "LINE", GraphicData=[1.0, 2.0, 3.0, 4.0], GraphicType="POLYLINE")
    circle = content("INFERRED FROM", "SCOORD", "CIRCLE", GraphicData=[1.0, 2.0, 3.0, 4.0], GraphicType="CIRCLE")
    picture = item(RelationshipType="SELECTED FROM", ValueType="IMAGE", ReferencedSOPSequence=[a_reference()])
    line.ContentSequence = circle.ContentSequence = [picture]
    span = content("CONTAINS", "TCOORD", "SPAN", TemporalRangeType="SEGMENT", ReferencedTimeOffsets=["1", "2"])
    span.ContentSequence = [picture]
    units = [code("mm", "UCUM", "millimeter")]
    number = content(
        "CONTAINS", "NUM", "SIZE", MeasuredValueSequence=[item(NumericValue="7.5", MeasurementUnitsCodeSequence=units)]
    )
    number.ContentSequence = [circle]
    inner = content("CONTAINS", "CONTAINER", "FINDINGS", ContinuityOfContent="SEPARATE")
    inner.ContentSequence = [content("CONTAINS", "TEXT", "FINDING", TextValue="Z has a fracture"), number, line, span]
    own = {
        "CompletionFlag": "COMPLETE",
        "VerificationFlag": "VERIFIED",
        "VerifyingObserverSequence": [
            item(
                VerifyingObserverName="Verifier^Vera",
                VerifyingObserverIdentificationCodeSequence=[],
                VerifyingOrganization="Hospital",
                VerificationDateTime="20190203150000",
            )
        ],
        "ContentDate": "20190203",
        "ContentTime": "1400",
        "PerformedProcedureCodeSequence": [],
        "ReferencedRequestSequence": [
            item(
                StudyInstanceUID=STUDY,
                ReferencedStudySequence=[],
                AccessionNumber="A-31337",
                PlacerOrderNumberImagingServiceRequest="",
                FillerOrderNumberImagingServiceRequest="",
                RequestedProcedureID="RP1",
                RequestedProcedureDescription="Head",
                RequestedProcedureCodeSequence=[],
            )
        ],
        "CurrentRequestedProcedureEvidenceSequence": [
            item(
                StudyInstanceUID=STUDY,
                ReferencedSeriesSequence=[item(SeriesInstanceUID=SERIES, ReferencedSOPSequence=[a_reference()])],
            )
        ],
        "ValueType": "CONTAINER",
        "ConceptNameCodeSequence": [code("REPORT", "99LOCAL", "Report")],
        "ContinuityOfContent": "SEPARATE",
        "ContentSequence": [
            content("HAS OBS CONTEXT", "PNAME", "OBSERVER", PersonName="Observer^Olga"),
            content("HAS OBS CONTEXT", "UIDREF", "DEVICE", UID="1.2.826.0.1.3680043.10.999.66"),
            content("CONTAINS", "DATE", "DAY", Date="20190203"),
            content("CONTAINS", "TIME", "HOUR", Time="1500"),
            content("CONTAINS", "DATETIME", "MOMENT", DateTime="20190203150000"),
            content("CONTAINS", "CODE", "KIND", ConceptCodeSequence=[code("K", "99LOCAL", "Kind")]),
            inner,
        ],
    }
    return an_object(uid.ComprehensiveSRStorage, "SR", own, without=(*NOT_AN_IMAGE, "RequestAttributesSequence"))


def presentation_state() -> Dataset:
    """Grayscale Softcopy Presentation State (A.33.1)."""
    note = item(
        GraphicLayer="LAYER",
        ReferencedImageSequence=[a_reference()],
        TextObjectSequence=[
            item(
                UnformattedTextValue="Here, Z",
                AnchorPointAnnotationUnits="PIXEL",
                AnchorPoint=[1.0, 1.0],
                AnchorPointVisibility="Y",
            )
        ],
    )
    area = item(
        ReferencedImageSequence=[a_reference()],
        DisplayedAreaTopLeftHandCorner=[1, 1],
        DisplayedAreaBottomRightHandCorner=[4, 4],
        PresentationSizeMode="SCALE TO FIT",
        PresentationPixelAspectRatio=["1", "1"],
    )
    own = {
        "ContentLabel": "STATE",
        "ContentDescription": "As seen",
        "ContentCreatorName": "Creator^Cora",
        "PresentationCreationDate": "20190203",
        "PresentationCreationTime": "1600",
        "ReferencedSeriesSequence": [item(SeriesInstanceUID=SERIES, ReferencedImageSequence=[a_reference()])],
        "DisplayedAreaSelectionSequence": [area],
        "GraphicAnnotationSequence": [note],
        "GraphicLayerSequence": [item(GraphicLayer="LAYER", GraphicLayerOrder=1, GraphicLayerDescription="Of Z")],
        "PresentationLUTShape": "IDENTITY",
    }
    return an_object(uid.GrayscaleSoftcopyPresentationStateStorage, "PR", own, without=NOT_AN_IMAGE)


def encapsulated_pdf() -> Dataset:
    """Encapsulated PDF (A.45.1)."""
    own = {
        "ConversionType": "WSD",
        "ContentDate": "20190203",
        "ContentTime": "1400",
        "AcquisitionDateTime": "20190203101414",
        "BurnedInAnnotation": "NO",
        "DocumentTitle": "Letter about Z",
        "ConceptNameCodeSequence": [code("LETTER", "99LOCAL", "Letter")],
        "SourceInstanceSequence": [a_reference()],
        "MIMETypeOfEncapsulatedDocument": "application/pdf",
        "EncapsulatedDocument": b"%PDF-1.4 invented",
    }
    return an_object(uid.EncapsulatedPDFStorage, "DOC", own, without=NOT_AN_IMAGE)


DOCUMENTS: dict[str, Callable[[], Dataset]] = {
    "SR": report,
    "GSPS": presentation_state,
    "PDF": encapsulated_pdf,
}
