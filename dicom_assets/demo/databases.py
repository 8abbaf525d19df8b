"""Creates and fills the demo's review database and research database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, MetaData, create_engine, func, insert, inspect, select
from sqlalchemy.pool import NullPool

from dicom_assets.demo.people import DemoPatient
from dicom_assets.demo.plan import DemoReview, DemoStudy
from dicom_assets.demo.review_schema import research_metadata, review_metadata
from dicom_assets.errors import ConfigurationError

STUDIES = "staging_radiologystudy"
REVIEWS = "staging_radiologystudyreview"
REVIEWERS = (("jward", "Judith", "Ward-Ellison"), ("pmoor", "Pravin", "Moorcroft-Das"))
UNLINKED_ALIAS = "UNLINKED"
OPENED_AT = datetime(2024, 9, 2, 8, 0, tzinfo=UTC)
ORDER_BASE = 500_000
ENCOUNTER_BASE = 900_000

Row = dict[str, Any]


def create_review_db(url: str, studies: Sequence[DemoStudy]) -> bool:
    """Create the tables of the review application and fill them; False where they were there, and left alone."""
    return _create(url, review_metadata(), studies, _fill_reviews)


def create_research_db(url: str, studies: Sequence[DemoStudy]) -> bool:
    """Create the research database's tables and fill them; False where they were there, and left alone."""
    return _create(url, research_metadata(), studies, _fill_research)


def approve(url: str, study_uid: str) -> None:
    """Add a review that approves the study, dated now.

    Raises:
        ConfigurationError: the review database knows no such study.
    """
    metadata = review_metadata()
    table = metadata.tables[STUDIES]
    with connection(url) as conn:
        row = conn.execute(select(table.c.id).where(table.c.original_study_uid == study_uid)).first()
        if row is None:
            raise ConfigurationError("the review database knows no such study")
        conn.execute(
            insert(metadata.tables[REVIEWS]), [_review(conn, metadata, row.id, DemoReview(), datetime.now(UTC))]
        )


def published_and_failed(url: str) -> tuple[frozenset[str], frozenset[str]]:
    """The original UIDs of the studies marked as published, and of those marked with an error."""
    table = review_metadata().tables[STUDIES]
    with connection(url) as conn:
        published = conn.scalars(select(table.c.original_study_uid).where(table.c.image_published))
        failed = conn.scalars(select(table.c.original_study_uid).where(table.c.processing_error))
        return frozenset(published), frozenset(failed)


def reviewed(url: str) -> frozenset[str]:
    """The original UIDs of all studies that have a review."""
    tables = review_metadata().tables
    with connection(url) as conn:
        statement = select(tables[STUDIES].c.original_study_uid).join(tables[REVIEWS])
        return frozenset(conn.scalars(statement))


@contextmanager
def connection(url: str) -> Iterator[Connection]:
    """One transaction; nothing stays open behind it."""
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.begin() as conn:
            yield conn
    finally:
        engine.dispose()


def _create(url: str, metadata: MetaData, studies: Sequence[DemoStudy], fill: Any) -> bool:
    with connection(url) as conn:
        if inspect(conn).has_table(STUDIES):
            return False
        metadata.create_all(conn)
        fill(conn, metadata, studies)
        _advance_sequences(conn, metadata)
    return True


def _advance_sequences(conn: Connection, metadata: MetaData) -> None:
    """Let the database go on numbering behind the ids that were given."""
    if conn.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        last = conn.scalar(select(func.max(table.c.id))) if "id" in table.c else None
        if last is not None:
            conn.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), last)))


def _fill_reviews(conn: Connection, metadata: MetaData, studies: Sequence[DemoStudy]) -> None:
    _insert_unlinked(conn, metadata)
    rows = [_reviewer(number, *names) for number, names in enumerate(REVIEWERS, start=1)]
    conn.execute(insert(metadata.tables["dicom_review_reviewer"]), rows)
    conn.execute(insert(metadata.tables["dicom_review_studylist"]), [{"id": 1, "name": "All studies"}])
    conn.execute(insert(metadata.tables["dicom_review_config"]), [{"id": 1, "default_study_list_id": 1}])
    _insert_studies(conn, metadata, studies)
    for study in studies:
        for number, review in enumerate(study.reviews):
            at = OPENED_AT + timedelta(days=study.number, hours=number)
            conn.execute(insert(metadata.tables[REVIEWS]), [_review(conn, metadata, study.number, review, at)])


