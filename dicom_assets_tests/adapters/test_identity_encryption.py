"""With a key, an SQLite identity database holds nothing that identifies in the clear."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_assets.adapters.identity_db import encryption
from dicom_assets.adapters.identity_db.encryption import reseal
from dicom_assets.adapters.identity_db.governing import declare_default_issuer
from dicom_assets.adapters.identity_db.integrity import check_integrity
from dicom_assets.adapters.identity_db.legacy import export_legacy, import_legacy
from dicom_assets.adapters.identity_db.lookup import look_up
from dicom_assets.adapters.identity_db.sealing import Cipher
from dicom_assets.adapters.identity_db.verdict import Outcome
from dicom_assets.errors import ConfigurationError, TransientError
from dicom_assets.study import PatientIdentity
from dicom_assets_tests.adapters.identity_builders import KEY, SECRET, SOMEBODY, dry, execute, ledger_of, opened
from dicom_assets_tests.deidentification.builders import an_image
from dicom_assets_tests.legacy_identity import OldProgram

OTHER_KEY = b"another key of at least thirty-two bytes"
STUDY = "1.2.840.99999.1"
PATIENT = PatientIdentity("SENTINEL-MRN", "SENTINEL-ISSUER", "SENTINEL^Anna", "19700101")
UIDS = {STUDY: "2.25.1", f"{STUDY}.1": "2.25.2", **{f"{STUDY}.1.{n}": f"2.25.3{n}" for n in range(300)}}
VALUES = {"PatientName": {"SENTINEL^Anna": "P"}, "AccessionNumber": {"SENTINEL-A1": "SENTINEL-A1", "": ""}}
ODD = {"2.25.1": "2.25.99"}  # one of our replacements as an original
PLANTED = (b"SENTINEL", STUDY.encode())


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where a database may be made."""
    return f"sqlite:///{tmp_path / 'identity.db'}"


def filled(url: str, key: bytes | None) -> None:
    """Record a study, look something up, declare an issuer, import a legacy file."""
    with closing(opened(url, key=key)) as identity_db:
        identity_db.record(identity_db.study_key(STUDY), PATIENT, UIDS | ODD, VALUES)
    program = OldProgram(Path(url.removeprefix("sqlite:///")).parent / "legacy.sqlite")
    uids = {"StudyInstanceUID": f"{STUDY}.7", "SeriesInstanceUID": f"{STUDY}.7.1", "SOPInstanceUID": f"{STUDY}.7.1.1"}
    program.anonymize(an_image(PatientName="SENTINEL^Bert", **uids))
    with ledger_of(url, key=key) as ledger:
        look_up(ledger, "SENTINEL-MRN", SOMEBODY)
        import_legacy(ledger, program.close())
        declare_default_issuer(ledger, "SENTINEL-ISSUER")
    program.path.unlink()


def leaks(folder: Path) -> list[tuple[str, bytes]]:
    """Planted identifiers in the database's files: the file itself, its log, its journal."""
    files = [path for path in folder.iterdir() if path.name.startswith("identity.db")]
    return [(path.name, word) for path in files for word in PLANTED if word in path.read_bytes()]


def recorded(url: str, key: bytes | None) -> list[object]:
    """Everything that can be asked."""
    with closing(opened(url, key=key)) as identity_db:
        asked = [identity_db.replacements([*UIDS, f"{STUDY}.7"]), identity_db.subject(PATIENT), identity_db.studies()]
    with ledger_of(url, key=key) as ledger:
        return [*asked, look_up(ledger, "SENTINEL^Anna", SOMEBODY), look_up(ledger, "P", SOMEBODY)]


def test_a_new_database_with_a_key_never_holds_an_identifier_in_the_clear(tmp_path: Path, url: str) -> None:
    filled(url, KEY)
    with closing(opened(url, key=KEY)) as identity_db:
        identity_db.record(identity_db.study_key(f"{STUDY}.8"), PATIENT, {f"{STUDY}.8": "2.25.8"}, VALUES)
        assert (tmp_path / "identity.db-wal").stat().st_size > 0
        assert leaks(tmp_path) == []
    assert leaks(tmp_path) == []


def test_without_a_key_the_search_would_find_what_is_planted(tmp_path: Path, url: str) -> None:
    filled(url, None)
    assert {word for _, word in leaks(tmp_path)} == set(PLANTED)


def test_encrypting_leaves_nothing_of_what_was_there_and_decrypting_brings_it_back(tmp_path: Path, url: str) -> None:
    filled(url, None)
    before = recorded(url, None)
    rows = {table: execute(url, f"SELECT * FROM {table}") for table in ("identity_uid", "identity_access")}
    with ledger_of(url) as ledger:
        reseal(ledger, KEY)
    assert leaks(tmp_path) == []
    assert recorded(url, KEY) == before
    assert leaks(tmp_path) == []
    with ledger_of(url, key=KEY) as ledger:
        failed = [one.name for one in check_integrity(ledger) if one.outcome is Outcome.FAILED]
        assert failed == ["no replacement is an original", "replacements are derived or imported"]  # as planted
        reseal(ledger, OTHER_KEY)
    assert leaks(tmp_path) == []
    assert recorded(url, OTHER_KEY) == before
    with ledger_of(url, key=OTHER_KEY) as ledger:
        reseal(ledger, None)
    assert recorded(url, None) == before
    assert sorted(execute(url, "SELECT * FROM identity_uid")) == sorted(rows["identity_uid"])
    assert execute(url, "SELECT * FROM identity_access")[: len(rows["identity_access"])] == rows["identity_access"]


