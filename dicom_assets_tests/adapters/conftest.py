"""Real databases for the adapters' tests: SQLite files, and a PostgreSQL started from the machine's binaries."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import text

from dicom_assets_tests.adapters.builders import engine_for

PASSWORD = "sentinel-password"
LOGIN = "sentinel_login"

_database_numbers = count(1)


def _postgresql_folder() -> Path | None:
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _server_account() -> str | None:
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Path]:
    """The folder of the socket of a PostgreSQL that lives as long as the session and keeps nothing safe."""
    programs = _postgresql_folder()
    if programs is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not on this machine")
    account = _server_account()
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    if account:
        shutil.chown(home, account)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, "-D", home / "data", *arguments],
            check=True,
            cwd=home,
            user=account,
            stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
        )

    try:
        run("initdb", "-A", "trust", "-U", LOGIN, "-E", "UTF8", "--no-sync")
        options = f"-k {home} -c listen_addresses= -c fsync=off -c max_connections=60"
        run("pg_ctl", "start", "-w", "-s", "-l", str(home / "log"), "-o", options)
        try:
            yield home
        finally:
            run("pg_ctl", "stop", "-s", "-m", "immediate")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _postgresql_url(socket: Path, schema: str) -> str:
    return f"postgresql://{LOGIN}:{PASSWORD}@/postgres?host={socket}&options=-csearch_path%3D{schema}"


@pytest.fixture
def new_postgresql_url(postgresql_server: Path) -> Callable[[], str]:
    """Makes an empty PostgreSQL schema and returns a URL that sees it alone: a database of its own takes longer."""

    def make() -> str:
        url = _postgresql_url(postgresql_server, f"test_{next(_database_numbers)}")
        engine = engine_for(url)
        with engine.begin() as connection:
            connection.execute(text("DO $$ BEGIN EXECUTE 'CREATE SCHEMA ' || current_setting('search_path'); END $$"))
        engine.dispose()
        return url

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Returns the URL of a fresh place for a database: no file yet on SQLite, an empty database on PostgreSQL."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path / f'database-{next(_database_numbers)}.db'}"
    make: Callable[[], str] = request.getfixturevalue("new_postgresql_url")
    return make


@pytest.fixture
def database_url(new_database_url: Callable[[], str]) -> str:
    """A fresh place for one database."""
    return new_database_url()
