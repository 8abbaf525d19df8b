"""What researchers see of published studies: rows under the ids that they have in staging, and nobody else's lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text, update

from dicom_assets.adapters.production import ProductionDatabase
from dicom_assets.adapters.registration import ResearchDatabaseRegistration
from dicom_assets.errors import ConfigurationError, StudyError
from dicom_assets.steps.ports import Production
from dicom_assets_tests.adapters.builders import (
    ACCESSION,
    NOON,
    STUDY_UID,
    ResearchTables,
    minutes,
    names_nothing_identified,
)

NEW_UID = "2.25.42"
TABLES = ("patient", "encounter", "radiologystudy", "dataavailability")
NEW = {f"{table}_inserted": 1 for table in TABLES}
OLD = {f"{table}_unchanged": 1 for table in TABLES}


@pytest.fixture
def tables(any_database_url: str) -> ResearchTables:
    """A research database with one study that registration has linked."""
    tables = ResearchTables(any_database_url)
    linked(tables)
    return tables


def linked(tables: ResearchTables, **values: Any) -> int:
    """A study's row as registration leaves it."""
    defaults = {
        "original_study_uid": STUDY_UID,
        "study_uid": NEW_UID,
        "modality": "CT",
        "sop_class": "1.2.840.10008.5.1.4.1.1.2",
        "number_of_series": 2,
        "total_images": 40,
        "impression": "nothing of note",
        "patient_id": tables.patient_id,
        "encounter_id": tables.encounter_id,
        "requested": True,
        "exclude": False,
        "image_published": True,
        "accession_no": ACCESSION,
        "high_risk_flag": True,
        "high_risk_message": "SENTINEL risk",
    }
    return tables.add("staging_radiologystudy", **defaults | values)


def copy(tables: ResearchTables, study_uid: str = STUDY_UID, new_uid: str = NEW_UID, *, dry: bool = False) -> Any:
    with closing(ProductionDatabase.open(tables.url, read_only=dry)) as production:
        fulfils: Production = production
        return fulfils.copy(study_uid, new_uid)


def production_of(tables: ResearchTables) -> dict[str, list[dict[str, Any]]]:
    return {name: tables.rows(f"production_{name}") for name in TABLES}


def change(tables: ResearchTables, table: str, **values: Any) -> None:
    with tables.engine.begin() as connection:
        connection.execute(update(tables.metadata.tables[table]).values(**values))


def change_schema(tables: ResearchTables, *statements: str) -> None:
    with tables.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def availability(tables: ResearchTables) -> dict[int, tuple[bool, bool, bool]]:
    return {
        row["patient_id"]: (row["has_radiology_study"], row["has_mri"], row["has_ct"])
        for row in tables.rows("production_dataavailability")
    }


def test_rows_are_copied_as_they_are_with_the_columns_of_the_twins_alone(tables: ResearchTables) -> None:
    assert copy(tables) == NEW
    for name in TABLES[:3]:
        twin = tables.rows(f"staging_{name}")
        shared = tables.metadata.tables[f"production_{name}"].c.keys()
        assert tables.rows(f"production_{name}") == [{column: row[column] for column in shared} for row in twin]
    assert availability(tables) == {tables.patient_id: (True, False, True)}


def test_copying_again_changes_nothing(tables: ResearchTables) -> None:
    copy(tables)
    before = production_of(tables)
    assert copy(tables) == OLD
    assert production_of(tables) == before


def test_dry_run_counts_and_leaves_the_whole_database_as_it_is(tables: ResearchTables) -> None:
    whole = {name: tables.rows(name) for name, table in tables.metadata.tables.items() if "id" in table.c}
    assert copy(tables, dry=True) == NEW
    assert {name: tables.rows(name) for name in whole} == whole


def test_dry_run_counts_what_would_be_updated(tables: ResearchTables) -> None:
    copy(tables)
    change(tables, "staging_radiologystudy", modality="MR")
    assert copy(tables, dry=True) == {
        "patient_unchanged": 1,
        "encounter_unchanged": 1,
        "radiologystudy_updated": 1,
        "dataavailability_updated": 1,
    }


def test_staging_is_not_touched(tables: ResearchTables) -> None:
    before = {name: tables.rows(name) for name in tables.metadata.tables if name.startswith("staging_")}
    copy(tables)
    assert {name: tables.rows(name) for name in before} == before


OF_PATIENTS: tuple[tuple[list[str | None], tuple[bool, bool, bool]], ...] = (
    (["CT"], (True, False, True)),
    (["MR"], (True, True, False)),
    (["MR", "CT"], (True, True, True)),
    (["US"], (True, False, False)),
    ([None], (True, False, False)),
    (["US", "mr "], (True, True, False)),
)


