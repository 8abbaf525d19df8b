"""Real databases for the adapters' tests: SQLite files, and servers that live as long as the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from dicom_assets_tests.database_servers import MariaDbServer, PostgresqlServer, mariadb, postgresql

_file_numbers = count(1)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A PostgreSQL; whoever stops it starts it again."""
    with postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDbServer]:
    """A MariaDB; whoever stops it starts it again."""
    with mariadb() as server:
        yield server


@pytest.fixture
def new_postgresql_url(postgresql_server: PostgresqlServer) -> Callable[[], str]:
    """Makes an empty PostgreSQL schema and returns a URL that sees it alone."""
    return postgresql_server.new_url


@pytest.fixture
def new_mariadb_url(mariadb_server: MariaDbServer) -> Callable[[], str]:
    """Makes an empty MariaDB database and returns its URL."""
    return mariadb_server.new_url


@pytest.fixture
def new_sqlite_url(tmp_path: Path) -> Callable[[], str]:
    """Returns the URL of an SQLite file that is not there yet."""
    return lambda: f"sqlite:///{tmp_path / f'database-{next(_file_numbers)}.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database_url(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Returns the URL of a fresh place for a database: no file yet on SQLite, an empty database on PostgreSQL."""
    make: Callable[[], str] = request.getfixturevalue(f"new_{request.param}_url")
    return make


@pytest.fixture
def database_url(new_database_url: Callable[[], str]) -> str:
    """A fresh place for one database."""
    return new_database_url()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def any_database_url(request: pytest.FixtureRequest) -> str:
    """A fresh place for one database of any kind that reviews and research may lie in."""
    make: Callable[[], str] = request.getfixturevalue(f"new_{request.param}_url")
    return make()


@pytest.fixture(params=["postgresql", "mariadb"])
def server_url(request: pytest.FixtureRequest) -> str:
    """A fresh place for one database on a server."""
    make: Callable[[], str] = request.getfixturevalue(f"new_{request.param}_url")
    return make()
