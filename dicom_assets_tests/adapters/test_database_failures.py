"""A database that is away, locked, read-only or not the right one: a clear error, in time, and nothing is lost."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from dicom_assets.adapters import databases
from dicom_assets.adapters.database_columns import reflected_columns
from dicom_assets.adapters.databases import Database, open_database
from dicom_assets.adapters.review_db import ReviewDatabase
from dicom_assets.adapters.review_db.tables import reflect_tables
from dicom_assets.demo.databases import create_review_db, published_and_failed
from dicom_assets.errors import ConfigurationError, DicomAssetsError, StudyError, TransientError
from dicom_assets_tests.adapters.builders import (
    NOON,
    STUDY_UID,
    ReviewTables,
    names_nothing_identified,
    sqlite_file,
)
from dicom_assets_tests.certificates import Certificates
from dicom_assets_tests.conftest import SmallSite, of_the_demo
from dicom_assets_tests.database_servers import LOGIN, PASSWORD, MariaDbServer, PostgresqlServer, execute
from dicom_assets_tests.waiting import write_lock

SETTING = "SOME_DB_URL"
STUDY = "staging_radiologystudy"
NOBODY = 65534
AWAY, BUSY = "does not answer or broke off", "is busy: another transaction holds what is needed"
OWN_CONNECTION = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
KILL = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}

Server = PostgresqlServer | MariaDbServer


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    """A server over TCP."""
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


@pytest.fixture
def database(server_url: str) -> Database:
    """A database on a server with a table `thing`."""
    execute(server_url, ["CREATE TABLE thing (id INTEGER PRIMARY KEY, name VARCHAR(5))"])
    return open_database(server_url, SETTING)


@pytest.fixture
def tables(any_database_url: str) -> ReviewTables:
    """A review database with one approved study."""
    tables = ReviewTables(any_database_url)
    tables.approved()
    return tables


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One second for whatever we wait for."""
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(databases, "CONNECT_TIMEOUT_SECONDS", 1)


def home_of(server: Server) -> str:
    return server.url("postgres" if isinstance(server, PostgresqlServer) else "mysql")


def changed(url: str, **parts: object) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"password": "sentinel-wrong"}, "refuses the login"),
        ({"username": "sentinel_nobody"}, "refuses the login"),
        ({"database": "absent"}, "is not there: the server has no database of that name"),
        ({"port": 1}, AWAY),
        ({"host": "no-such-host.invalid"}, AWAY),
    ],
    ids=["password", "user", "database", "port", "host"],
)
def test_server_that_lets_us_not_in_says_why(server: Server, parts: dict[str, object], words: str) -> None:
    url = changed(home_of(server), **parts)
    with pytest.raises(
        ConfigurationError, match=rf"SOME_DB_URL: \w+ database \w+ on .* does not open; it {words}"
    ) as e:
        open_database(url, SETTING)
    assert names_nothing_identified(str(e.value))
    assert e.value.__suppress_context__


