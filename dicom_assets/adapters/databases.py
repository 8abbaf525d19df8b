"""Databases named by a setting: opened alike, with errors that an operator can act on.

No message holds a user name, a password, a parameter or what a driver wrote (drivers quote values): it names the
setting, where the database is, the driver's error class and its code.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, inspect, make_url
from sqlalchemy.pool import NullPool

from dicom_assets.errors import ConfigurationError, DicomAssetsError, StudyError, TransientError

BUSY_TIMEOUT_SECONDS = 60.0
"""How long SQLite waits for another process's transaction."""

CONNECT_TIMEOUT_SECONDS = 10

_DEFAULT_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg2",
    "postgresql": "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_CONFIGURATION_CODES = ("SQLITE_ERROR", "SQLITE_READONLY", "SQLITE_AUTH", "SQLITE_PERM")


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
        level = {"isolation_level": "REPEATABLE READ"} if self.engine.dialect.name == "postgresql" else {}
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

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            raise self._translated(error) from None
        except ValueError:  # a lone surrogate, a NUL: drivers say so without SQLAlchemy
            raise StudyError(f"A value has characters that the database of {self.setting} can't store.") from None

    def _translated(self, error: exc.SQLAlchemyError) -> DicomAssetsError:
        code = error_code(error)
        where = f"{self.setting} ({self.place})"
        if isinstance(error, exc.IntegrityError | exc.DataError):
            return StudyError(f"The database of {where} refuses the study's row: {code}.")
        waits = isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError)
        if waits and not any(mark in code for mark in _CONFIGURATION_CODES):
            return TransientError(f"The database of {where} is away or busy: {code}.")
        return ConfigurationError(
            f"The database of {where} can't do what is asked of it: {code}. Check schema and rights."
        )


def error_code(error: exc.SQLAlchemyError) -> str:
    """The driver's error class and code; never its text."""
    driver = getattr(error, "orig", None)
    if driver is None:
        return type(error).__name__
    code = getattr(driver, "sqlite_errorname", None) or getattr(driver, "pgcode", None)
    return f"{type(driver).__name__} {code}" if code else type(driver).__name__


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
        raise ConfigurationError(f"{setting}: the Python driver {parsed.drivername} is not installed.") from None
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
            "or postgresql://user:password@host/database."
        ) from None
    if parsed.drivername.partition("+")[0] not in _DEFAULT_DRIVERS:
        raise ConfigurationError(f"{setting}: use an sqlite, postgresql, mysql or mariadb URL.")
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


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _require_file(path: Path, setting: str) -> None:
    if not path.is_file():
        raise ConfigurationError(f"{setting}: there is no file {path}; correct the path, or create the database first.")


def _require_answer(database: Database) -> None:
    try:
        with database.engine.begin() as connection:
            inspect(connection).get_table_names()
    except exc.SQLAlchemyError as error:
        database.close()
        raise ConfigurationError(
            f"{database.setting}: {database.place} does not open ({error_code(error)}); "
            "check that it runs, that it is a database, its name, and the login and its rights."
        ) from None


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
    timeout = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=timeout)
    if read_only:
        statement = (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
            if engine.dialect.name == "postgresql"
            else "SET SESSION TRANSACTION READ ONLY"
        )

        @event.listens_for(engine, "connect")
        def forbid_writes(connection: Any, _record: object) -> None:
            cursor = connection.cursor()
            cursor.execute(statement)
            cursor.close()
            connection.commit()

    return engine
