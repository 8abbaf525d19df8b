"""Databases named by a setting: opened alike, with errors that an operator can act on.

Every wait is bounded: for a connection, for an answer, for somebody else's lock. No message holds a user name, a
password, a parameter or what a driver wrote (drivers quote values): see `database_errors`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, inspect, make_url
from sqlalchemy.pool import NullPool

from dicom_assets.adapters.database_errors import Cause, opening_error, our_error
from dicom_assets.errors import ConfigurationError, StudyError

BUSY_TIMEOUT_SECONDS = 60.0
"""How long to wait for somebody else's transaction."""

CONNECT_TIMEOUT_SECONDS = 10
KEEPALIVE_SECONDS = 30

_DEFAULT_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg2",
    "postgresql": "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_EXTRAS = {"pymysql": "mysql"}
"""Drivers that come with an extra of this package, which is not everybody's."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. Its transactions turn every SQLAlchemy error into one of ours."""

    engine: Engine
    setting: str
    place: str
    read_only: bool = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database throughout."""
        level = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with self._errors(), self.engine.execution_options(**level).begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that commits at the end; on SQLite it holds the write lock from its first statement.

        Raises:
            ConfigurationError: the database was opened read-only.
        """
        if self.read_only:
            raise ConfigurationError(f"The database of {self.setting} is open for reading only; nothing was written.")
        with self._errors(), self.engine.execution_options(dicom_assets_writes=True).begin() as connection:
            yield connection

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """A transaction to see what may be done, which holds up nobody: one for writing, but on SQLite for reading.

        Raises:
            ConfigurationError: an SQLite file that shall be written can't be.
        """
        if not self.read_only and self.engine.dialect.name == "sqlite":
            _require_writable(sqlite_path(self.engine.url, self.setting), f"{self.setting} ({self.place})")
        with self.reading() if self.read_only or self.engine.dialect.name == "sqlite" else self.writing() as connection:
            yield connection

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            raise our_error(error, f"{self.setting} ({self.place})") from None
        except ValueError:  # a lone surrogate, a NUL: drivers say so without SQLAlchemy
            raise StudyError(f"A value has characters that the database of {self.setting} can't store.") from None


def open_database(url: str, setting: str, *, read_only: bool = False) -> Database:
    """An existing database that answers.

    `read_only` holds for the connections themselves: SQLite's file keeps its bytes, a server refuses writes.

    Raises:
        ConfigurationError: the URL is none, the driver is missing, the database is not there or does not answer.
    """
    parsed = parse_url(url, setting)
    place = place_of(parsed)
    if parsed.get_backend_name() == "sqlite":
        _require_file(sqlite_path(parsed, setting), setting)
    try:
        engine = _sqlite_engine(parsed, setting, read_only) if _is_sqlite(parsed) else _server_engine(parsed, read_only)
    except (ImportError, exc.ArgumentError, exc.NoSuchModuleError):
        raise ConfigurationError(_missing_driver(parsed, setting)) from None
    database = Database(engine, setting, place, read_only)
    _require_answer(database)
    return database


def parse_url(url: str, setting: str) -> URL:
    """A SQLAlchemy URL with the driver that is installed with this package.

    Raises:
        ConfigurationError: not a URL, or not a database we know.
    """
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise ConfigurationError(
            f"{setting} is not a SQLAlchemy URL; write for example sqlite:////path/to/file.db "
            "or postgresql://user:password@host/database; special characters of a password as %40 for @."
        ) from None
    if parsed.drivername.partition("+")[0] not in _DEFAULT_DRIVERS:
        raise ConfigurationError(f"{setting}: use an sqlite, postgresql, mysql or mariadb URL.")
    if is_mysql(parsed) and not parsed.database:
        raise ConfigurationError(f"{setting}: name the database, as in mysql://user:password@host/database.")
    return parsed.set(drivername=_DEFAULT_DRIVERS.get(parsed.drivername, parsed.drivername))


def place_of(url: URL) -> str:
    """Where a database is, without who asks."""
    if _is_sqlite(url):
        return f"file {url.database}"
    host = url.host or url.query.get("host") or "the local socket"
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()} database {url.database} on {host}{port}"


def sqlite_path(url: URL, setting: str) -> Path:
    """The file of an SQLite URL.

    Raises:
        ConfigurationError: the URL names no plain file.
    """
    if not url.database or url.database == ":memory:" or url.database.startswith("file:") or url.query:
        raise ConfigurationError(f"{setting}: name a file, as in sqlite:////path/to/file.db, without parameters.")
    return Path(url.database)


