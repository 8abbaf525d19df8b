"""Database servers for tests, started from the machine's own binaries; they keep nothing safe and can be stopped."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from dicom_assets_tests.certificates import Identity
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.waiting import wait_until

PASSWORD = "sentinel-password"
LOGIN = "sentinel_login"

_database_numbers = count(1)


def execute(url: str, statements: Sequence[str]) -> None:
    """Run statements, each a transaction of its own."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement.replace(":", r"\:")))
    engine.dispose()


@dataclass
class PostgresqlServer:
    """A PostgreSQL cluster: whoever comes by the socket in `home` is believed, over TCP a password is asked for."""

    home: Path
    programs: Path
    account: str | None
    port: int = field(default_factory=free_port)

    def create(self) -> None:
        password = self.home / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        how = ("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}")
        self._run("initdb", *how, "-U", LOGIN, "-E", "UTF8", "--no-sync")
        self.start()

    def start(self, *options: str) -> None:
        usual = f"-k {self.home} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60"
        self._run("pg_ctl", "start", "-w", "-s", "-l", str(self.home / "log"), "-o", " ".join([usual, *options]))

    def start_with_tls(self, shown: Identity) -> None:
        certificate, key = (_own(file, self.home, self.account) for file in (shown.certificate, shown.key))
        self.start("-c ssl=on", f"-c ssl_cert_file={certificate}", f"-c ssl_key_file={key}")

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-s", "-m", "immediate")

    def url(self, database: str = "postgres", login: str = LOGIN, password: str = PASSWORD) -> str:
        return f"postgresql+psycopg2://{login}:{password}@127.0.0.1:{self.port}/{database}"

    def new_url(self) -> str:
        """An empty schema and a URL that sees it alone: a database of its own takes longer."""
        schema = f"test_{next(_database_numbers)}"
        by_socket = f"postgresql+psycopg2://{LOGIN}:{PASSWORD}@/postgres?host={self.home}&port={self.port}"
        execute(by_socket, [f"CREATE SCHEMA {schema}"])
        return f"{by_socket}&options=-csearch_path%3D{schema}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, "-D", self.home / "data", *arguments],
            check=True,
            cwd=self.home,
            user=self.account,
            stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
        )


@dataclass
class MariaDbServer:
    """A MariaDB that listens on loopback. Its clock is hours off UTC, as those of hospitals are."""

    home: Path
    account: str | None
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        command = ["mariadb-install-db", "--no-defaults", f"--datadir={self.home / 'data'}", "--skip-test-db"]
        command += ["--auth-root-authentication-method=normal", "--skip-name-resolve"]
        command += ["--innodb-log-file-size=4M", "--innodb-data-file-path=ibdata1:5M:autoextend"]
        subprocess.run(command, check=True, cwd=self.home, user=self.account, stdout=subprocess.DEVNULL)
        self.start()
        rights = f"GRANT ALL ON *.* TO '{LOGIN}'@'%' IDENTIFIED BY '{PASSWORD}' WITH GRANT OPTION"
        execute(self.url("mysql", "root", ""), [rights])

    def start(self, *options: str) -> None:
        program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        command = [program, "--no-defaults", f"--datadir={self.home / 'data'}", f"--socket={self.home / 'socket'}"]
        command += [f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.home / 'pid'}"]
        command += ["--skip-name-resolve", "--debug-no-sync", "--innodb-flush-log-at-trx-commit=2"]
        command += [
            "--innodb-buffer-pool-size=16M",
            "--innodb-file-per-table=0",
            "--innodb-log-file-size=4M",
            "--default-time-zone=-05:00",
        ]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], cwd=self.home, user=self.account, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._answers, "MariaDB to answer")

    def start_with_tls(self, shown: Identity) -> None:
        certificate, key = (_own(file, self.home, self.account) for file in (shown.certificate, shown.key))
        self.start(f"--ssl-cert={certificate}", f"--ssl-key={key}")

    def stop(self) -> None:
        """End it at once; what was committed is in its log."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def url(self, database: str, login: str = LOGIN, password: str = PASSWORD) -> str:
        return f"mysql+pymysql://{login}:{password}@127.0.0.1:{self.port}/{database}"

    def new_url(self) -> str:
        """An empty database and its URL."""
        name = f"test_{next(_database_numbers)}"
        execute(self.url("mysql"), [f"CREATE DATABASE {name} CHARACTER SET utf8mb4"])
        return self.url(name)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.home / "log").read_text()[-2000:]
        try:
            execute(self.url("mysql", "root", ""), ["SELECT 1"])
        except OperationalError:
            return False
        return True


@contextmanager
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL of one's own; the test is skipped where there are no binaries."""
    programs = _postgresql_folder()
    if programs is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not on this machine")
    with _folder("pg-", "postgres") as (home, account):
        server = PostgresqlServer(home, programs, account)
        server.create()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def mariadb() -> Iterator[MariaDbServer]:
    """A MariaDB of one's own; the test is skipped where there are no binaries."""
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("MariaDB's mariadb-install-db is not on this machine")
    with _folder("mariadb-", "mysql") as (home, account):
        server = MariaDbServer(home, account)
        try:
            server.create()
            yield server
        finally:
            server.stop()


@contextmanager
def _folder(prefix: str, account: str) -> Iterator[tuple[Path, str | None]]:
    """A folder, and whom to run a server as that does not run as root."""
    home = Path(tempfile.mkdtemp(prefix=prefix))
    runs_as = None
    if os.geteuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        runs_as = next(name for name in (account, "nobody") if name in names)
        shutil.chown(home, runs_as)
    try:
        yield home, runs_as
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _own(file: Path, folder: Path, account: str | None) -> Path:
    """A copy that belongs to the server."""
    copy = Path(shutil.copy(file, folder))
    if account:
        shutil.chown(copy, account)
    copy.chmod(0o600)
    return copy


def _postgresql_folder() -> Path | None:
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)
