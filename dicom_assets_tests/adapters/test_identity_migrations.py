"""A database of an earlier program is brought to the newest schema with everything that is in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config

from dicom_assets.adapters.identity_db import schema
from dicom_assets.adapters.identity_db.integrity import check_integrity
from dicom_assets.adapters.identity_db.ledger import keyed_hash
from dicom_assets.adapters.identity_db.standing import secret_mark
from dicom_assets.adapters.identity_db.verdict import Outcome
from dicom_assets.deidentification.derivation import derive_pseudonym, derive_study_key, derive_uid
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import PatientIdentity, StudyKey, Subject
from dicom_assets_tests.adapters.builders import engine_for
from dicom_assets_tests.adapters.identity_builders import OTHER_SECRET, dry, execute, ledger_of, opened
from dicom_assets_tests.adapters.identity_processes import SECRET

STUDY, INSTANCE = "1.2.840.99999.1", "1.2.840.99999.1.1.1"
MOMENT = "2024-01-02 03:04:05.000000"


def at_revision(url: str, revision: str) -> None:
    """Bring an empty database to a revision of the schema."""
    engine = engine_for(url)
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", schema._script_location())
        command.upgrade(config, revision)
    engine.dispose()


@pytest.fixture
def old(database_url: str) -> str:
    """A database as version 0.1.0 left it: one study of one patient, under revision 0001."""
    at_revision(database_url, "0001")
    key, pseudonym = derive_study_key(SECRET, STUDY), derive_pseudonym(SECRET, "HOSPITAL", "SENTINEL-1")

    def insert(table: str, columns: str, **values: object) -> None:
        named = ", ".join(f":{name.strip()}" for name in columns.split(","))
        execute(database_url, f"INSERT INTO identity_{table} ({columns}) VALUES ({named})", **values)

    insert("meta", "name, value", name="secret_check", value=secret_mark(SECRET))
    patient = {"original_id": "SENTINEL-1", "issuer": "HOSPITAL", "pseudonym": pseudonym}
    columns = "original_id, issuer, pseudonym, date_offset_days, issued_at"
    insert("patient", columns, **patient, date_offset_days=-7, issued_at=MOMENT)
    columns = "key, original_study_uid, patient_id, issued_at"
    insert("study", columns, key=key, original_study_uid=STUDY, patient_id=1, issued_at=MOMENT)
    for uid in (STUDY, INSTANCE):
        replacement = derive_uid(SECRET, "2.25", uid)
        insert("uid", "original, replacement, study_key", original=uid, replacement=replacement, study_key=key)
    insert(
        "value",
        "study_key, keyword, original, replacement, fingerprint",
        study_key=key,
        keyword="AccessionNumber",
        original="SENTINEL-A",
        replacement="",
        fingerprint=keyed_hash(SECRET, "AccessionNumber", "SENTINEL-A", ""),
    )
    return database_url


def test_everything_recorded_stays_in_force(old: str) -> None:
    identity_db = opened(old)
    key = identity_db.study_key(STUDY)
    patient = PatientIdentity("SENTINEL-1", "HOSPITAL")
    assert key == derive_study_key(SECRET, STUDY)
    assert identity_db.subject(patient) == Subject(derive_pseudonym(SECRET, "HOSPITAL", "SENTINEL-1"), -7)
    assert set(identity_db.replacements([STUDY, INSTANCE])) == {STUDY, INSTANCE}
    identity_db.record(key, patient, {}, {"AccessionNumber": {"SENTINEL-A": "", "SENTINEL-B": ""}})
    assert execute(old, "SELECT original FROM identity_value ORDER BY id") == [("SENTINEL-A",), ("SENTINEL-B",)]
    assert sorted(execute(old, "SELECT original, level FROM identity_uid")) == [(STUDY, "study"), (INSTANCE, None)]
    with ledger_of(old) as ledger:
        assert {one.outcome for one in check_integrity(ledger)} == {Outcome.PASSED}


def test_another_secret_is_refused_before_and_after(old: str) -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="another secret than the one in IDENTITY_SECRET_FILE"):
            opened(old, OTHER_SECRET)
        revision = execute(old, "SELECT version_num FROM identity_schema_version")
    assert revision == [("0001",)]  # what is refused is left as it was
    opened(old).close()
    assert execute(old, "SELECT version_num FROM identity_schema_version") == [("0002",)]


def test_a_dry_run_does_not_upgrade(old: str) -> None:
    with pytest.raises(ConfigurationError, match="older than this program"):
        dry(old)
    assert execute(old, "SELECT version_num FROM identity_schema_version") == [("0001",)]


def test_new_rows_keep_their_constraints(old: str) -> None:
    identity_db = opened(old)
    with pytest.raises(ConfigurationError, match="S0123456789AB"):
        identity_db.record(StudyKey("S0123456789AB"), PatientIdentity("SENTINEL-1"), {"1.1": "2.25.1"}, {})
    indices = {str(row[0]) for row in execute(old, _indices_of(old))}
    assert {"ix_identity_uid_study_key", "identity_value_once_without_study", "identity_value_original"} <= indices


def _indices_of(url: str) -> str:
    if "sqlite" in url:
        return "SELECT name FROM sqlite_master WHERE type = 'index'"
    return "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"


@pytest.mark.parametrize("open_", [opened, dry])
def test_a_schema_of_a_newer_program_is_refused_and_left_alone(old: str, open_: Callable[[str], object]) -> None:
    opened(old).close()
    execute(old, "UPDATE identity_schema_version SET version_num = '0003'")
    with pytest.raises(ConfigurationError, match=r"newer one made it; update dicom_assets"):
        open_(old)
    assert execute(old, "SELECT version_num FROM identity_schema_version") == [("0003",)]
