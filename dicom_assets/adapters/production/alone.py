"""A transaction that is the only one of its kind, whoever else has begun one: each kind of server has its own way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from dicom_assets.adapters.databases import BUSY_TIMEOUT_SECONDS, Database, is_mysql
from dicom_assets.errors import TransientError

_NAME = "dicom_assets production"
_NAME_ON_MYSQL = f"LEFT(CONCAT('{_NAME} ', DATABASE()), 64)"
"""There, names are those of the server."""


@contextmanager
def alone(database: Database) -> Iterator[Connection]:
    """A transaction that writes to production; on SQLite every one that writes is alone anyway. Needs no right.

    Raises:
        TransientError: another one does not end.
    """
    if is_mysql(database.engine.url):
        with _lock_on_mysql(database), database.writing() as connection:
            yield connection
        return
    with database.writing() as connection:
        if database.engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": _NAME})
        yield connection


@contextmanager
def _lock_on_mysql(database: Database) -> Iterator[None]:
    """On a connection of its own, as it must outlast the commit."""
    with database.reading() as guard:
        got = guard.execute(text(f"SELECT GET_LOCK({_NAME_ON_MYSQL}, :s)"), {"s": int(BUSY_TIMEOUT_SECONDS)})
        if not got.scalar_one():
            raise TransientError(f"Somebody else writes to production for more than {BUSY_TIMEOUT_SECONDS:g} s.")
        try:
            yield
        finally:
            guard.execute(text(f"SELECT RELEASE_LOCK({_NAME_ON_MYSQL})"))