def _fill_research(conn: Connection, metadata: MetaData, studies: Sequence[DemoStudy]) -> None:
    _insert_unlinked(conn, metadata)
    patients = list(dict.fromkeys(study.patient for study in studies))
    for number, patient in enumerate(patients, start=2):
        _insert_patient(conn, metadata, number, patient)
    _insert_studies(conn, metadata, studies)
    for study in studies:
        if study.has_encounter:
            _insert_encounter(conn, metadata, study, patients.index(study.patient) + 2)


def _stamps(at: datetime = OPENED_AT) -> Row:
    return {"created": at, "modified": at}


def _insert_unlinked(conn: Connection, metadata: MetaData) -> None:
    """A patient and an encounter for studies to point to until registration links them: both links are NOT NULL."""
    tables = metadata.tables
    conn.execute(insert(tables["staging_patient"]), [{"id": 1, "alias": UNLINKED_ALIAS, **_stamps()}])
    visit = {"id": 1, "visit_date": OPENED_AT.date(), "patient_id": 1, **_stamps()}
    conn.execute(insert(tables["staging_encounter"]), [visit])


def _insert_patient(conn: Connection, metadata: MetaData, number: int, patient: DemoPatient) -> None:
    row = {"id": number, "alias": patient.alias, "sex": {"F": "Female", "M": "Male"}[patient.sex], **_stamps()}
    conn.execute(insert(metadata.tables["staging_patient"]), [row])
    phi = {
        "id": number,
        "mrn": patient.mrn,
        "first_name": patient.given_name,
        "last_name": patient.family_name,
        "dob": patient.birth_date + timedelta(days=patient.date_offset_days),
        "real_dob": patient.birth_date,
        "dob_offset": patient.date_offset_days,
        "zipcode": "WX4",
        "patient_id": number,
        **_stamps(),
    }
    conn.execute(insert(metadata.tables["staging_patientphi"]), [phi])


def _insert_studies(conn: Connection, metadata: MetaData, studies: Sequence[DemoStudy]) -> None:
    rows = [
        {
            "id": study.number,
            "patient_id": 1,
            "encounter_id": 1,
            "original_study_uid": study.study_uid,
            "requested": True,
            "exclude": study.excluded,
            "image_published": False,
            "study_date": study.started_at.replace(tzinfo=UTC),
            "accession_no": study.accession_number,
            "high_risk_flag": False,
            "processing_error": False,
            **_stamps(),
        }
        for study in studies
    ]
    if rows:
        conn.execute(insert(metadata.tables[STUDIES]), rows)


def _insert_encounter(conn: Connection, metadata: MetaData, study: DemoStudy, patient_id: int) -> None:
    """The chain from the accession number to the patient's encounter."""
    tables = metadata.tables
    encounter_id = study.number + 1
    order, contact = ORDER_BASE + study.number, ENCOUNTER_BASE + study.number
    age = round((study.day - study.patient.birth_date).days / 365.25, 2)
    day = study.day + timedelta(days=study.patient.date_offset_days)
    visit = {
        "id": encounter_id,
        "visit_date": day,
        "specialty": "Radiology",
        "age": age,
        "patient_id": patient_id,
        **_stamps(),
    }
    conn.execute(insert(tables["staging_encounter"]), [visit])
    accession = {"acc_num": study.accession_number, "order_proc_id": order}
    conn.execute(insert(tables["clarity_imaging_accessions"]), [accession])
    conn.execute(insert(tables["clarity_imaging_procedures"]), [{"order_proc_id": order, "pat_enc_csn_id": contact}])
    kind = "mriencounter" if study.series[0].modality == "MR" else "ctencounter"
    source = {
        "id": study.number,
        "field_1": f"{kind}.pat_enc_csn_id",
        "id_1": contact,
        "target": "staging_encounter",
        "target_id": encounter_id,
    }
    conn.execute(insert(tables["core_datasource"]), [source])


def _reviewer(number: int, username: str, first_name: str, last_name: str) -> Row:
    return {
        "id": number,
        "password": "!",
        "last_login": OPENED_AT,
        "is_superuser": False,
        "username": username,
        "first_name": first_name,
        "last_name": last_name,
        "email": f"{username}@wexcombe.example",
        "is_staff": True,
        "is_active": True,
        "date_joined": OPENED_AT,
    }


def _review(conn: Connection, metadata: MetaData, study_id: int, review: DemoReview, at: datetime) -> Row:
    last = conn.scalar(select(func.max(metadata.tables[REVIEWS].c.id))) or 0
    return {
        "id": last + 1,
        "study_id": study_id,
        "user_id": review.user_id,
        "has_phi": review.has_phi,
        "has_reconstruction": review.has_reconstruction,
        "has_protocol_series": review.has_protocol_series,
        "relevant": review.relevant,
        "exclude": review.exclude,
        "comment": review.comment,
        **_stamps(at),
    }
