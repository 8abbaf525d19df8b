"""Looking up works in both directions, and only for those of whom it is written down."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, exc, select, text

from dicom_assets.adapters.identity_db import queries, tables
from dicom_assets.adapters.identity_db.access_log import asker, entries
from dicom_assets.adapters.identity_db.exporting import COLUMNS, export_csv, export_json
from dicom_assets.adapters.identity_db.lookup import look_up
from dicom_assets.adapters.identity_db.statistics import statistics
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import PatientIdentity, StudyKey, UidLevel
from dicom_assets_tests.adapters.builders import NOON, engine_for, names_nothing_identified
from dicom_assets_tests.adapters.identity_builders import SOMEBODY, execute, ledger_of, opened
from dicom_assets_tests.database_servers import LOGIN
from dicom_assets_tests.deployment import REPOSITORY

STUDY, SERIES, INSTANCE, FRAME = "1.2.840.99999.1", "1.2.840.99999.1.1", "1.2.840.99999.1.1.1", "1.2.840.99999.1.9"
PATIENT = PatientIdentity("SENTINEL-1", "HOSPITAL", "SENTINEL^Anna", "19700101")
UIDS = {STUDY: "2.25.1", SERIES: "2.25.2", INSTANCE: "2.25.3", FRAME: "2.25.4"}
LEVELS = {STUDY: UidLevel.STUDY, SERIES: UidLevel.SERIES, INSTANCE: UidLevel.INSTANCE}
Pairs = set[tuple[str, str, str, str]]


@pytest.fixture
def recorded(database_url: str) -> tuple[str, StudyKey, str]:
    """A database with one study, its key and the patient's pseudonym."""
    identity_db = opened(database_url)
    key, pseudonym = identity_db.study_key(STUDY), identity_db.subject(PATIENT).patient_id
    values = {
        "PatientID": {"SENTINEL-1": pseudonym},
        "PatientName": {"SENTINEL^Anna": pseudonym},
        "PatientBirthDate": {"19700101": ""},
        "AccessionNumber": {"SENTINEL-A1": ""},
    }
    identity_db.record(key, PATIENT, UIDS, values, LEVELS)
    identity_db.close()
    return database_url, key, pseudonym


def pairs(url: str, asked: str, attribute: str = "") -> Pairs:
    with ledger_of(url) as ledger:
        found = look_up(ledger, asked, SOMEBODY, attribute)
    return {(one.attribute, one.original, one.replacement, one.matched) for one in found}


@pytest.mark.parametrize(
    ("attribute", "original", "replacement"),
    [
        ("PatientID", "SENTINEL-1", "pseudonym"),
        ("PatientName", "SENTINEL^Anna", "pseudonym"),
        ("PatientBirthDate", "19700101", ""),
        ("AccessionNumber", "SENTINEL-A1", ""),
        ("StudyInstanceUID", STUDY, "2.25.1"),
        ("SeriesInstanceUID", SERIES, "2.25.2"),
        ("SOPInstanceUID", INSTANCE, "2.25.3"),
        ("UID", FRAME, "2.25.4"),
        ("StudyKey", STUDY, "key"),
    ],
)
def test_every_attribute_is_found_from_both_sides(
    recorded: tuple[str, StudyKey, str], attribute: str, original: str, replacement: str
) -> None:
    url, key, pseudonym = recorded
    replacement = {"pseudonym": pseudonym, "key": key}.get(replacement, replacement)
    assert (attribute, original, replacement, "original") in pairs(url, f" {original} ", attribute)
    if replacement:
        assert (attribute, original, replacement, "replacement") in pairs(url, replacement, attribute.upper())
    assert {one[0] for one in pairs(url, original, attribute)} == {attribute}


def test_a_study_key_brings_what_is_recorded_of_the_study(recorded: tuple[str, StudyKey, str]) -> None:
    url, key, pseudonym = recorded
    assert pairs(url, key) == {
        ("StudyKey", STUDY, key, "replacement"),
        ("StudyInstanceUID", STUDY, "2.25.1", ""),
        ("PatientID", "SENTINEL-1", pseudonym, ""),
        ("PatientName", "SENTINEL^Anna", pseudonym, ""),
        ("PatientBirthDate", "19700101", "", ""),
        ("AccessionNumber", "SENTINEL-A1", "", ""),
    }


def test_what_is_not_recorded_is_not_found_but_written_down(recorded: tuple[str, StudyKey, str]) -> None:
    url, *_ = recorded
    assert pairs(url, "SENTINEL-2", "PatientID") == set()
    assert execute(url, "SELECT attribute, hits FROM identity_access") == [("PatientID", 0)]
    with ledger_of(url) as ledger, pytest.raises(ConfigurationError, match="Give a value"):
        look_up(ledger, " ", SOMEBODY)