def test_availability_says_what_there_is_of_each_patient(any_database_url: str) -> None:
    tables = ResearchTables(any_database_url)
    wanted = {}
    for number, (modalities, flags) in enumerate(OF_PATIENTS, start=100):
        patient = tables.patient(f"RESEARCH-{number}", f"MRN-{number}")
        people = {"patient_id": patient, "encounter_id": tables.encounter(patient)}
        for series, modality in enumerate(modalities):
            uid, new = f"{STUDY_UID}.{number}.{series}", f"{NEW_UID}.{number}.{series}"
            linked(tables, original_study_uid=uid, study_uid=new, modality=modality, **people)
            copy(tables, uid, new)
        wanted[patient] = flags
    assert availability(tables) == wanted


def test_patient_of_whom_nothing_is_left_has_no_study(tables: ResearchTables) -> None:
    copy(tables)
    other = tables.patient("RESEARCH-2", "MRN-2")
    change(tables, "staging_radiologystudy", patient_id=other, encounter_id=tables.encounter(other))
    assert copy(tables)["radiologystudy_updated"] == 1
    assert availability(tables) == {tables.patient_id: (False, False, False), other: (True, False, True)}


def test_corrections_in_staging_are_carried_over(tables: ResearchTables) -> None:
    copy(tables)
    change(tables, "staging_patient", sex="Female", modified=minutes(5))
    change(tables, "staging_encounter", age=7.5, visit_date=date(2024, 2, 2))
    change(tables, "staging_radiologystudy", modality="MR", study_uid="2.25.43")
    counts = copy(tables, new_uid="2.25.43")
    assert counts == {f"{table}_updated": 1 for table in TABLES}
    assert tables.row("production_patient")["sex"] == "Female"
    assert tables.row("production_encounter")["visit_date"] == date(2024, 2, 2)
    assert tables.row("production_radiologystudy")["study_uid"] == "2.25.43"
    assert availability(tables) == {tables.patient_id: (True, True, False)}


def test_all_rows_of_one_study_are_copied(tables: ResearchTables) -> None:
    linked(tables)
    assert copy(tables) == NEW | {"radiologystudy_inserted": 2}


def test_other_studies_of_the_patient_are_not_copied(tables: ResearchTables) -> None:
    linked(tables, original_study_uid=f"{STUDY_UID}.1", study_uid=f"{NEW_UID}.1", modality="MR")
    copy(tables)
    assert [row["study_uid"] for row in tables.rows("production_radiologystudy")] == [NEW_UID]
    assert availability(tables) == {tables.patient_id: (True, False, True)}


def someone_else(tables: ResearchTables, **values: Any) -> None:
    defaults = {"id": tables.patient_id, "created": NOON, "modified": NOON, "alias": "SENTINEL-ELSE"}
    tables.add("production_patient", **defaults | values)


def someone_elses_alias(tables: ResearchTables) -> None:
    someone_else(tables, id=900, alias="RESEARCH-1")


def someone_elses_encounter(tables: ResearchTables) -> None:
    someone_else(tables, id=900)
    tables.add("production_encounter", id=tables.encounter_id, visit_date=date(2020, 1, 1), patient_id=900)


def someone_elses_study(tables: ResearchTables) -> None:
    someone_else(tables, id=900)
    tables.add("production_encounter", id=900, visit_date=date(2020, 1, 1), patient_id=900)
    study = tables.row("staging_radiologystudy")["id"]
    tables.add("production_radiologystudy", id=study, study_uid="2.25.99", patient_id=900, encounter_id=900)


@pytest.mark.parametrize(
    ("prepare", "table"),
    [
        (someone_else, "production_patient"),
        (someone_elses_alias, "production_patient"),
        (someone_elses_encounter, "production_encounter"),
        (someone_elses_study, "production_radiologystudy"),
    ],
)
def test_what_is_somebody_elses_is_left_as_it_is(
    tables: ResearchTables, prepare: Callable[[ResearchTables], None], table: str
) -> None:
    prepare(tables)
    before = production_of(tables)
    with pytest.raises(StudyError, match=f"In {table} somebody else has the id") as caught:
        copy(tables)
    assert names_nothing_identified(str(caught.value))
    assert production_of(tables) == before


@pytest.mark.parametrize("values", [{"study_uid": None}, {"study_uid": "2.25.7"}, {"original_study_uid": "1.2"}])
def test_study_that_is_not_registered_as_it_was_published_is_refused(
    tables: ResearchTables, values: dict[str, Any]
) -> None:
    change(tables, "staging_radiologystudy", **values)
    with pytest.raises(StudyError, match="no row of the study with the Study Instance UID") as caught:
        copy(tables)
    assert names_nothing_identified(str(caught.value))
    assert not any(production_of(tables).values())


