"""The way from an accession number to an encounter is a hospital's own: a query in a file, looked at before it runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, text

from dicom_assets.adapters.registration import (
    DEFAULT_ENCOUNTER_QUERY,
    EncounterQuery,
    ResearchDatabaseRegistration,
    load_registration,
)
from dicom_assets.errors import ConfigurationError, RegistrationRefusedError
from dicom_assets_tests.adapters.builders import (
    ACCESSION,
    ResearchTables,
    a_registered_study,
    names_nothing_identified,
)

FILE_SETTING = "REGISTRATION_ENCOUNTER_QUERY_FILE"
STUDY = "staging_radiologystudy"

_ris = MetaData()
_orders = Table("ris_orders", _ris, Column("accession", String(40)), Column("visit", String(20)))
_visits = Table(
    "ris_visits", _ris, Column("visit", String(20)), Column("encounter", Integer), Column("state", String(20))
)

OTHER_HOSPITAL = """
-- Orders of the radiology information system carry the accession number with a prefix; cancelled visits do not count.
WITH visits AS (
    SELECT visit, encounter FROM ris_visits WHERE state <> 'cancelled; gone'
)
SELECT visits.encounter
  FROM ris_orders orders
  JOIN visits ON visits.visit = orders.visit
 WHERE REPLACE(orders.accession, 'RIS:', '') = :accession_no;