def test_server_that_says_nothing_is_not_waited_for_long(server: Server, impatient: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = changed(home_of(server), port=silent.getsockname()[1])
        began = monotonic()
        with pytest.raises(ConfigurationError, match=AWAY):
            open_database(url, SETTING)
    assert monotonic() - began < 10


def test_server_that_stops_is_a_passing_error_and_is_found_again_when_it_is_back(server: Server) -> None:
    tables = ReviewTables(server.new_url())
    tables.approved()
    tables.engine.dispose()
    review_db = ReviewDatabase.open(tables.url)
    (study,) = review_db.ready()
    server.stop()
    try:
        for act in (review_db.ready, lambda: review_db.mark_published(study.study_uid)):
            with pytest.raises(TransientError, match=f"REVIEW_DB_URL.*{AWAY}") as caught:
                act()
            assert names_nothing_identified(str(caught.value))
        with pytest.raises(ConfigurationError, match=AWAY):
            ReviewDatabase.open(tables.url)
    finally:
        server.start()
    assert [study.study_uid for study in review_db.ready()] == [STUDY_UID]
    review_db.mark_published(study.study_uid)
    assert tables.row(STUDY)["image_published"]


def test_server_that_stops_after_the_selection_costs_a_run_and_nothing_else(
    mariadb_server: MariaDbServer, make_site: SmallSite
) -> None:
    server = mariadb_server
    url = server.new_url()
    create_review_db(url, of_the_demo(5))
    site = make_site((5,), REVIEW_DB_URL=url)
    study = site.study().study_uid

    def judge(_uid: str, keep: Callable[[], int]) -> int:
        if len(site.research.offered) == 1:
            server.stop()
        return keep()

    site.research.judge = judge
    try:
        assert not site.deployment.execute().success
    finally:
        server.start()
    assert AWAY in site.deployment.overview()
    assert published_and_failed(url) == (frozenset(), frozenset())
    offered = list(site.research.offered)

    assert site.deployment.execute().success
    assert site.research.offered == offered
    assert published_and_failed(url) == ({study}, frozenset())


def trusting(server: Server, authority: Path) -> str:
    """A URL as the documentation writes it."""
    if isinstance(server, MariaDbServer):
        return f"{home_of(server)}?ssl_ca={authority}"
    return f"{home_of(server)}?sslmode=verify-full&sslrootcert={authority}"


def test_server_is_spoken_to_over_tls_where_the_url_says_so(server: Server, certificates: Certificates) -> None:
    in_use = {
        "postgresql": "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        "mysql": "SELECT variable_value <> '' FROM information_schema.session_status "
        "WHERE variable_name = 'Ssl_cipher'",
    }
    refused = r"SOME_DB_URL.*does not agree with us on TLS"
    with pytest.raises(ConfigurationError, match=refused):
        open_database(trusting(server, certificates.ca), SETTING)
    server.stop()
    server.start_with_tls(certificates.server)
    try:
        with open_database(trusting(server, certificates.ca), SETTING).reading() as connection:
            assert connection.execute(text(in_use[connection.dialect.name])).scalar_one() in ("true", 1)
        with pytest.raises(ConfigurationError, match=refused) as caught:
            open_database(trusting(server, certificates.foreign_ca), SETTING)
        server.stop()
        server.start_with_tls(certificates.other_host)
        with pytest.raises(ConfigurationError, match=refused):
            open_database(trusting(server, certificates.ca), SETTING)
    finally:
        server.stop()
        server.start()
    assert names_nothing_identified(str(caught.value))


def kill(url: str, connection_id: object) -> None:
    execute(url, [KILL[make_url(url).get_backend_name()].format(connection_id)])


def idle_connection(database: Database) -> object:
    with database.reading() as connection:
        return connection.execute(text(OWN_CONNECTION[connection.dialect.name])).scalar_one()


def test_connection_that_was_cut_while_idle_is_not_noticed(server_url: str) -> None:
    tables = ReviewTables(server_url)
    tables.approved()
    database = open_database(server_url, SETTING)
    review_db = ReviewDatabase(database, reflect_tables(database), lambda: NOON)
    (study,) = review_db.ready()
    cut = idle_connection(database)
    kill(server_url, cut)
    review_db.mark_published(study.study_uid)
    assert tables.row(STUDY)["image_published"]
    assert idle_connection(database) != cut


def test_connection_that_is_cut_within_a_transaction_leaves_nothing(server_url: str, database: Database) -> None:
    def lose_the_server() -> None:
        with database.writing() as connection:
            connection.execute(text("INSERT INTO thing VALUES (1, 'a')"))
            kill(server_url, connection.execute(text(OWN_CONNECTION[connection.dialect.name])).scalar_one())
            connection.execute(text("INSERT INTO thing VALUES (2, 'b')"))

    with pytest.raises(TransientError, match=f"SOME_DB_URL.*{AWAY}"):
        lose_the_server()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM thing")).scalar_one() == 0


@contextmanager
def held(tables: ReviewTables, *statements: str) -> Iterator[None]:
    """Another program's transaction that does not end."""
    if tables.kind == "sqlite":
        tables.engine.dispose()
        with write_lock(sqlite_file(tables.url)):
            yield
        return
    with tables.engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
        try:
            yield
        finally:
            connection.rollback()
            if tables.kind == "mysql":
                connection.execute(text("UNLOCK TABLES"))


@pytest.mark.parametrize(
    "act",
    [
        lambda review_db: review_db.mark_published(STUDY_UID),
        lambda review_db: review_db.mark_error(STUDY_UID, "went wrong"),
    ],
    ids=["published", "error"],
)
def test_row_that_somebody_holds_is_waited_for_a_while(
    tables: ReviewTables, impatient: None, act: Callable[[ReviewDatabase], None]
) -> None:
    review_db = ReviewDatabase.open(tables.url)
    before = tables.everything()
    with held(tables, f"SELECT * FROM {STUDY} FOR UPDATE"):
        began = monotonic()
        with pytest.raises(TransientError, match=f"REVIEW_DB_URL.*{BUSY}.*run again later") as caught:
            act(review_db)
        assert monotonic() - began < 10
    assert names_nothing_identified(str(caught.value))
    assert tables.everything() == before
    act(review_db)
    assert tables.everything() != before


def test_table_that_somebody_holds_is_waited_for_a_while(server_url: str, impatient: None) -> None:
    tables = ReviewTables(server_url)
    review_db = ReviewDatabase.open(server_url)
    lock = {"postgresql": f"LOCK TABLE {STUDY}", "mysql": f"LOCK TABLES {STUDY} WRITE"}
    with held(tables, lock[tables.kind]):
        for act in (review_db.ready, lambda: ReviewDatabase.open(server_url)):
            with pytest.raises(TransientError, match=f"REVIEW_DB_URL.*{BUSY}"):
                act()
    assert list(review_db.ready()) == []


def test_row_of_another_study_that_somebody_holds_holds_nobody_up(server_url: str, impatient: None) -> None:
    tables = ReviewTables(server_url)
    tables.approved()
    tables.approved("1.2.9")
    review_db = ReviewDatabase.open(server_url)
    with held(tables, f"UPDATE {STUDY} SET modality = 'MR' WHERE original_study_uid = '1.2.9' AND id > 4"):
        review_db.mark_published(STUDY_UID)
        review_db.mark_error(STUDY_UID, "went wrong")
        review_db.clear_error(STUDY_UID)
    assert [row["image_published"] for row in tables.rows(STUDY)] == [True, False]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to write whatever there is."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's."""
    with TemporaryDirectory(prefix="review-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_file_that_we_may_not_write_is_told_at_start(open_folder: Path) -> None:
    tables = ReviewTables(f"sqlite:///{open_folder / 'review.db'}")
    tables.approved()
    tables.engine.dispose()
    file = sqlite_file(tables.url)
    file.chmod(0o444)
    before = file.read_bytes()
    with as_nobody():
        with pytest.raises(ConfigurationError, match=r"REVIEW_DB_URL.*review\.db\) is read-only"):
            ReviewDatabase.open(tables.url)
        review_db = ReviewDatabase.open(tables.url, read_only=True)
        assert [study.study_uid for study in review_db.ready()] == [STUDY_UID]
        file_that_is_closed = "REVIEW_DB_URL.*(can't be read or written|there is no file)"
    file.chmod(0o000)
    with as_nobody(), pytest.raises(ConfigurationError, match=file_that_is_closed):
        ReviewDatabase.open(tables.url, read_only=True)
    file.chmod(0o644)
    assert file.read_bytes() == before


def test_postgresql_that_is_read_only_is_told_at_start(postgresql_server: PostgresqlServer) -> None:
    tables = ReviewTables(postgresql_server.new_url())
    tables.approved()
    url = tables.url.replace("options=", "options=-cdefault_transaction_read_only%3Don%20")
    with pytest.raises(ConfigurationError, match=r"REVIEW_DB_URL.*is read-only.*25006"):
        ReviewDatabase.open(url)
    assert len(ReviewDatabase.open(url, read_only=True).ready()) == 1


def test_mariadb_that_is_read_only_is_told_at_start(mariadb_server: MariaDbServer) -> None:
    tables = ReviewTables(mariadb_server.new_url())
    tables.approved()
    name = make_url(tables.url).database
    rights = f"GRANT SELECT, UPDATE ON {name}.* TO sentinel_clerk@'%' IDENTIFIED BY '{PASSWORD}'"
    execute(tables.url, [rights, "SET GLOBAL read_only = 1"])
    url = tables.url.replace(LOGIN, "sentinel_clerk")
    try:
        with pytest.raises(ConfigurationError, match=r"REVIEW_DB_URL.*is read-only.*1290") as caught:
            ReviewDatabase.open(url)
        assert len(ReviewDatabase.open(url, read_only=True).ready()) == 1
    finally:
        execute(tables.url, ["SET GLOBAL read_only = 0"])
    assert names_nothing_identified(str(caught.value))


def test_reading_sees_one_state_throughout_whatever_the_server_s_default(server_url: str) -> None:
    execute(server_url, ["CREATE TABLE thing (id INTEGER PRIMARY KEY)"])
    is_mysql = make_url(server_url).get_backend_name() == "mysql"
    if is_mysql:
        execute(server_url, ["SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED"])
    try:
        database = open_database(server_url, SETTING)
        with database.reading() as connection:
            before = connection.execute(text("SELECT count(*) FROM thing")).scalar_one()
            execute(server_url, ["INSERT INTO thing VALUES (1)"])
            assert connection.execute(text("SELECT count(*) FROM thing")).scalar_one() == before == 0
        with database.reading() as connection:
            assert connection.execute(text("SELECT count(*) FROM thing")).scalar_one() == 1
    finally:
        if is_mysql:
            execute(server_url, ["SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ"])


def test_change_of_a_review_is_seen_by_the_next_question(server_url: str) -> None:
    tables = ReviewTables(server_url)
    review_db = ReviewDatabase.open(server_url)
    assert list(review_db.ready()) == []
    tables.approved()
    assert [study.study_uid for study in review_db.ready()] == [STUDY_UID]


def test_text_that_is_too_long_is_refused_by_a_server_that_would_cut_it(mariadb_server: MariaDbServer) -> None:
    url = mariadb_server.new_url()
    execute(url, ["CREATE TABLE thing (name VARCHAR(5))", "SET GLOBAL sql_mode = ''"])
    try:
        database = open_database(url, SETTING)
    finally:
        execute(url, ["SET GLOBAL sql_mode = DEFAULT"])
    with pytest.raises(StudyError, match="refuses the study's row") as caught, database.writing() as connection:
        connection.execute(text("INSERT INTO thing VALUES ('SENTINEL')"))
    assert names_nothing_identified(str(caught.value))


def test_points_in_time_of_mysql_are_utc_whatever_the_server_s_zone(mariadb_server: MariaDbServer) -> None:
    tables = ReviewTables(mariadb_server.new_url())
    tables.execute("ALTER TABLE staging_radiologystudyreview MODIFY created TIMESTAMP NULL")
    tables.approved()
    tables.execute("UPDATE staging_radiologystudyreview SET created = FROM_UNIXTIME(1714564800)")
    (study,) = ReviewDatabase.open(tables.url).ready()
    assert study.approved_at.isoformat() == "2024-05-01T12:00:00+00:00"


def test_columns_of_any_type_are_reflected(mariadb_server: MariaDbServer) -> None:
    url = mariadb_server.new_url()
    types = "INT UNSIGNED, BIGINT, DECIMAL(9,2), DOUBLE, BIT(3), YEAR, TIME, DATE, DATETIME(6), TIMESTAMP, CHAR(3), "
    types += "VARCHAR(7), LONGTEXT, BLOB, ENUM('a','b'), SET('a','b'), JSON, POINT, UUID, INET6, VARBINARY(9)"
    columns = [f"c{number} {type_.strip()} NULL" for number, type_ in enumerate(types.replace("(9,2)", "").split(", "))]
    execute(url, [f"CREATE TABLE odd ({', '.join(columns)}, filled VARCHAR(9) NOT NULL DEFAULT 'x')"])
    found = reflected_columns(open_database(url, SETTING), "odd", ["c0"])
    assert list(found) == [*(f"c{number}" for number in range(len(columns))), "filled"]
    assert found["c11"]["type"].length == 7
    assert [found[name]["default"] is None for name in ("c0", "filled")] == [True, False]
    assert [found[name]["nullable"] for name in ("c0", "filled")] == [True, False]


def test_text_that_is_not_in_the_file_s_encoding_is_told_without_it(tmp_path: Path) -> None:
    tables = ReviewTables(f"sqlite:///{tmp_path / 'review.db'}")
    tables.approved()
    tables.engine.dispose()
    with closing(sqlite3.connect(sqlite_file(tables.url))) as connection:
        latin = "SENTINEL Müller".encode("latin-1")
        connection.execute("UPDATE staging_radiologystudyreview SET comment = CAST(? AS TEXT)", (latin,))
        connection.commit()
    with pytest.raises(ConfigurationError, match=r"REVIEW_DB_URL.*text that is not in its encoding") as caught:
        ReviewDatabase.open(tables.url).ready()
    assert names_nothing_identified(str(caught.value))


@pytest.mark.parametrize("table", [STUDY, "staging_radiologystudyreview"])
def test_database_without_its_tables_names_the_one_that_lacks(tables: ReviewTables, table: str) -> None:
    tables.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    with pytest.raises(
        ConfigurationError, match=f"REVIEW_DB_URL.*has no table {table}; point REVIEW_DB_URL to"
    ) as caught:
        ReviewDatabase.open(tables.url)
    assert names_nothing_identified(str(caught.value))


@pytest.mark.parametrize("lacking", ["processing_error", "processing_error_date", "processing_error_msg"])
def test_columns_for_errors_come_together_or_not_at_all(tables: ReviewTables, lacking: str) -> None:
    tables.execute(f"ALTER TABLE {STUDY} DROP COLUMN {lacking}")
    with pytest.raises(ConfigurationError, match=f"table {STUDY} lacks column {lacking};"):
        ReviewDatabase.open(tables.url)


def test_tables_that_change_while_we_look_are_told(tables: ReviewTables) -> None:
    review_db = ReviewDatabase.open(tables.url)
    tables.execute("ALTER TABLE staging_radiologystudyreview DROP COLUMN relevant")
    with pytest.raises(DicomAssetsError, match=r"REVIEW_DB_URL.*other tables or columns than expected"):
        review_db.ready()