def is_mysql(url: URL) -> bool:
    """Whether a URL names MySQL or MariaDB."""
    return url.get_backend_name() in ("mysql", "mariadb")


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _require_file(path: Path, setting: str) -> None:
    if not path.is_file():
        raise ConfigurationError(f"{setting}: there is no file {path}; correct the path, or create the database first.")


def _require_writable(path: Path, where: str) -> None:
    """SQLite itself would tell only once it has the file's lock; its journal lies in the folder."""
    as_we_are = os.access in os.supports_effective_ids
    if not all(os.access(each, os.W_OK, effective_ids=as_we_are) for each in (path, path.absolute().parent)):
        raise ConfigurationError(f"The database of {where} {Cause.READ_ONLY.value}.")


def _missing_driver(url: URL, setting: str) -> str:
    extra = _EXTRAS.get(url.get_driver_name())
    if extra:
        return f"{setting}: the Python driver {url.drivername} is missing; pip install 'dicom-assets[{extra}]' adds it."
    hint = " Write mysql+pymysql://, which is tested." if is_mysql(url) else ""
    return f"{setting}: the Python driver {url.drivername} is not installed.{hint}"


def _require_answer(database: Database) -> None:
    try:
        with database.engine.begin() as connection:
            inspect(connection).get_table_names()
    except exc.SQLAlchemyError as error:
        database.close()
        raise opening_error(error, database.setting, database.place) from None


def _sqlite_engine(url: URL, setting: str, read_only: bool) -> Engine:
    path = sqlite_path(url, setting).absolute()
    options: dict[str, Any] = {"poolclass": NullPool} if read_only else {}
    engine = create_engine(url, creator=_sqlite_connector(path, read_only), hide_parameters=True, **options)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("dicom_assets_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _sqlite_connector(path: Path, read_only: bool) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        mode = "ro" if read_only and not _leaves_side_files(path) else "rw"
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,  # SQLAlchemy's "begin" event says BEGIN, so that reads too are one transaction
            check_same_thread=False,  # SQLAlchemy's pool hands a connection to one thread at a time
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        return connection

    return connect


def _leaves_side_files(path: Path) -> bool:
    """Whether reading with `mode=ro` would leave `-wal` and `-shm` files behind.

    It does in WAL mode when no other process has the file open. Then `mode=rw` with `query_only` is used: its last
    connection takes the side files away, and as there is nothing in the log, no byte of the database changes.
    """
    log = path.with_name(path.name + "-wal")
    try:
        with path.open("rb") as file:
            is_wal = file.read(20)[18:20] == b"\x02\x02"
        return is_wal and not (log.exists() and log.stat().st_size)
    except OSError:
        return False


def _server_engine(url: URL, read_only: bool) -> Engine:
    wanted = {name: value for name, value in _connect_arguments(url).items() if name not in url.query}
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=wanted)
    statements = list(_session_statements(url, read_only))

    @event.listens_for(engine, "connect")
    def prepare_session(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    return engine


def _connect_arguments(url: URL) -> dict[str, Any]:
    """What bounds every wait for a server that says nothing, in the words of the drivers that we know."""
    match url.get_driver_name():
        case "psycopg2" | "psycopg":
            return {
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "keepalives_idle": KEEPALIVE_SECONDS,
                "keepalives_interval": KEEPALIVE_SECONDS // 3,
                "keepalives_count": 3,
            }
        case "pymysql":
            silence = int(BUSY_TIMEOUT_SECONDS) + CONNECT_TIMEOUT_SECONDS
            return {
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "read_timeout": silence,
                "write_timeout": silence,
            }
    return {}


def _session_statements(url: URL, read_only: bool) -> Iterator[str]:
    """Bounded waits for locks; on MySQL times in UTC, and nothing cut to fit without saying so."""
    seconds = max(1, int(BUSY_TIMEOUT_SECONDS))
    if is_mysql(url):
        yield f"SET SESSION innodb_lock_wait_timeout = {seconds}, SESSION lock_wait_timeout = {seconds}"
        yield "SET SESSION time_zone = '+00:00'"
        yield "SET SESSION sql_mode = TRIM(LEADING ',' FROM CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES'))"
    else:
        yield f"SET lock_timeout = '{seconds}s'"
    if read_only and is_mysql(url):
        yield "SET SESSION TRANSACTION READ ONLY"
    elif read_only:
        yield "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