"""


@pytest.fixture
def tables(any_database_url: str) -> ResearchTables:
    """A research database of a hospital with other tables."""
    tables = ResearchTables(any_database_url)
    _ris.create_all(tables.engine)
    with tables.engine.begin() as connection:
        for name in ("clarity_imaging_accessions", "clarity_imaging_procedures", "core_datasource"):
            connection.execute(text(f"DROP TABLE {name}"))
    return tables


def with_visit(tables: ResearchTables, encounter_id: int, state: str = "done", visit: str = "V1") -> None:
    with tables.engine.begin() as connection:
        connection.execute(insert(_orders).values(accession=f"RIS:{ACCESSION}", visit=visit))
        connection.execute(insert(_visits).values(visit=visit, encounter=encounter_id, state=state))


def opened(tables: ResearchTables, sql: str, **options: Any) -> ResearchDatabaseRegistration:
    return ResearchDatabaseRegistration.open(tables.url, encounter_query=EncounterQuery(sql), **options)


def in_file(folder: Path, sql: str) -> str:
    file = folder / "encounters.sql"
    file.write_text(sql)
    return str(file)


def test_other_hospitals_query_leads_to_the_encounter(tables: ResearchTables, tmp_path: Path) -> None:
    with_visit(tables, tables.encounter_id)
    with_visit(tables, tables.encounter(tables.patient_id), state="cancelled; gone", visit="V2")
    hook = load_registration("research_database", tables.url, encounter_query_file=in_file(tmp_path, OTHER_HOSPITAL))
    assert hook.register(a_registered_study()) == {"rows_inserted": 1}
    assert tables.row(STUDY)["encounter_id"] == tables.encounter_id


def test_other_hospitals_query_that_finds_nothing_refuses_the_study(tables: ResearchTables) -> None:
    with pytest.raises(RegistrationRefusedError, match=r"^Unable to find encounter in EHR$"):
        opened(tables, OTHER_HOSPITAL).check(a_registered_study())


def test_highest_of_several_ids_counts_and_null_does_not(tables: ResearchTables) -> None:
    highest = tables.encounter(tables.patient_id)
    with_visit(tables, highest)
    with_visit(tables, tables.encounter_id, visit="V2")
    nulls = "SELECT encounter FROM ris_visits UNION SELECT NULL FROM ris_orders WHERE accession <> :accession_no"
    opened(tables, nulls).register(a_registered_study())
    assert tables.row(STUDY)["encounter_id"] == highest


def test_another_query_is_another_registration(tables: ResearchTables) -> None:
    first, second = opened(tables, OTHER_HOSPITAL), opened(tables, OTHER_HOSPITAL.replace("done", "kept") + "\n")
    assert first.name == opened(tables, OTHER_HOSPITAL).name
    assert first.name != second.name
    assert EncounterQuery().mark == ""


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "one statement, not 0"),
        ("-- SELECT id FROM t WHERE a = :accession_no", "one statement, not 0"),
        ("SELECT id FROM t WHERE a = :accession_no; SELECT 1", "one statement, not 2"),
        ("SELECT id FROM t WHERE a = :accession_no; DROP TABLE t", "one statement, not 2"),
        ("UPDATE t SET a = :accession_no", "must be a SELECT"),
        ("EXPLAIN SELECT id FROM t WHERE a = :accession_no", "must be a SELECT"),
        ("PRAGMA user_version = 7", "must be a SELECT"),
        ("CALL encounters(:accession_no)", "must be a SELECT"),
        ("WITH gone AS (DELETE FROM t RETURNING id) SELECT id FROM gone WHERE id = :accession_no", "not hold DELETE"),
        ("SELECT id INTO copy FROM t WHERE a = :accession_no", "not hold INTO"),
        ("SELECT id FROM t WHERE a = :accession_no FOR UPDATE", "not hold UPDATE"),
        ("SELECT id FROM t WHERE a = :accession_no /*! INTO OUTFILE '/x' */", "comments that MySQL executes"),
        ("SELECT id FROM t", "the parameter :accession_no and no other"),
        ("SELECT id FROM t WHERE a = :accession_number", "the parameter :accession_no and no other"),
        ("SELECT id FROM t WHERE a = :accession_no AND b = :other", "the parameter :accession_no and no other"),
    ],
)
def test_file_that_is_not_one_select_is_refused_before_any_database_sees_it(
    sql: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{FILE_SETTING}: .*{re.escape(message)}"):
        load_registration("research_database", "sqlite:////absent.db", encounter_query_file=in_file(tmp_path, sql))


@pytest.mark.parametrize(
    ("content", "message"), [(b"SELECT '\xff' :accession_no", "not text in UTF-8"), (b" " * 20_001, "more than 20000")]
)
def test_file_that_cannot_be_read_as_a_query_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "encounters.sql"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"^{FILE_SETTING}: .*{message}"):
        EncounterQuery.of(str(file))


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"^{FILE_SETTING}: there is no file .*absent.sql"):
        EncounterQuery.of(str(tmp_path / "absent.sql"))
    with pytest.raises(ConfigurationError, match=f"^{FILE_SETTING}: .* can't be read"):
        EncounterQuery.of(str(tmp_path))


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT id FROM nowhere WHERE a = :accession_no", f"does not take the query of .* named by {FILE_SETTING}"),
        ("SELECT visit, encounter FROM ris_visits WHERE visit = :accession_no", "returns 2 columns"),
        ("SELECT * FROM ris_visits WHERE visit = :accession_no", "returns 3 columns"),
    ],
)
def test_query_that_does_not_fit_the_database_is_refused_at_start(
    tables: ResearchTables, sql: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        opened(tables, sql)


def test_shipped_query_without_its_tables_names_the_setting(tables: ResearchTables) -> None:
    with pytest.raises(ConfigurationError, match=f"RESEARCH_DB_URL does not take .*{FILE_SETTING}"):
        opened(tables, DEFAULT_ENCOUNTER_QUERY)


@pytest.mark.parametrize("value", ["'SENTINEL'", "7.5", "''"])
def test_query_that_returns_no_ids_is_refused_without_what_it_returned(tables: ResearchTables, value: str) -> None:
    hook = opened(tables, f"SELECT {value} FROM staging_patient WHERE :accession_no <> ''")
    with pytest.raises(ConfigurationError, match="not an encounter's id") as caught:
        hook.check(a_registered_study())
    assert names_nothing_identified(str(caught.value))


def test_query_that_writes_by_a_function_cannot(new_postgresql_url: Callable[[], str]) -> None:
    tables = ResearchTables(new_postgresql_url())
    with tables.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION meddle(t text) RETURNS integer LANGUAGE sql AS "
                "$$ UPDATE staging_patient SET sex = t RETURNING id $$"
            )
        )
    before = tables.rows("staging_patient")
    with pytest.raises(ConfigurationError, match=r"does not take the query .*25006"):
        opened(tables, "SELECT meddle(:accession_no)")
    assert tables.rows("staging_patient") == before