def test_the_log_says_who_when_why_and_what_kind_but_not_what(recorded: tuple[str, StudyKey, str]) -> None:
    url, *_ = recorded
    pairs(url, "SENTINEL-1", "PatientID")
    pairs(url, "SENTINEL-A1")
    with ledger_of(url) as ledger:
        first, second = entries(ledger)
        (of_value,) = entries(ledger, value=" SENTINEL-A1")
        assert list(entries(ledger, since=NOON + timedelta(seconds=1))) == []
        assert len(list(entries(ledger, since=NOON))) == 2
        assert list(entries(ledger, value="SENTINEL-2")) == []
    assert (first.at, first.account, first.host, first.action) == (NOON, "anna", "desk", "lookup")
    assert (first.attribute, first.hits, first.reason) == ("PatientID", 2, "because of SENTINEL-REASON")
    assert (second.attribute, second.hits) == ("anything", 1)
    assert of_value == second != first
    assert "SENTINEL" not in repr(first)
    hashes = str(execute(url, "SELECT value_hash FROM identity_access"))
    assert names_nothing_identified(hashes)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE identity_access SET reason = 'none'",
        "DELETE FROM identity_access",
        "INSERT OR REPLACE INTO identity_access SELECT * FROM identity_access",
        "TRUNCATE identity_access",
    ],
)
def test_rows_of_the_log_are_neither_changed_nor_deleted(recorded: tuple[str, StudyKey, str], statement: str) -> None:
    url, *_ = recorded
    if ("REPLACE" in statement and "sqlite" not in url) or ("TRUNCATE" in statement and "sqlite" in url):
        return  # the other database's statement
    pairs(url, "SENTINEL-1")
    before = execute(url, "SELECT * FROM identity_access")
    with pytest.raises(exc.DBAPIError, match="append-only"):
        execute(url, statement)
    assert execute(url, "SELECT * FROM identity_access") == before


def test_without_a_row_in_the_log_there_is_no_answer_and_no_export(
    recorded: tuple[str, StudyKey, str], tmp_path: Path
) -> None:
    url, *_ = recorded
    execute(url, "ALTER TABLE identity_access RENAME TO identity_access_elsewhere")
    with ledger_of(url) as ledger:
        with pytest.raises(ConfigurationError, match="IDENTITY_DB_URL"):
            look_up(ledger, "SENTINEL-1", SOMEBODY)
        for export in (export_csv, export_json):
            with pytest.raises(ConfigurationError, match="IDENTITY_DB_URL"):
                export(ledger, tmp_path / "all", SOMEBODY)
    assert not [path for path in tmp_path.iterdir() if "all" in path.name]


def test_the_rights_that_the_page_names_suffice_on_postgresql_and_leave_the_log_alone(
    new_postgresql_url: Callable[[], str],
) -> None:
    url = new_postgresql_url()
    opened(url).close()
    page = (REPOSITORY / "docs" / "identity.md").read_text()
    role = f"runner_{url.rpartition('_')[2]}"
    (schema,) = {str(row[0]) for row in execute(url, "SELECT current_schema()")}
    execute(url, f"CREATE ROLE {role} LOGIN")
    execute(url, f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    for statement in page.partition("```sql\n")[2].partition("```")[0].replace("dicom_assets", role).split(";"):
        if statement.strip():
            execute(url, statement)
    limited = url.replace(f"//{LOGIN}:", f"//{role}:")
    identity_db = opened(limited)
    assert identity_db.record(identity_db.study_key(STUDY), PATIENT, UIDS, {"PatientName": {"S": "P"}}, LEVELS) == UIDS
    assert identity_db.record(identity_db.study_key("1.2"), PATIENT, UIDS, {}) == UIDS
    assert {one[0] for one in pairs(limited, STUDY)} == {"StudyKey", "StudyInstanceUID"}
    for statement in ("DELETE FROM identity_access", "TRUNCATE identity_access", "DELETE FROM identity_uid"):
        with pytest.raises(exc.ProgrammingError, match="permission denied"):
            execute(limited, statement)


@pytest.mark.parametrize("reason", ["", " \n", "-", "x" * 1001])
def test_a_reason_that_is_none_is_refused(reason: str) -> None:
    with pytest.raises(ConfigurationError, match="Say why"):
        asker(reason)


def test_who_asks_is_told_by_the_system_not_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "SENTINEL")
    who = asker(" recall \n of a device ")
    assert who.reason == "recall of a device"
    assert "SENTINEL" not in who.account
    assert "recall" not in repr(who)


