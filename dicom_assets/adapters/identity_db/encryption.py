"""Encrypting an SQLite identity database in place, with a key it did not have before, or decrypting it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Connection, Table

from dicom_assets.adapters.databases import BUSY_TIMEOUT_SECONDS, sqlite_path
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.refusals import SETTING, encryption_unsupported
from dicom_assets.adapters.identity_db.sealing import Cipher, cipher_of
from dicom_assets.adapters.identity_db.standing import set_key
from dicom_assets.adapters.identity_db.tables import access, metadata, sealed_columns
from dicom_assets.errors import ConfigurationError, TransientError

_PAGE = 5000


def reseal(ledger: Ledger, key: bytes | None) -> None:
    """Seal every identifying column with this key instead of what it was sealed with, if anything; None: with none.

    One transaction; then the file is written anew and its log emptied, so that no page keeps what was there. Doing it
    again with the key that is in force writes the file anew, too. The ledger is of no more use afterwards.

    Raises:
        ConfigurationError: not SQLite, or the rewriting failed.
        TransientError: it is done, but another process keeps the log, which still holds what was there, from being
            emptied.
    """
    engine = ledger.database.engine
    if engine.dialect.name != "sqlite":
        raise encryption_unsupported()
    before, after = cipher_of(engine.dialect), None if key is None else Cipher(key)
    if (before and before.mark) != (after and after.mark):
        with ledger.alone() as connection:
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
            with _open_log(connection):
                for table in metadata.sorted_tables:
                    if sealed_columns(table):
                        _reseal_table(connection, table, before, after)
            set_key(connection, after, ledger.standing.default_issuer)
    _rewrite(ledger)


def _reseal_table(connection: Connection, table: Table, before: Cipher | None, after: Cipher | None) -> None:
    columns = sealed_columns(table)
    page = f"SELECT rowid, {', '.join(columns)} FROM {table.name} WHERE rowid > ? ORDER BY rowid LIMIT {_PAGE}"  # noqa: S608
    assignments = ", ".join(f"{column} = ?" for column in columns)
    statement = f"UPDATE {table.name} SET {assignments} WHERE rowid = ?"  # noqa: S608 - names of our own
    names = [f"{table.name}.{column}" for column in columns]
    last = -1
    while rows := connection.exec_driver_sql(page, (last,)).all():
        changed = [
            (*(_changed(name, text, before, after) for name, text in zip(names, row[1:], strict=True)), row[0])
            for row in rows
        ]
        connection.exec_driver_sql(statement, changed)
        last = rows[-1][0]


def _changed(name: str, stored: str, before: Cipher | None, after: Cipher | None) -> str:
    text = stored if before is None else before.open(name, stored)
    return text if after is None else after.seal(name, text)


@contextmanager
def _open_log(connection: Connection) -> Iterator[None]:
    """The access log without what forbids to change it, which is there again before anybody else sees the log."""
    rows = connection.exec_driver_sql(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (access.name,)
    ).all()
    for name, _ in rows:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for _, statement in rows:
        connection.exec_driver_sql(statement)


def _rewrite(ledger: Ledger) -> None:
    """Write the whole file anew, so that no free page or slack keeps anything, and empty the write-ahead log."""
    path = sqlite_path(ledger.database.engine.url, SETTING).absolute()
    ledger.close()
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("VACUUM")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        raise ConfigurationError(
            f"{SETTING}: everything is sealed with the new key, but the file {path} can't be rewritten "
            f"({error.sqlite_errorname}), and still holds what was there: see to the disk, then give the same command "
            "with the new key in force."
        ) from None
    if busy:
        raise TransientError(
            f"{SETTING}: everything is sealed with the new key, but another process has the file open, so that its log "
            "still holds what was there: end that process, then give the same command with the new key in force."
        )
