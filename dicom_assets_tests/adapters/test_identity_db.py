"""The identity database gives each original one replacement, for ever and for everybody."""

from __future__ import annotations

import multiprocessing
import stat
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from random import Random

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from dicom_assets.adapters.identity_db import (
    DryRunIdentityDatabase,
    IdentityDatabase,
    database,
    dry_run,
    issuing,
    tables,
)
from dicom_assets.deidentification import EpochRequest
from dicom_assets.errors import ConfigurationError, StudyError
from dicom_assets.steps.ports import IdentityDb
from dicom_assets.study import PatientIdentity, StudyKey, Subject
from dicom_assets_tests.adapters.builders import NOON, engine_for, names_nothing_identified, sqlite_file
from dicom_assets_tests.adapters.identity_processes import SECRET, meet_at, open_and_record

UID = "1.2.840.99999.1"
PATIENT = PatientIdentity("SENTINEL-1", issuer="HOSPITAL")


@pytest.fixture
def identity_db(database_url: str) -> IdentityDatabase:
    """An identity database made just now."""
    return opened(database_url)


def opened(url: str, secret: bytes = SECRET) -> IdentityDatabase:
    return IdentityDatabase.open(url, secret, clock=lambda: NOON)


def dry(url: str, secret: bytes = SECRET) -> DryRunIdentityDatabase:
    return IdentityDatabase.open_for_dry_run(url, secret)


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = engine_for(url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


def test_adapters_fulfil_the_port(database_url: str) -> None:
    ports: list[IdentityDb] = [opened(database_url), dry(database_url)]
    assert len({port.study_key(UID) for port in ports}) == 1


def test_study_keeps_its_key_over_restarts_and_the_key_leads_back(database_url: str) -> None:
    key = opened(database_url).study_key(UID)
    again = opened(database_url)
    assert again.study_key(UID) == key
    assert again.original_study_uid(key) == UID
    assert again.find_key(UID) == key


def test_looking_for_a_key_issues_none(identity_db: IdentityDatabase) -> None:
    assert identity_db.find_key(UID) is None
    assert list(identity_db.studies()) == []


def test_studies_are_listed_without_showing_originals(identity_db: IdentityDatabase) -> None:
    key = identity_db.study_key(UID)
    (issued,) = identity_db.studies()
    assert issued == (key, UID, NOON)
    assert UID not in repr(issued)


@pytest.mark.parametrize("key", ["S0123456789AB", "SENTINEL", "1.2.840.99999.1"])
def test_unknown_key_is_told_with_what_to_do(identity_db: IdentityDatabase, key: str) -> None:
    with pytest.raises(ConfigurationError, match="`dicom-assets studies`") as caught:
        identity_db.original_study_uid(StudyKey(key))
    assert names_nothing_identified(str(caught.value))
    assert (key in str(caught.value)) == (key == "S0123456789AB")


def test_patient_keeps_pseudonym_and_offset_over_restarts(database_url: str) -> None:
    subject = opened(database_url).subject(PATIENT)
    assert opened(database_url).subject(PATIENT) == subject
    assert opened(database_url).subject(PatientIdentity(" SENTINEL-1 ", "HOSPITAL ")) == subject


def test_new_patients_offset_is_reckoned_from_the_epoch_and_stays(database_url: str) -> None:
    epoch = date(1970, 1, 1)
    first = EpochRequest(epoch, date(1970, 1, 11))
    dry_run = dry(database_url)
    assert dry_run.subject(PATIENT, first).date_offset_days == -10
    subject = opened(database_url).subject(PATIENT, first)
    assert subject == dry_run.subject(PATIENT, first) == Subject(subject.patient_id, -10)
    for later in (None, EpochRequest(epoch, date(1980, 1, 1)), EpochRequest(epoch, None)):
        assert opened(database_url).subject(PATIENT, later) == dry(database_url).subject(PATIENT, later) == subject


def test_new_patient_without_any_date_gets_no_offset_from_an_epoch(database_url: str) -> None:
    for port in (opened(database_url), dry(database_url)):
        with pytest.raises(StudyError, match="epoch"):
            port.subject(PATIENT, EpochRequest(date(1970, 1, 1), None))
    assert opened(database_url).subject(PATIENT).date_offset_days < 0


def test_same_id_of_another_issuer_is_another_patient(identity_db: IdentityDatabase) -> None:
    other = PatientIdentity(PATIENT.patient_id, issuer="OTHER")
    assert identity_db.subject(other).patient_id != identity_db.subject(PATIENT).patient_id


def test_patient_without_id_is_told_by_name_and_birth_date(identity_db: IdentityDatabase) -> None:
    anna, bert = (PatientIdentity("", patient_name=name, birth_date="20000101") for name in ("Anna", "Bert"))
    assert identity_db.subject(anna).patient_id != identity_db.subject(bert).patient_id
    assert identity_db.subject(anna) == identity_db.subject(anna)


@pytest.mark.parametrize("known", [{}, {"patient_name": "UNKNOWN"}, {"birth_date": "19000101"}])
def test_patient_of_whom_too_little_is_known_gets_no_pseudonym(database_url: str, known: dict[str, str]) -> None:
    for port in (opened(database_url), dry(database_url)):
        with pytest.raises(StudyError, match=r"\(0010,0020\)"):
            port.subject(PatientIdentity(" ", **known))


def test_recorded_replacement_wins_over_another(identity_db: IdentityDatabase) -> None:
    key = identity_db.study_key(UID)
    assert identity_db.record(key, PATIENT, {"1.1": "2.25.1"}, {}) == {"1.1": "2.25.1"}
    assert identity_db.record(key, PATIENT, {"1.1": "2.25.9", "1.2": "2.25.2"}, {}) == {
        "1.1": "2.25.1",
        "1.2": "2.25.2",
    }
    assert identity_db.replacements(["1.1", "1.2", "1.3"]) == {"1.1": "2.25.1", "1.2": "2.25.2"}


def test_thousands_of_uids_go_in_and_come_back(database_url: str) -> None:
    uids = {f"1.2.{number}": f"2.25.{number}" for number in range(3000)}
    identity_db = opened(database_url)
    assert identity_db.record(identity_db.study_key(UID), PATIENT, uids, {}) == uids
    assert opened(database_url).replacements(uids) == uids
    assert dry(database_url).replacements(uids) == uids


def test_study_is_linked_with_its_patient(database_url: str) -> None:
    identity_db = opened(database_url)
    key = identity_db.study_key(UID)
    identity_db.record(key, PATIENT, {}, {})
    rows = execute(
        database_url,
        "SELECT s.key, p.original_id, p.issuer FROM identity_study s JOIN identity_patient p ON p.id = s.patient_id",
    )
    assert rows == [(key, "SENTINEL-1", "HOSPITAL")]


def test_study_of_a_patient_who_was_corrected_is_linked_with_the_right_one(database_url: str) -> None:
    identity_db = opened(database_url)
    key = identity_db.study_key(UID)
    identity_db.record(key, PatientIdentity("WRONG"), {}, {})
    identity_db.record(key, PATIENT, {}, {})
    rows = execute(
        database_url, "SELECT p.original_id FROM identity_study s JOIN identity_patient p ON p.id = s.patient_id"
    )
    assert rows == [("SENTINEL-1",)]


def test_values_are_kept_for_lookup_each_pair_once(database_url: str) -> None:
    identity_db = opened(database_url)
    key = identity_db.study_key(UID)
    long = "long" * 5000
    odd = "undecodable\udcff\0"
    values = {"AccessionNumber": {"A1": "", long: "x"}, "PatientName": {odd: "P1"}}
    identity_db.record(key, PATIENT, {}, values)
    identity_db.record(key, PATIENT, {}, values)
    identity_db.record(key, PATIENT, {}, {"PatientName": {odd: "P2"}})
    rows = execute(database_url, "SELECT keyword, original, replacement FROM identity_value")
    assert sorted(rows, key=str) == [
        ("AccessionNumber", "A1", ""),
        ("AccessionNumber", long, "x"),
        ("PatientName", "undecodable\\udcff", "P1"),
        ("PatientName", "undecodable\\udcff", "P2"),
    ]


def test_nothing_is_recorded_of_a_study_whose_replacement_is_anothers(database_url: str) -> None:
    identity_db = opened(database_url)
    key = identity_db.study_key(UID)
    identity_db.record(key, PATIENT, {"1.1": "2.25.1"}, {})
    for port in (identity_db, dry(database_url)):
        with pytest.raises(StudyError, match="1 replacement UIDs are in use") as caught:
            port.record(key, PATIENT, {"1.2": "2.25.2", "1.3": "2.25.1"}, {})
        assert names_nothing_identified(str(caught.value))
        assert port.replacements(["1.2", "1.3"]) == {}


def test_two_uids_of_one_study_never_share_a_replacement(database_url: str) -> None:
    key = opened(database_url).study_key(UID)
    for port in (opened(database_url), dry(database_url)):
        with pytest.raises(StudyError, match="1 replacement UIDs are in use"):
            port.record(key, PATIENT, {"1.2": "2.25.2", "1.3": "2.25.2"}, {})


def test_mappings_of_a_key_that_was_never_issued_are_refused(database_url: str) -> None:
    for port in (opened(database_url), dry(database_url)):
        with pytest.raises(ConfigurationError, match="S0123456789AB"):
            port.record(StudyKey("S0123456789AB"), PATIENT, {"1.1": "2.25.1"}, {})
        assert port.replacements(["1.1"]) == {}


@pytest.fixture
def colliding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derivations whose first attempt is the same for everybody."""
    for module in (issuing, dry_run):
        monkeypatch.setattr(module, "derive_study_key", lambda _, uid, n: f"S{uid[-3:] if n else 'SAME'}")
    for module in (database, dry_run):
        monkeypatch.setattr(module, "derive_pseudonym", lambda _, issuer, id_, n: f"P{id_ if n else 'SAME'}")


@pytest.mark.usefixtures("colliding")
def test_second_attempt_is_taken_after_a_collision(database_url: str) -> None:
    identity_db = opened(database_url)
    assert [identity_db.study_key(uid) for uid in ("1.101", "1.102", "1.101")] == ["SSAME", "S102", "SSAME"]
    assert [identity_db.subject(PatientIdentity(i)).patient_id for i in "121"] == ["PSAME", "P2", "PSAME"]
    rehearsal = dry(database_url)
    assert [rehearsal.study_key(uid) for uid in ("1.101", "1.103")] == ["SSAME", "S103"]
    assert [rehearsal.subject(PatientIdentity(i)).patient_id for i in "13"] == ["PSAME", "P3"]


def test_derivations_that_all_collide_are_given_up(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (issuing, dry_run):
        monkeypatch.setattr(module, "derive_study_key", lambda *_: "SSAME")
    for module in (database, dry_run):
        monkeypatch.setattr(module, "derive_pseudonym", lambda *_: "PSAME")
    opened(database_url).study_key("1.1")
    opened(database_url).subject(PatientIdentity("1"))
    for port in (opened(database_url), dry(database_url)):
        with pytest.raises(ConfigurationError, match="No free study key"):
            port.study_key("1.2")
        with pytest.raises(ConfigurationError, match="No free pseudonym"):
            port.subject(PatientIdentity("2"))


def test_processes_that_open_and_record_at_once_agree(database_url: str) -> None:
    uids = [f"1.2.{number}" for number in range(500)]
    orders = [tuple(Random(seed).sample(uids, len(uids))) for seed in range(4)]
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload([open_and_record.__module__])
    with ProcessPoolExecutor(4, forking, initializer=meet_at, initargs=(forking.Barrier(4),)) as pool:
        jobs = [pool.submit(open_and_record, database_url, n, order) for n, order in enumerate(orders, start=1)]
        keys, pseudonyms, mappings = zip(*(job.result(120) for job in jobs), strict=True)
    assert len(set(keys)) == len(set(pseudonyms)) == 1
    assert all(mapping == mappings[0] for mapping in mappings)
    assert len(mappings[0]) == len(set(mappings[0].values())) == 500
    assert opened(database_url).replacements(uids) == mappings[0]


def test_another_secret_is_refused_in_words(database_url: str) -> None:
    opened(database_url).close()
    other = b"another secret of enough bytes"
    for open_ in (opened, dry):
        with pytest.raises(ConfigurationError, match="another secret than the one in IDENTITY_SECRET_FILE") as caught:
            open_(database_url, other)
        assert "enough bytes" not in str(caught.value)


def test_secret_is_not_in_the_database(database_url: str) -> None:
    opened(database_url).close()
    ((mark,),) = execute(database_url, "SELECT mark FROM identity_secret")
    assert SECRET.decode() not in str(mark)
    assert SECRET.hex() not in str(mark)


def test_short_secret_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="secret"):
        opened(f"sqlite:///{tmp_path / 'identity.db'}", b"short")
    assert not list(tmp_path.iterdir())


def test_schema_of_a_newer_program_is_refused(database_url: str) -> None:
    opened(database_url).close()
    execute(database_url, "UPDATE identity_schema_version SET version_num = '9999'")
    for open_ in (opened, dry):
        with pytest.raises(ConfigurationError, match=r"IDENTITY_DB_URL.*newer.*update dicom_assets"):
            open_(database_url)


def test_migrations_make_the_tables_that_the_code_uses(database_url: str) -> None:
    opened(database_url).close()
    engine = engine_for(database_url)
    with engine.connect() as connection:
        options = {"version_table": tables.VERSION_TABLE}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)
    engine.dispose()
    assert differences == []


def test_postgresql_database_may_be_shared_with_other_tables(new_postgresql_url: Callable[[], str]) -> None:
    url = new_postgresql_url()
    execute(url, "CREATE TABLE alembic_version (version_num TEXT)")
    assert opened(url).study_key(UID).startswith("S")


def test_sqlite_file_is_for_its_owner_alone_and_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'identity.db'}"
    identity_db = opened(url)
    identity_db.study_key(UID)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["identity.db", "identity.db-shm", "identity.db-wal"], 0o600)
    assert execute(url, "PRAGMA journal_mode") == [("wal",)]


def test_empty_sqlite_file_made_by_somebody_else_is_taken(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'identity.db'}"
    sqlite_file(url).touch()
    opened(url).close()
    assert execute(url, "PRAGMA journal_mode") == [("wal",)]


def test_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"IDENTITY_DB_URL: there is no folder .*absent"):
        opened(f"sqlite:///{tmp_path / 'absent' / 'identity.db'}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("table", "message"), [("studyinstanceuid", "legacy identity.db"), ("x", "other tables")])
def test_file_of_something_else_is_refused_and_left_alone(tmp_path: Path, table: str, message: str) -> None:
    url = f"sqlite:///{tmp_path / 'identity.db'}"
    execute(url, f"CREATE TABLE {table} (id INTEGER)")
    before = sqlite_file(url).read_bytes()
    for open_ in (opened, dry):
        with pytest.raises(ConfigurationError, match=message):
            open_(url)
    assert sqlite_file(url).read_bytes() == before


@pytest.mark.parametrize("open_", [opened, dry])
def test_server_of_another_kind_is_refused(open_: Callable[[str], object]) -> None:
    with pytest.raises(ConfigurationError, match="IDENTITY_DB_URL: use an sqlite or a postgresql URL"):
        open_("mysql://sentinel:sentinel@host/db")


def test_server_that_is_away_is_told_without_password() -> None:
    with pytest.raises(ConfigurationError, match="IDENTITY_DB_URL") as caught:
        opened("postgresql://sentinel:sentinel@127.0.0.1:1/identity")
    assert names_nothing_identified(str(caught.value))


def test_dry_run_answers_like_the_real_one_and_records_nothing(database_url: str) -> None:
    recorded_key = opened(database_url).study_key(UID)
    recorded = opened(database_url).record(recorded_key, PATIENT, {"1.1": "2.25.1"}, {})
    rehearsal = dry(database_url)
    key = rehearsal.study_key("1.9")
    assert rehearsal.study_key(UID) == recorded_key
    assert rehearsal.original_study_uid(key) == "1.9"
    assert rehearsal.original_study_uid(recorded_key) == UID
    assert rehearsal.record(key, PATIENT, {"1.1": "2.25.7", "1.2": "2.25.2"}, {}) == {**recorded, "1.2": "2.25.2"}
    assert rehearsal.replacements(["1.1", "1.2"]) == {"1.1": "2.25.1", "1.2": "2.25.2"}
    new = rehearsal.subject(PatientIdentity("SENTINEL-2"))
    after = opened(database_url)
    assert [study.study_key for study in after.studies()] == [recorded_key]
    assert after.replacements(["1.2"]) == {}
    assert after.study_key("1.9") == key
    assert after.subject(PatientIdentity("SENTINEL-2")) == new == Subject(new.patient_id, new.date_offset_days)


def test_unknown_key_is_unknown_to_a_dry_run_too(database_url: str) -> None:
    with pytest.raises(ConfigurationError, match="S0123456789AB"):
        dry(database_url).original_study_uid(StudyKey("S0123456789AB"))


def test_dry_run_creates_no_file(tmp_path: Path) -> None:
    rehearsal = dry(f"sqlite:///{tmp_path / 'identity.db'}")
    key = rehearsal.study_key(UID)
    assert rehearsal.record(key, PATIENT, {"1.1": "2.25.1"}, {}) == {"1.1": "2.25.1"}
    assert list(rehearsal.studies()) == []
    rehearsal.close()
    assert not list(tmp_path.iterdir())


def test_dry_run_leaves_an_empty_postgresql_database_empty(new_postgresql_url: Callable[[], str]) -> None:
    url = new_postgresql_url()
    dry(url).study_key(UID)
    assert execute(url, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()") == [(0,)]


def test_dry_run_changes_no_byte_and_leaves_no_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'identity.db'}"
    identity_db = opened(url)
    identity_db.study_key(UID)
    identity_db.close()
    before = sqlite_file(url).read_bytes()
    rehearsal = dry(url)
    rehearsal.record(rehearsal.study_key("1.9"), PATIENT, {"1.1": "2.25.1"}, {})
    rehearsal.close()
    assert sqlite_file(url).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["identity.db"]