def test_an_export_has_everything_for_its_owner_alone(recorded: tuple[str, StudyKey, str], tmp_path: Path) -> None:
    url, key, pseudonym = recorded
    with ledger_of(url) as ledger:
        number = export_csv(ledger, tmp_path / "all.csv", SOMEBODY)
        assert export_json(ledger, tmp_path / "all.json", SOMEBODY) == number == 10
    with (tmp_path / "all.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    objects = json.loads((tmp_path / "all.json").read_text())
    assert [{name: "" if value is None else str(value) for name, value in one.items()} for one in objects] == table
    assert tuple(table[0]) == COLUMNS
    offset = opened(url).subject(PATIENT).date_offset_days
    assert objects[0] == {
        "attribute": "PatientID",
        "original": "SENTINEL-1",
        "replacement": pseudonym,
        "study": "",
        "issuer": "HOSPITAL",
        "date_offset_days": offset,
        "origin": "recorded",
    }
    assert {(one["original"], one["replacement"], one["study"]) for one in objects if one["attribute"] == "UID"} == {
        (FRAME, "2.25.4", key)
    }
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("all.csv", "all.json")} == {0o600}
    assert execute(url, "SELECT action, attribute, hits FROM identity_access ORDER BY id") == [
        ("export", "csv", 10),
        ("export", "json", 10),
    ]


def test_statistics_count_and_show_no_value(recorded: tuple[str, StudyKey, str]) -> None:
    url, *_ = recorded
    with ledger_of(url) as ledger:
        counts = statistics(ledger)
    told = {(one.what, one.detail): one.number for one in counts}
    assert told["patients", ""] == told["studies", ""] == told["UIDs", "UID, recorded"] == 1
    assert told["UIDs", "SOPInstanceUID, recorded"] == told["values", "AccessionNumber, recorded"] == 1
    assert (told["accesses", ""], told["encrypted", ""]) == (0, "no")
    assert names_nothing_identified(str(counts))
    assert STUDY not in str(counts)


def plans(url: str, work: Callable[[Connection], object]) -> list[str]:
    """What the database means to do for each SELECT of some work."""
    engine, found = engine_for(url), []
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET enable_seqscan = off"))  # a table of a few rows is never worth an index

        def before(_connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
            if statement.startswith("SELECT"):
                raw = connection.connection.cursor()
                raw.execute(explain + statement, parameters)
                found.append("\n".join(str(row[-1]) for row in raw.fetchall()))
                raw.close()

        event.listen(engine, "before_cursor_execute", before)
        work(connection)
    engine.dispose()
    return found


ENTRY = queries.PatientEntry("HOSPITAL", "SENTINEL-1")


@pytest.mark.parametrize(
    "work",
    [
        lambda connection: queries.find_mapped(connection, [STUDY, SERIES, INSTANCE]),
        lambda connection: queries.find_taken(connection, ["2.25.1", "2.25.2"]),
        lambda connection: queries.find_key(connection, STUDY),
        lambda connection: queries.find_study_uid(connection, "S0123456789AB"),
        lambda connection: queries.find_patient(connection, ENTRY, "HOSPITAL"),
        lambda connection: queries.find_patient(connection, ENTRY._replace(issuer=""), "HOSPITAL"),
        lambda connection: queries.is_pseudonym_taken(connection, "P"),
        lambda connection: connection.execute(select(tables.uid).where(tables.uid.c.replacement == "2.25.1")),
        lambda connection: connection.execute(select(tables.uid).where(tables.uid.c.study_key == "S")),
        lambda connection: connection.execute(select(tables.value).where(tables.value.c.original == "SENTINEL-A1")),
        lambda connection: connection.execute(select(tables.value).where(tables.value.c.replacement == "P")),
        lambda connection: connection.execute(select(tables.value).where(tables.value.c.study_key == "S")),
        lambda connection: connection.execute(select(tables.study).where(tables.study.c.patient_id == 1)),
    ],
)
def test_what_is_asked_for_every_study_or_lookup_goes_by_an_index(
    recorded: tuple[str, StudyKey, str], work: Callable[[Connection], object]
) -> None:
    url, *_ = recorded
    found = plans(url, work)
    assert found
    for plan in found:
        assert "Index" in plan or "INDEX" in plan, plan
        assert "Seq Scan" not in plan
        assert "SCAN" not in plan.replace("Bitmap Heap Scan", ""), plan
