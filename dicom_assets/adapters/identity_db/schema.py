"""Brings an identity database to the newest schema, and refuses one that is not ours or not our secret's."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text

from dicom_assets.adapters.databases import Database, open_database, parse_url, sqlite_path
from dicom_assets.adapters.identity_db.queries import insert_or_ignore
from dicom_assets.adapters.identity_db.tables import VERSION_TABLE, meta
from dicom_assets.deidentification.derivation import check_secret
from dicom_assets.errors import ConfigurationError

SETTING = "IDENTITY_DB_URL"
SECRET_SETTING = "IDENTITY_SECRET_FILE"  # noqa: S105 - the name of a setting
_SECRET_CHECK = "secret_check"  # noqa: S105 - the name of a row
_ADVISORY_LOCK = 0x1DE471D8
_alembic_lock = threading.Lock()  # alembic.context is one per process


def open_upgraded(url: str, secret: bytes) -> Database:
    """The database at head, made if there is none; processes that open it at once wait for each other.

    Raises:
        ConfigurationError: it does not open, holds something else, is newer than this program, or was made with
            another secret.
    """
    check_secret(secret)
    _require_supported(url)
    parsed = parse_url(url, SETTING)
    if parsed.get_backend_name() == "sqlite":
        _create_file(sqlite_path(parsed, SETTING))
    database = open_database(url, SETTING)
    try:
        with database.writing() as connection:
            _upgrade(connection)
            _record_secret_mark(connection, secret)
        _use_write_ahead_log(database)
    except BaseException:
        database.close()
        raise
    return database


def open_existing(url: str, secret: bytes) -> Database | None:
    """The database for reading only; None where there is none yet, or an empty one. Nothing is written.

    Raises:
        ConfigurationError: as for `open_upgraded`, and where the schema is older than this program.
    """
    check_secret(secret)
    _require_supported(url)
    parsed = parse_url(url, SETTING)
    if parsed.get_backend_name() == "sqlite" and not sqlite_path(parsed, SETTING).exists():
        return None
    database = open_database(url, SETTING, read_only=True)
    try:
        with database.reading() as connection:
            found = _revision(connection)
            if found is not None and found != _scripts().get_current_head():
                raise ConfigurationError(f"{SETTING}: the schema is older than this program; run once without dry_run.")
            if found is not None:
                _compare_secret(connection, secret)
    except BaseException:
        database.close()
        raise
    if found is None:
        database.close()
    return database if found is not None else None


def secret_mark(secret: bytes) -> str:
    """A keyed value that tells whether a secret is the one that a database was made with, and nothing of it."""
    return hmac.digest(secret, b"dicom_assets identity database, check of the secret", hashlib.sha256).hex()[:32]


def _require_supported(url: str) -> None:
    if parse_url(url, SETTING).get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError(f"{SETTING}: use an sqlite or a postgresql URL.")


def _create_file(path: Path) -> None:
    """Make an empty database in WAL mode that only its owner may read, unless there is a file.

    It appears under its name at once and whole, so that no other process sees it half made.
    """
    if path.exists():
        return
    if not path.parent.is_dir():
        raise ConfigurationError(f"{SETTING}: there is no folder {path.parent}; create it, readable by its owner only.")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        draft.touch(mode=0o600, exist_ok=False)
        connection = sqlite3.connect(draft)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
        os.link(draft, path)
    except FileExistsError:
        return
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(f"{SETTING}: {path} can't be created ({type(error).__name__}).") from None
    finally:
        draft.unlink(missing_ok=True)


def _use_write_ahead_log(database: Database) -> None:
    """Switch an SQLite file that somebody else made; those we made are in WAL mode from the start."""
    if database.engine.dialect.name != "sqlite":
        return
    connection = database.engine.raw_connection()  # the mode can't be changed inside a transaction
    try:
        cursor = connection.cursor()
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()
    except sqlite3.Error as error:
        raise ConfigurationError(
            f"{SETTING}: {database.place} can't be switched to WAL mode ({error.sqlite_errorname})."
        ) from None
    finally:
        connection.close()


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))  # a migration may take long; the others wait for it
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    if _revision(connection) == _scripts().get_current_head():
        return
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", _script_location().replace("%", "%%"))
    with _alembic_lock:
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    """The revision of the schema; None for a database without our tables."""
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE not in tables:
        if "studyinstanceuid" in tables:
            raise ConfigurationError(f"{SETTING} points to a legacy identity.db; name a new database and import it.")
        if tables and connection.dialect.name == "sqlite":
            raise ConfigurationError(f"{SETTING} points to a file that holds other tables; name a file of its own.")
        return None
    found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    if found is not None and found not in {script.revision for script in _scripts().walk_revisions()}:
        raise ConfigurationError(
            f"{SETTING}: the schema's revision is unknown to this program, so a newer one made it; update dicom_assets."
        )
    return found


def _record_secret_mark(connection: Connection, secret: bytes) -> None:
    insert_or_ignore(connection, meta, [{"name": _SECRET_CHECK, "value": secret_mark(secret)}])
    _compare_secret(connection, secret)


def _compare_secret(connection: Connection, secret: bytes) -> None:
    recorded = connection.execute(select(meta.c.value).where(meta.c.name == _SECRET_CHECK)).scalar_one_or_none()
    if recorded is None or not hmac.compare_digest(recorded, secret_mark(secret)):
        raise ConfigurationError(
            f"The identity database ({SETTING}) was made with another secret than the one in {SECRET_SETTING}; with "
            "this one, patients would get second pseudonyms. Put the former secret back, or name another database."
        )


def _script_location() -> str:
    return str(Path(__file__).parent / "migrations")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(_script_location())
