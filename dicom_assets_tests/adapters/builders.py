"""Rows of review and research databases for tests: name only what a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, event, insert, make_url, select

from dicom_assets.demo.review_schema import research_metadata, review_metadata
from dicom_assets.study import PatientIdentity, RegisteredStudy, StudyKey

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
MRN = "SENTINEL-MRN-77"
ACCESSION = "SENTINEL-ACC-9"
STUDY_UID = "1.2.840.99999.7.1"


def engine_for(url: str) -> Engine:
    """An engine of the test's own."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def write_fast(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA synchronous = OFF")

    return engine


def sqlite_file(url: str) -> Path:
    """The file of an SQLite URL."""
    return Path(make_url(url).database or "")


def minutes(number: float) -> datetime:
    """That many minutes after noon."""
    return NOON + timedelta(minutes=number)


class Tables:
    """A database with tables, and rows to put into them."""

    def __init__(self, url: str, metadata: MetaData) -> None:
        self.url = url
        self.engine = engine_for(url)
        self.metadata = metadata
        self._ids = count(1)
        metadata.create_all(self.engine, checkfirst=False)

    def add(self, table: str, **values: Any) -> int:
        """Insert one row with an id and times of its own; returns the id."""
        columns = self.metadata.tables[table].c
        row: dict[str, Any] = {"id": next(self._ids), "created": NOON, "modified": NOON, **values}
        with self.engine.begin() as connection:
            connection.execute(insert(self.metadata.tables[table]), {k: v for k, v in row.items() if k in columns})
        return int(row["id"])

    def rows(self, table: str) -> Sequence[dict[str, Any]]:
        """All rows by id."""
        of = self.metadata.tables[table]
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(select(of).order_by(of.c.id)).mappings()]

    def everything(self) -> dict[str, Sequence[dict[str, Any]]]:
        """All rows of all tables."""
        with self.engine.connect() as connection:
            return {
                name: [dict(row) for row in connection.execute(select(of).order_by(*of.c[:1])).mappings()]
                for name, of in self.metadata.tables.items()
            }

    def execute(self, *statements: str) -> None:
        """Change the database behind the product's back, in one transaction."""
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))

    @property
    def kind(self) -> str:
        """`sqlite`, `postgresql` or `mysql`."""
        return self.engine.dialect.name

    def row(self, table: str) -> dict[str, Any]:
        """The only row."""
        (row,) = self.rows(table)
        return row


class ReviewTables(Tables):
    """A review database."""

    def __init__(self, url: str, **versions: bool) -> None:
        super().__init__(url, review_metadata(**versions))
        self.patient_id = self.add("staging_patient", alias="A1")
        self.encounter_id = self.add("staging_encounter", visit_date=date(2024, 1, 1), patient_id=self.patient_id)

    def study(self, study_uid: str | None = STUDY_UID, **values: Any) -> int:
        """A study's row without reviews."""
        defaults = {
            "original_study_uid": study_uid,
            "patient_id": self.patient_id,
            "encounter_id": self.encounter_id,
            "requested": True,
            "exclude": False,
            "image_published": False,
            "accession_no": ACCESSION,
            "high_risk_flag": False,
        }
        return self.add("staging_radiologystudy", **defaults | values)

    def review(self, study_id: int, **values: Any) -> int:
        """A review that approves, unless told otherwise."""
        defaults = {
            "study_id": study_id,
            "user_id": 1,
            "has_phi": False,
            "has_reconstruction": False,
            "has_protocol_series": False,
            "relevant": True,
            "exclude": False,
        }
        return self.add("staging_radiologystudyreview", **defaults | values)

    def approved(self, study_uid: Any = STUDY_UID, at: Any = NOON, **values: Any) -> int:
        """A study's row with one approving review."""
        study_id = self.study(study_uid, **values)
        self.review(study_id, created=at, modified=at)
        return study_id


class ResearchTables(Tables):
    """A research database with one patient, one encounter and the way from an accession number to it."""

    def __init__(self, url: str, **versions: bool) -> None:
        super().__init__(url, research_metadata(**versions))
        self.patient_id = self.patient("RESEARCH-1", MRN)
        self.encounter_id = self.encounter(self.patient_id)
        self.lead_to(self.encounter_id, ACCESSION)

    def patient(self, alias: str, mrn: str) -> int:
        """A patient with an alias and an MRN."""
        patient_id = self.add("staging_patient", alias=alias)
        names = {"first_name": "Sentinel", "last_name": "Person", "dob": date(2000, 1, 1)}
        self.add("staging_patientphi", mrn=mrn, patient_id=patient_id, **names)
        return patient_id

    def encounter(self, patient_id: int) -> int:
        """An encounter of a patient."""
        return self.add("staging_encounter", visit_date=date(2024, 1, 1), patient_id=patient_id)

    def lead_to(self, encounter_id: int, accession: str, contact: int = 500, order: int = 50, **values: Any) -> None:
        """Hospital rows from an accession number to an encounter."""
        self.add("clarity_imaging_accessions", acc_num=accession, order_proc_id=order)
        self.add("clarity_imaging_procedures", order_proc_id=order, pat_enc_csn_id=contact)
        self.source(encounter_id, contact, **values)

    def source(self, encounter_id: int, contact: int = 500, **values: Any) -> None:
        """A data source row of a contact."""
        defaults = {"field_1": "encounter.pat_enc_csn_id", "target": "staging_encounter", "target_id": encounter_id}
        self.add("core_datasource", id_1=contact, **defaults | values)


def a_registered_study(**values: Any) -> RegisteredStudy:
    """A de-identified study of the one patient of `ResearchTables`."""
    defaults: dict[str, Any] = {
        "study_key": StudyKey("S0123456789AB"),
        "patient": PatientIdentity(patient_id=MRN),
        "alias": "RESEARCH-1",
        "original_study_uid": STUDY_UID,
        "accession_numbers": (ACCESSION,),
        "study_uid": "2.25.42",
        "modality": "CT",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "number_of_series": 2,
        "number_of_instances": 40,
    }
    return RegisteredStudy(**defaults | values)


def names_nothing_identified(message: str) -> bool:
    """Whether a message is free of every sentinel, password and login."""
    return not any(word in message for word in ("SENTINEL", "Sentinel", "sentinel", "1.2.840.99999"))