def test_the_access_log_is_append_only_after_encrypting_too(url: str) -> None:
    filled(url, None)
    with ledger_of(url) as ledger:
        reseal(ledger, KEY)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        for statement in ("DELETE FROM identity_access", "UPDATE identity_access SET hits = 0"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


@pytest.mark.parametrize("open_", [opened, dry])
@pytest.mark.parametrize(
    ("made_with", "opened_with", "message"),
    [
        (KEY, None, "is encrypted: name the file of its key in IDENTITY_KEY_FILE"),
        (KEY, OTHER_KEY, "another key than the one in IDENTITY_KEY_FILE"),
        (None, KEY, "is not encrypted: do so with `dicom-assets identity encrypt`"),
    ],
)
def test_another_key_or_none_is_refused_in_words(
    url: str, open_: Callable[..., object], made_with: bytes | None, opened_with: bytes | None, message: str
) -> None:
    opened(url, key=made_with).close()
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_(url, SECRET, opened_with)
    assert "bytes" not in str(caught.value)


def test_a_key_is_refused_for_a_server(new_postgresql_url: Callable[[], str]) -> None:
    url = new_postgresql_url()
    with pytest.raises(ConfigurationError, match="IDENTITY_KEY_FILE is for SQLite"):
        opened(url, key=KEY)
    with ledger_of(url) as ledger, pytest.raises(ConfigurationError, match="IDENTITY_KEY_FILE is for SQLite"):
        reseal(ledger, KEY)


def test_who_has_the_file_open_is_stopped_and_keeps_the_log_from_being_emptied(tmp_path: Path, url: str) -> None:
    filled(url, None)
    before = opened(url)
    with closing(sqlite3.connect(tmp_path / "identity.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM identity_uid").fetchone()
        with ledger_of(url) as ledger, pytest.MonkeyPatch.context() as patch:
            patch.setattr(encryption, "BUSY_TIMEOUT_SECONDS", 0.05)
            with pytest.raises((TransientError, ConfigurationError), match=r"with the new key in force"):
                reseal(ledger, KEY)
    with pytest.raises(ConfigurationError, match="start again"):
        before.study_key("1.2.3")
    before.close()
    with ledger_of(url, key=KEY) as ledger:
        reseal(ledger, KEY)
    assert leaks(tmp_path) == []


def test_an_encryption_that_fails_halfway_changes_nothing(url: str) -> None:
    filled(url, None)
    before = recorded(url, None)
    execute(url, "CREATE TRIGGER halfway BEFORE UPDATE ON identity_value BEGIN SELECT RAISE(ABORT, 'x'); END")
    with ledger_of(url) as ledger, pytest.raises(Exception, match="IDENTITY_DB_URL"):
        reseal(ledger, KEY)
    execute(url, "DROP TRIGGER halfway")
    assert recorded(url, None) == before


def test_a_value_moved_to_another_column_or_altered_is_noticed(url: str) -> None:
    filled(url, KEY)
    execute(url, "UPDATE identity_patient SET original_id = issuer")
    with closing(opened(url, key=KEY)) as identity_db, ledger_of(url, key=KEY) as ledger:
        assert identity_db.studies()
        with pytest.raises(ConfigurationError, match=r"identity_patient\.original_id.*does not decrypt"):
            check_integrity(ledger)


def test_an_encrypted_database_exports_in_the_clear_for_those_who_ask(tmp_path: Path, url: str) -> None:
    filled(url, KEY)
    with ledger_of(url, key=KEY) as ledger:
        export_legacy(ledger, tmp_path / "legacy.db", SOMEBODY)
    with closing(sqlite3.connect(tmp_path / "legacy.db")) as connection:
        assert connection.execute("SELECT original FROM patientsname ORDER BY id").fetchall() == [
            ("SENTINEL^Anna",),
            ("SENTINEL^Bert",),
        ]


@given(st.text(), st.text())
def test_equal_texts_are_sealed_alike_and_all_come_back(text: str, other: str) -> None:
    texts = [one.encode("utf-8", "replace").decode() for one in (text, other)]
    cipher = Cipher(KEY)
    sealed = [cipher.seal("column", one) for one in texts]
    assert [cipher.open("column", one) for one in sealed] == texts
    assert (sealed[0] == sealed[1]) == (texts[0] == texts[1])
    assert sealed[0] == Cipher(KEY).seal("column", texts[0]) != Cipher(OTHER_KEY).seal("column", texts[0])
    assert sealed[0] != cipher.seal("another column", texts[0])


def test_the_longest_uid_fits_its_column_sealed() -> None:
    assert len(Cipher(KEY).seal("identity_uid.original", "1." * 31 + "12")) == 128