def test_encounter_of_another_patient_is_refused(tables: ResearchTables) -> None:
    encounter = tables.encounter(tables.patient("RESEARCH-2", "MRN-2"))
    change(tables, "staging_radiologystudy", encounter_id=encounter)
    with pytest.raises(StudyError, match="an encounter of its own"):
        copy(tables)
    assert not any(production_of(tables).values())


def test_what_the_database_refuses_leaves_nothing_behind(tables: ResearchTables) -> None:
    someone_else(tables, id=900)
    flags = {"has_radiology_study": True, "has_mri": False, "has_ct": True}
    tables.add("production_dataavailability", patient_id=900, **flags)
    change_schema(tables, "CREATE UNIQUE INDEX once ON production_dataavailability (has_ct)")
    before = production_of(tables)
    with pytest.raises(StudyError, match="RESEARCH_DB_URL"):
        copy(tables)
    assert production_of(tables) == before


@pytest.mark.parametrize("table", [f"production_{name}" for name in TABLES])
def test_missing_table_is_named(tables: ResearchTables, table: str) -> None:
    change_schema(tables, f"ALTER TABLE {table} RENAME TO elsewhere")
    with pytest.raises(ConfigurationError, match=f"RESEARCH_DB_URL .* has no table {table}"):
        ProductionDatabase.open(tables.url)


def test_versions_without_links_say_which_column_is_missing(any_database_url: str) -> None:
    tables = ResearchTables(any_database_url, links=False)
    with pytest.raises(ConfigurationError, match="staging_radiologystudy lacks column encounter_id, patient_id"):
        ProductionDatabase.open(tables.url)


def test_column_that_only_production_has_must_have_a_default(tables: ResearchTables) -> None:
    change_schema(
        tables,
        "ALTER TABLE production_patient ADD COLUMN cohort VARCHAR(9) NOT NULL DEFAULT 'A'",
        "ALTER TABLE production_patient ADD COLUMN original_study_uid VARCHAR(64)",
    )
    assert copy(tables) == NEW
    with tables.engine.begin() as connection:
        row = connection.execute(text("SELECT cohort, original_study_uid FROM production_patient")).one()
    assert tuple(row) == ("A", None)


def test_column_that_only_production_has_and_that_may_not_be_null_is_named(
    new_postgresql_url: Callable[[], str],
) -> None:
    tables = ResearchTables(new_postgresql_url())
    change_schema(tables, "ALTER TABLE production_encounter ADD COLUMN site INTEGER NOT NULL")
    with pytest.raises(ConfigurationError, match="production_encounter needs a value for site"):
        ProductionDatabase.open(tables.url)


def test_studies_of_one_patient_may_be_copied_at_once(tables: ResearchTables) -> None:
    uids = [(f"{STUDY_UID}.{number}", f"{NEW_UID}.{number}") for number in range(8)]
    for original, new in uids:
        linked(tables, original_study_uid=original, study_uid=new)
    with closing(ProductionDatabase.open(tables.url)) as production, ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda uid: production.copy(*uid), uids))
    assert sum(one.get("patient_inserted", 0) for one in counts) == 1
    assert len(tables.rows("production_radiologystudy")) == len(uids)


def taken_back(tables: ResearchTables, original: str, new: str) -> Any:
    with closing(ResearchDatabaseRegistration.open(tables.url)) as registration:
        return registration.unlink(original, [new])


def test_withdrawn_study_is_gone_and_availability_follows(tables: ResearchTables) -> None:
    linked(tables, original_study_uid=f"{STUDY_UID}.1", study_uid=f"{NEW_UID}.1", modality="MR")
    copy(tables)
    copy(tables, f"{STUDY_UID}.1", f"{NEW_UID}.1")
    gone = {"production_radiologystudy_deleted": 1, "production_dataavailability_updated": 1}

    assert taken_back(tables, STUDY_UID, NEW_UID) == {"rows_unlinked": 1, **gone}
    assert availability(tables) == {tables.patient_id: (True, True, False)}
    assert taken_back(tables, STUDY_UID, NEW_UID) == {}
    assert taken_back(tables, f"{STUDY_UID}.1", f"{NEW_UID}.1") == {"rows_unlinked": 1, **gone}
    assert availability(tables) == {tables.patient_id: (False, False, False)}
    assert tables.rows("production_radiologystudy") == []
    assert len(tables.rows("production_patient")) == 1


def test_study_is_taken_back_where_nobody_has_production_tables(tables: ResearchTables) -> None:
    change_schema(tables, "ALTER TABLE production_radiologystudy RENAME TO elsewhere")
    assert taken_back(tables, STUDY_UID, NEW_UID) == {"rows_unlinked": 1}


def test_availability_that_is_gone_is_made_anew(tables: ResearchTables) -> None:
    copy(tables)
    change_schema(tables, "DELETE FROM production_dataavailability")
    assert copy(tables)["dataavailability_inserted"] == 1
