"""The studies of the demo: what each is there to show, and the files that make it up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from dicom_assets.demo.objects import instance_file
from dicom_assets.demo.people import patient
from dicom_assets.demo.plan import DemoReview, DemoStudy, Kind, Outcome, a_study, with_series, with_shipped

APPROVAL = DemoReview()
PUBLISHED, FAILED, LEFT_OUT = Outcome.PUBLISHED, Outcome.FAILED, Outcome.LEFT_OUT


@dataclass(frozen=True, slots=True)
class DemoFile:
    """One instance as a Part 10 file."""

    sop_instance_uid: str = field(repr=False)
    content: bytes = field(repr=False)


def instance_files(study: DemoStudy) -> Iterator[DemoFile]:
    """The study's instances, made one by one; the same at each call."""
    for series in study.series:
        for index, sop_uid in enumerate(series.sop_uids):
            yield DemoFile(sop_uid, instance_file(study, series, index))


@cache
def demo_studies() -> tuple[DemoStudy, ...]:
    """All studies of the demo, each with its purpose. The first two are of one patient."""
    return (*_published(), *_failing(), *_left_out())


def _published() -> Iterator[DemoStudy]:
    first = patient(0)
    study = a_study(1, "approved CT", PUBLISHED, "CT CHEST W/CONTRAST", first, reviews=(APPROVAL,))
    yield with_series(study, (Kind.CT, "Thorax 2.5mm", 40))
    praise = DemoReview(comment=f"Fine images of {first.spoken_name}, motion free")
    study = a_study(
        2, "approved MR, its second series made from its first", PUBLISHED, "MR BRAIN", first, reviews=(praise,)
    )
    yield with_series(study, (Kind.MR_T1, "AX T1", 24), (Kind.MR_T2, "AX T2 reformat", 24))
    seen = DemoReview(user_id=2, has_protocol_series=True, comment="Protocol page at the end")
    study = a_study(
        3, "approved CT with a protocol page and a report", PUBLISHED, "CT ABDOMEN", patient(1), reviews=(seen,)
    )
    yield with_series(
        study, (Kind.CT, "Abdomen 3mm", 40), (Kind.PROTOCOL, "Patient Protocol", 1), (Kind.REPORT, "Report", 1)
    )
    twice = (APPROVAL, DemoReview(user_id=2, comment="Agreed"))
    study = a_study(
        4, "approved MR with ultrasound in it, approved twice", PUBLISHED, "MR NECK", patient(5), reviews=twice
    )
    yield with_series(study, (Kind.MR_T2, "COR T2", 24), (Kind.US, "Thyroid", 3))
    study = a_study(
        5, "approved, of mixed contents and encodings", PUBLISHED, "OUTSIDE STUDY", patient(2), reviews=(APPROVAL,)
    )
    yield with_shipped(
        study,
        ("CT", "Explicit VR", "CT_small.dcm"),
        ("MR", "Implicit VR", "MR_small_implicit.dcm"),
        ("MR", "RLE Lossless", "MR_small_RLE.dcm"),
        ("MR", "JPEG 2000", "MR_small_jp2klossless.dcm"),
        ("MR", "JPEG-LS", "MR_small_jpeg_ls_lossless.dcm"),
        ("OT", "Scanned letter", "SC_rgb_jpeg_dcmtk.dcm"),
        ("SR", "Outside report", "test-SR.dcm"),
    )


def _failing() -> Iterator[DemoStudy]:
    study = a_study(
        6,
        "approved, but not in the staging PACS",
        FAILED,
        "CT SINUS",
        patient(3),
        reviews=(APPROVAL,),
        in_staging=False,
    )
    yield with_series(study, (Kind.CT, "Sinus 1mm", 12))
    study = a_study(
        7,
        "approved, but its accession has no encounter",
        FAILED,
        "CT PELVIS",
        patient(4),
        reviews=(APPROVAL,),
        has_encounter=False,
    )
    yield with_series(study, (Kind.CT, "Pelvis 3mm", 24))


def _left_out() -> Iterator[DemoStudy]:
    yield with_series(a_study(8, "not reviewed yet", LEFT_OUT, "CT KNEE LEFT", patient(6)), (Kind.CT, "Knee 1mm", 30))
    yield with_series(a_study(9, "not reviewed yet", LEFT_OUT, "MR SPINE", patient(7)), (Kind.MR_T2, "SAG T2", 24))
    doubt = DemoReview(user_id=2, relevant=False, comment="Wrong body part")
    study = a_study(
        10, "in conflict: one review approves, one does not", LEFT_OUT, "CT HEAD", patient(8), reviews=(APPROVAL, doubt)
    )
    yield with_series(study, (Kind.CT, "Head 5mm", 24))
    named = DemoReview(has_phi=True, comment=f"{patient(9).spoken_name} can be read in every image")
    study = a_study(11, "holds PHI, a reviewer says", LEFT_OUT, "CT FACE", patient(9), reviews=(named,))
    yield with_series(study, (Kind.CT, "Face 1mm", 20))
    study = a_study(
        12, "approved, then excluded", LEFT_OUT, "MR HEART", patient(10), reviews=(APPROVAL,), excluded=True
    )
    yield with_series(study, (Kind.MR_T1, "Short axis", 24))
