"""The demo's databases: tables and columns as deployments of django-dicom-review have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, inspect, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from dicom_assets.demo.databases import (
    approve,
    connection,
    create_research_db,
    create_review_db,
    published_and_failed,
    reviewed,
)
from dicom_assets.demo.review_schema import research_metadata, review_metadata
from dicom_assets.demo.studies import demo_studies
from dicom_assets.errors import ConfigurationError
from dicom_assets_tests.demo.conftest import study_number

STAMPS = "id! created! modified!"
STUDY = f"{STAMPS} study_uid modality sop_class number_of_series total_images impression patient_id! encounter_id!"
REVIEW_TABLES = {
    "staging_patient": f"{STAMPS} alias! sex ethnicity",
    "staging_patientphi": f"{STAMPS} mrn! first_name! middle_name last_name! dob! real_dob dob_offset zipcode "
    "patient_id!",
    "staging_encounter": f"{STAMPS} visit_date! specialty age patient_id!",
    "staging_radiologystudy": f"{STUDY} original_study_uid requested! exclude! image_published! pub_date study_date "
    "accession_no! high_risk_flag! high_risk_message processing_error_date processing_error processing_error_msg",
    "staging_radiologystudyreview": f"{STAMPS} study_id! user_id! has_phi has_reconstruction! has_protocol_series! "
    "relevant! exclude! comment",
    "production_patient": f"{STAMPS} alias! sex ethnicity",
    "production_encounter": f"{STAMPS} visit_date! specialty age patient_id!",
    "production_radiologystudy": STUDY,
    "production_dataavailability": "id! has_radiology_study! has_mri! has_ct! patient_id!",
    "dicom_review_studylist": "id! name",
    "dicom_review_studylist_studies": "id! studylist_id! radiologystudy_id!",
    "dicom_review_reviewer": "id! password! last_login! is_superuser! username! first_name! last_name! email! "
    "is_staff! is_active! date_joined! prioritizer study_list_id",
    "dicom_review_config": "id! default_prioritizer default_study_list_id",
}
HOSPITAL_TABLES = {
    "clarity_imaging_accessions": "acc_num! order_proc_id!",
    "clarity_imaging_procedures": "order_proc_id! pat_enc_csn_id!",
    "core_datasource": "id! field_1! id_1! target! target_id!",
}
RESEARCH_TABLES = {
    name: columns
    for name, columns in {**REVIEW_TABLES, **HOSPITAL_TABLES}.items()
    if not name.startswith(("dicom_review", "staging_radiologystudyreview"))
}


@pytest.fixture
def review_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'review.db'}"
    create_review_db(url, demo_studies())
    return url


@pytest.fixture
def research_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'research.db'}"
    create_research_db(url, demo_studies())
    return url


def tables_of(url: str) -> dict[str, str]:
    """Each table's columns as they are in the database; an exclamation mark stands for NOT NULL."""
    engine = create_engine(url)
    seen = inspect(engine)
    tables = {
        table: " ".join(c["name"] + "!" * (not c["nullable"]) for c in seen.get_columns(table))
        for table in seen.get_table_names()
    }
    engine.dispose()
    return tables


def test_the_review_database_has_its_tables_and_columns(review_url: str) -> None:
    assert tables_of(review_url) == REVIEW_TABLES


def test_the_research_database_has_its_tables_and_columns(research_url: str) -> None:
    assert tables_of(research_url) == RESEARCH_TABLES


@pytest.mark.parametrize("metadata", [review_metadata(), research_metadata()], ids=["review", "research"])
def test_no_column_has_a_default(metadata: MetaData) -> None:
    columns = [column for table in metadata.tables.values() for column in table.columns]
    assert all(column.default is None and column.server_default is None for column in columns)


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect(), mysql.dialect()], ids=lambda d: d.name)
def test_the_tables_can_be_written_for_every_database(dialect: Dialect) -> None:
    for metadata in (review_metadata(), research_metadata()):
        for table in metadata.sorted_tables:
            assert table.name in str(CreateTable(table).compile(dialect=dialect))


def test_older_versions_lack_columns() -> None:
    columns = review_metadata(links=False, processing_errors=False).tables["staging_radiologystudy"].c.keys()
    assert not {"patient_id", "encounter_id", "processing_error"} & set(columns)
    assert "original_study_uid" in columns


def test_an_existing_database_is_left_as_it_is(review_url: str, research_url: str) -> None:
    approve(review_url, study_number(8).study_uid)
    assert create_review_db(review_url, demo_studies()) is False
    assert create_research_db(research_url, demo_studies()) is False
    assert study_number(8).study_uid in reviewed(review_url)


def test_nothing_is_published_or_failed_at_first(review_url: str) -> None:
    assert published_and_failed(review_url) == (frozenset(), frozenset())


def test_reviews_are_those_of_the_plan(review_url: str) -> None:
    assert reviewed(review_url) == {study.study_uid for study in demo_studies() if study.reviews}


def test_an_approval_approves(review_url: str) -> None:
    approve(review_url, study_number(9).study_uid)

    table = review_metadata().tables["staging_radiologystudyreview"]
    with connection(review_url) as conn:
        row = conn.execute(select(table).where(table.c.study_id == 9)).one()
    assert (row.has_phi, row.relevant, row.has_reconstruction, row.exclude) == (False, True, False, False)


def test_an_unknown_study_can_not_be_approved(review_url: str) -> None:
    with pytest.raises(ConfigurationError, match="no such study"):
        approve(review_url, "1.2.3")


def test_a_row_without_its_flags_is_refused(review_url: str) -> None:
    table = review_metadata().tables["production_dataavailability"]
    with pytest.raises(IntegrityError), connection(review_url) as conn:
        conn.execute(table.insert(), [{"id": 1, "patient_id": 1, "has_mri": True, "has_ct": False}])


@pytest.mark.parametrize("study", demo_studies(), ids=lambda study: str(study.number))
def test_an_accession_leads_to_an_encounter_of_its_patient(research_url: str, study: object) -> None:
    demo_study = next(one for one in demo_studies() if one is study)
    t = research_metadata().tables
    accessions, procedures = t["clarity_imaging_accessions"], t["clarity_imaging_procedures"]
    sources, encounters = t["core_datasource"], t["staging_encounter"]
    chain = (
        select(t["staging_patient"].c.alias, t["staging_patientphi"].c.mrn)
        .select_from(accessions)
        .join(procedures, procedures.c.order_proc_id == accessions.c.order_proc_id)
        .join(sources, sources.c.id_1 == procedures.c.pat_enc_csn_id)
        .join(encounters, encounters.c.id == sources.c.target_id)
        .join(t["staging_patient"])
        .join(t["staging_patientphi"])
        .where(accessions.c.acc_num == demo_study.accession_number)
        .where(sources.c.target == "staging_encounter")
    )
    with connection(research_url) as conn:
        rows = [tuple(row) for row in conn.execute(chain)]
    patient = demo_study.patient
    assert rows == ([(patient.alias, patient.mrn)] if demo_study.has_encounter else [])
