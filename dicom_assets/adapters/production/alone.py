"""A transaction that is the only one of its kind, whoever else writes: each kind of server has its own way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from dicom_assets.adapters.databases import BUSY_TIMEOUT_SECONDS, Database
from dicom_assets.errors import TransientError

_LOCK_NAME = "LEFT(CONCAT('dicom_assets ', DATABASE()), 64)"


@contextmanager
def alone(database: Database, table: str) -> Iterator[Connection]:
    """A transaction that writes; on SQLite every one is alone, on PostgreSQL it locks `table` against writing.

    Raises:
        TransientError: another one does not end.
    """
    if database.engine.dialect.name not in ("mysql", "mariadb"):
        with database.writing() as connection:
            if database.engine.dialect.name == "postgresql":
                connection.execute(text(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))
            yield connection
        return
    with database.reading() as guard:  # on another connection, as the lock must outlast the commit
        got = guard.execute(text(f"SELECT GET_LOCK({_LOCK_NAME}, :s)"), {"s": int(BUSY_TIMEOUT_SECONDS)}).scalar_one()
        if not got:
            raise TransientError(f"Somebody else writes to {table} for more than {BUSY_TIMEOUT_SECONDS:g} s.")
        try:
            with database.writing() as connection:
                yield connection
        finally:
            guard.execute(text(f"SELECT RELEASE_LOCK({_LOCK_NAME})"))
