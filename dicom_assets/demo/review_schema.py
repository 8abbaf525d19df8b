"""The tables of django-dicom-review and of the research database behind it, as deployments have them.

No column has a default in the database, as none had: whoever inserts a row names every value.
Versions differ in two places, and both can be asked for: `links` are the columns `patient_id` and
`encounter_id` of `staging_radiologystudy`, absent for half of 2013; `processing_errors` are its three
columns `processing_error*`, which came at the end of that year.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

Columns = list[Column[Any]]


def review_metadata(*, links: bool = True, processing_errors: bool = True) -> MetaData:
    """The review database: `staging_*`, `production_*` and `dicom_review_*`."""
    metadata = MetaData()
    _people(metadata, "staging")
    _patient_phi(metadata)
    _studies(metadata, "staging", links=links, processing_errors=processing_errors)
    _reviews(metadata)
    _production(metadata, links=links)
    _application(metadata)
    return metadata


def research_metadata(*, links: bool = True, processing_errors: bool = True) -> MetaData:
    """The research database: patients, encounters and studies, and the hospital's tables that lead to them."""
    metadata = MetaData()
    _people(metadata, "staging")
    _patient_phi(metadata)
    _studies(metadata, "staging", links=links, processing_errors=processing_errors)
    _production(metadata, links=links)
    _hospital(metadata)
    return metadata


def _id() -> Column[Any]:
    return Column("id", Integer, primary_key=True)


def _stamps() -> Columns:
    return [_id(), _needed("created", DateTime(timezone=True)), _needed("modified", DateTime(timezone=True))]


def _needed(name: str, kind: Any, *more: Any, **options: Any) -> Column[Any]:
    return Column(name, kind, *more, nullable=False, **options)


def _to(name: str, table: str, *, unique: bool = False) -> Column[Any]:
    return _needed(name, Integer, ForeignKey(f"{table}.id"), unique=unique)


def _people(metadata: MetaData, prefix: str) -> None:
    Table(
        f"{prefix}_patient",
        metadata,
        *_stamps(),
        _needed("alias", String(100), unique=True),
        Column("sex", String(20)),
        Column("ethnicity", String(50)),
    )
    Table(
        f"{prefix}_encounter",
        metadata,
        *_stamps(),
        _needed("visit_date", Date),
        Column("specialty", String(255)),
        Column("age", Float, index=True),
        _to("patient_id", f"{prefix}_patient"),
    )


def _patient_phi(metadata: MetaData) -> None:
    Table(
        "staging_patientphi",
        metadata,
        *_stamps(),
        _needed("mrn", String(50), unique=True),
        _needed("first_name", String(50)),
        Column("middle_name", String(50)),
        _needed("last_name", String(50)),
        _needed("dob", Date),
        Column("real_dob", Date),
        Column("dob_offset", Integer),
        Column("zipcode", String(10)),
        _to("patient_id", "staging_patient", unique=True),
    )


def _shared_study_columns(prefix: str, links: bool) -> Columns:
    columns: Columns = [
        *_stamps(),
        Column("study_uid", String(64)),
        Column("modality", String(5)),
        Column("sop_class", String(30)),
        Column("number_of_series", Integer),
        Column("total_images", Integer),
        Column("impression", Text),
    ]
    if links:
        columns += [_to("patient_id", f"{prefix}_patient"), _to("encounter_id", f"{prefix}_encounter")]
    return columns


def _studies(metadata: MetaData, prefix: str, *, links: bool, processing_errors: bool) -> None:
    columns = _shared_study_columns(prefix, links)
    columns += [
        Column("original_study_uid", String(64)),
        _needed("requested", Boolean),
        _needed("exclude", Boolean),
        _needed("image_published", Boolean),
        Column("pub_date", DateTime(timezone=True)),
        Column("study_date", DateTime(timezone=True)),
        _needed("accession_no", String(20)),
        _needed("high_risk_flag", Boolean),
        Column("high_risk_message", String(500)),
    ]
    if processing_errors:
        columns += [
            Column("processing_error_date", DateTime(timezone=True)),
            Column("processing_error", Boolean),
            Column("processing_error_msg", String(400)),
        ]
    Table(f"{prefix}_radiologystudy", metadata, *columns)


def _reviews(metadata: MetaData) -> None:
    Table(
        "staging_radiologystudyreview",
        metadata,
        *_stamps(),
        _to("study_id", "staging_radiologystudy"),
        _needed("user_id", Integer),
        Column("has_phi", Boolean),
        _needed("has_reconstruction", Boolean),
        _needed("has_protocol_series", Boolean),
        _needed("relevant", Boolean),
        _needed("exclude", Boolean),
        Column("comment", Text),
    )


def _production(metadata: MetaData, links: bool) -> None:
    _people(metadata, "production")
    Table("production_radiologystudy", metadata, *_shared_study_columns("production", links))
    Table(
        "production_dataavailability",
        metadata,
        _id(),
        _needed("has_radiology_study", Boolean),
        _needed("has_mri", Boolean),
        _needed("has_ct", Boolean),
        _to("patient_id", "production_patient", unique=True),
    )


def _application(metadata: MetaData) -> None:
    Table("dicom_review_studylist", metadata, _id(), Column("name", String(100)))
    Table(
        "dicom_review_studylist_studies",
        metadata,
        _id(),
        _to("studylist_id", "dicom_review_studylist"),
        _to("radiologystudy_id", "staging_radiologystudy"),
    )
    Table(
        "dicom_review_reviewer",
        metadata,
        _id(),
        _needed("password", String(128)),
        _needed("last_login", DateTime(timezone=True)),
        _needed("is_superuser", Boolean),
        _needed("username", String(30), unique=True),
        _needed("first_name", String(30)),
        _needed("last_name", String(30)),
        _needed("email", String(75)),
        _needed("is_staff", Boolean),
        _needed("is_active", Boolean),
        _needed("date_joined", DateTime(timezone=True)),
        Column("prioritizer", String(100)),
        Column("study_list_id", Integer, ForeignKey("dicom_review_studylist.id")),
    )
    Table(
        "dicom_review_config",
        metadata,
        _id(),
        Column("default_prioritizer", String(100)),
        Column("default_study_list_id", Integer, ForeignKey("dicom_review_studylist.id")),
    )


def _hospital(metadata: MetaData) -> None:
    Table(
        "clarity_imaging_accessions",
        metadata,
        _needed("acc_num", String(50), index=True),
        _needed("order_proc_id", Integer),
    )
    Table(
        "clarity_imaging_procedures",
        metadata,
        _needed("order_proc_id", Integer, index=True),
        _needed("pat_enc_csn_id", Integer),
    )
    Table(
        "core_datasource",
        metadata,
        _id(),
        _needed("field_1", String(100)),
        _needed("id_1", Integer),
        _needed("target", String(100)),
        _needed("target_id", Integer),
    )
