"""Databases open alike and fail in words."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, text

from dicom_assets.adapters.database_columns import UtcDateTime, reflected_columns
from dicom_assets.adapters.databases import Database, open_database, parse_url
from dicom_assets.errors import ConfigurationError, StudyError, TransientError
from dicom_assets_tests.adapters.builders import engine_for, names_nothing_identified

SETTING = "SOME_DB_URL"


@pytest.fixture
def database(any_database_url: str) -> Database:
    """A database with a table `thing`."""
    engine = engine_for(any_database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY, name VARCHAR(40) UNIQUE NOT NULL)"))
    engine.dispose()
    return open_database(any_database_url, SETTING)


@pytest.mark.parametrize(
    "url",
    ["", "not a url", "oracle://scott:sentinel@host/db", "sqlite+aiosqlite:///x.db", "sqlite://", "sqlite:///:memory:"],
)
def test_url_that_names_no_usable_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=SETTING) as caught:
        open_database(url, SETTING)
    assert names_nothing_identified(str(caught.value))


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgresql://host/db", "postgresql+psycopg2"),
        ("postgres://host/db", "postgresql+psycopg2"),
        ("mysql://host/db", "mysql+pymysql"),
        ("mariadb://host/db", "mariadb+pymysql"),
        ("mysql+mysqldb://host/db", "mysql+mysqldb"),
    ],
)
def test_url_without_a_driver_gets_the_one_that_comes_with_the_package(url: str, driver: str) -> None:
    assert parse_url(url, SETTING).drivername == driver


def test_mysql_url_without_a_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="SOME_DB_URL: name the database"):
        open_database("mysql://sentinel:sentinel@host", SETTING)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("postgresql+pg8000://sentinel:sentinel@host/db", r"postgresql\+pg8000 is not installed"),
        ("mysql+mysqldb://sentinel:sentinel@host/db", r"mysql\+mysqldb is not installed. Write mysql\+pymysql://"),
        ("mysql://sentinel:sentinel@host/db", r"mysql\+pymysql is missing; pip install 'dicom-assets\[mysql\]'"),
        ("mariadb://sentinel:sentinel@host/db", r"mariadb\+pymysql is missing; pip install 'dicom-assets\[mysql\]'"),
    ],
)
def test_missing_driver_is_named_with_how_to_get_it(url: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(ConfigurationError, match=f"SOME_DB_URL.*{hint}") as caught:
        open_database(url, SETTING)
    assert names_nothing_identified(str(caught.value))


def test_missing_sqlite_file_is_named_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"SOME_DB_URL: there is no file .*absent\.db"):
        open_database(f"sqlite:///{tmp_path / 'absent.db'}", SETTING)
    assert not list(tmp_path.iterdir())


def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    file.write_text("not a database" * 100)
    with pytest.raises(ConfigurationError, match="SQLITE_NOTADB"):
        open_database(f"sqlite:///{file}", SETTING)
    assert file.read_text() == "not a database" * 100


def test_row_that_the_database_refuses_is_told_without_its_values(database: Database) -> None:
    def insert_twice() -> None:
        with database.writing() as connection:
            for number in (1, 2):
                connection.execute(text("INSERT INTO thing VALUES (:id, 'SENTINEL')"), {"id": number})

    with pytest.raises(StudyError, match="SOME_DB_URL") as caught:
        insert_twice()
    assert names_nothing_identified(str(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.writing() as connection:
            connection.execute(text("INSERT INTO thing VALUES (1, 'a')"))
            raise TransientError("stop")

    with pytest.raises(TransientError, match="stop"):
        fail()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM thing")).scalar_one() == 0


def test_wrong_schema_met_later_is_a_configuration_error(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="SOME_DB_URL"), database.reading() as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))


def test_nul_in_a_text_never_shows_the_text(new_postgresql_url: Callable[[], str]) -> None:
    database = open_database(new_postgresql_url(), SETTING)
    with pytest.raises(StudyError, match="characters") as caught, database.reading() as connection:
        connection.execute(text("SELECT CAST(:name AS TEXT)"), {"name": "SENTINEL\0"})
    assert names_nothing_identified(str(caught.value))


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_reading_only_changes_no_byte_and_leaves_no_file(tmp_path: Path, journal: str) -> None:
    file = tmp_path / "x.db"
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.execute("CREATE TABLE thing (id INTEGER)")
    connection.close()
    before = file.read_bytes()
    database = open_database(f"sqlite:///{file}", SETTING, read_only=True)
    with database.reading() as open_connection:
        open_connection.execute(text("SELECT * FROM thing")).all()
    with pytest.raises(ConfigurationError, match="SQLITE_READONLY"), database.reading() as open_connection:
        open_connection.execute(text("INSERT INTO thing VALUES (1)"))
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_log_of_a_killed_writer_is_read_but_not_folded_in_by_a_reader(tmp_path: Path) -> None:
    original = tmp_path / "x.db"
    writer = sqlite3.connect(original)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE thing (id INTEGER)")
    killed = tmp_path / "killed.db"
    killed.write_bytes(original.read_bytes())
    (tmp_path / "killed.db-wal").write_bytes((tmp_path / "x.db-wal").read_bytes())
    writer.close()
    before = killed.read_bytes()
    database = open_database(f"sqlite:///{killed}", SETTING, read_only=True)
    assert set(reflected_columns(database, "thing", ["id"])) == {"id"}
    assert killed.read_bytes() == before


def test_server_opened_for_reading_refuses_writes_itself(any_database_url: str, database: Database) -> None:
    reader = open_database(any_database_url, SETTING, read_only=True)
    with pytest.raises(ConfigurationError, match="SOME_DB_URL"), reader.reading() as connection:
        connection.execute(text("INSERT INTO thing VALUES (1, 'a')"))
    with pytest.raises(ConfigurationError, match="for reading only"), reader.writing():
        pass


def test_missing_table_and_missing_columns_are_named(database: Database) -> None:
    with pytest.raises(ConfigurationError, match=r"SOME_DB_URL.*no table absent"):
        reflected_columns(database, "absent", [])
    with pytest.raises(ConfigurationError, match="table thing lacks column colour, size"):
        reflected_columns(database, "thing", ["size", "id", "colour"])


@pytest.mark.parametrize("zone", [True, False])
def test_time_comes_back_in_utc_whatever_zone_it_was_given_in(database: Database, zone: bool) -> None:
    table = Table("moment", MetaData(), Column("id", Integer, primary_key=True), Column("at", UtcDateTime(zone)))
    fraction = 0 if database.engine.dialect.name == "mysql" else 5  # its DATETIME has whole seconds
    with database.writing() as connection:
        table.create(connection)
        at = datetime(2024, 1, 1, 2, 3, 4, fraction, tzinfo=timezone(timedelta(hours=2)))
        connection.execute(insert(table), [{"id": 1, "at": at}, {"id": 2, "at": None}])
        stored = connection.execute(select(table.c.at).order_by(table.c.id)).scalars().all()
    assert stored == [datetime(2024, 1, 1, 0, 3, 4, fraction, tzinfo=UTC), None]


@pytest.mark.parametrize("stored", ["yesterday SENTINEL", 5.5])
def test_stored_time_that_is_none_is_told_without_it(tmp_path: Path, stored: object) -> None:
    file = tmp_path / "x.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE moment (at)")
    connection.execute("INSERT INTO moment VALUES (?)", (stored,))
    connection.commit()
    connection.close()
    table = Table("moment", MetaData(), Column("at", UtcDateTime()), Column("name", String))
    database = open_database(f"sqlite:///{file}", SETTING)
    with pytest.raises(ConfigurationError, match="date") as caught, database.reading() as open_connection:
        open_connection.execute(select(table.c.at)).all()
    assert names_nothing_identified(str(caught.value))
