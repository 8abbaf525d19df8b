"""Brings an identity database to the newest schema, and refuses one that is not ours, not our secret's or key's."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, inspect, text

from dicom_assets.adapters.databases import Database, open_database, parse_url, sqlite_path
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.refusals import SETTING, encryption_unsupported
from dicom_assets.adapters.identity_db.sealing import Cipher, use_cipher
from dicom_assets.adapters.identity_db.standing import begin, is_begun, read_standing
from dicom_assets.adapters.identity_db.tables import VERSION_TABLE
from dicom_assets.deidentification.derivation import check_secret
from dicom_assets.errors import ConfigurationError

_CACHE_KIBIBYTES = 65_536
"""Of SQLite's pages: replacements have no order, so that recording a study touches pages all over their index."""

_ADVISORY_LOCK = 0x1DE471D8
_alembic_lock = threading.Lock()  # alembic.context is one per process


def now_utc() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def open_upgraded(url: str, secret: bytes, key: bytes | None = None, clock: Callable[[], datetime] = now_utc) -> Ledger:
    """The database at head, made if there is none; processes that open it at once wait for each other.

    Raises:
        ConfigurationError: it does not open, holds something else, is newer than this program, or goes by another
            secret or key.
    """
    check_secret(secret)
    cipher = _cipher(url, key)
    parsed = parse_url(url, SETTING)
    if parsed.get_backend_name() == "sqlite":
        _create_file(sqlite_path(parsed, SETTING))
    database = open_database(url, SETTING)
    try:
        _prepare(database, cipher)
        with database.writing() as connection:
            _upgrade(connection)
            if not is_begun(connection):
                begin(connection, secret, cipher, clock())
            standing = read_standing(connection, secret, cipher)
        _use_write_ahead_log(database)
    except BaseException:
        database.close()
        raise
    return Ledger(database, secret, standing, clock)


def open_existing(url: str, secret: bytes, key: bytes | None = None) -> Ledger | None:
    """The database for reading only; None where there is none yet, or an empty one. Nothing is written.

    Raises:
        ConfigurationError: as for `open_upgraded`, and where the schema is older than this program.
    """
    check_secret(secret)
    cipher = _cipher(url, key)
    parsed = parse_url(url, SETTING)
    if parsed.get_backend_name() == "sqlite" and not sqlite_path(parsed, SETTING).exists():
        return None
    database = open_database(url, SETTING, read_only=True)
    try:
        _prepare(database, cipher)
        with database.reading() as connection:
            found = _revision(connection)
            if found is not None and found != head():
                raise ConfigurationError(f"{SETTING}: the schema is older than this program; run once without dry_run.")
            standing = None if found is None else read_standing(connection, secret, cipher)
    except BaseException:
        database.close()
        raise
    if standing is None:
        database.close()
        return None
    return Ledger(database, secret, standing, now_utc)


def head() -> str | None:
    """The newest revision of the schema that this program knows."""
    return _scripts().get_current_head()


def _cipher(url: str, key: bytes | None) -> Cipher | None:
    backend = parse_url(url, SETTING).get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ConfigurationError(f"{SETTING}: use an sqlite or a postgresql URL.")
    if key is not None and backend != "sqlite":
        raise encryption_unsupported()
    return None if key is None else Cipher(key)


def _prepare(database: Database, cipher: Cipher | None) -> None:
    use_cipher(database.engine, cipher)
    if database.engine.dialect.name != "sqlite":
        return

    @event.listens_for(database.engine, "connect")
    def keep_pages(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")

    database.engine.dispose()  # connections made so far know nothing of this


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


def _script_location() -> str:
    return str(Path(__file__).parent / "migrations")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(_script_location())
