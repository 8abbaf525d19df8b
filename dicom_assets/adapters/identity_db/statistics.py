"""How much an identity database holds: counts, no values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, func, select

from dicom_assets.adapters.databases import sqlite_path
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.lookup import origin_of, uid_attribute
from dicom_assets.adapters.identity_db.refusals import SETTING
from dicom_assets.adapters.identity_db.schema import head
from dicom_assets.adapters.identity_db.sealing import cipher_of
from dicom_assets.adapters.identity_db.standing import shown
from dicom_assets.adapters.identity_db.tables import access, legacy_import, patient, secret, study, uid, value


class Count(NamedTuple):
    """How many there are of something, or a fact; `detail` tells kinds of one thing apart."""

    what: str
    detail: str
    number: int | str


def statistics(ledger: Ledger) -> list[Count]:
    """Counts of everything, and what the database goes by."""
    with ledger.reading() as connection:
        return [*_facts(ledger, connection), *_counts(connection)]


def _facts(ledger: Ledger, connection: Connection) -> Iterator[Count]:
    engine = ledger.database.engine
    yield Count("database", "", engine.dialect.name)
    if engine.dialect.name == "sqlite":
        yield Count("size", "bytes", sqlite_path(engine.url, SETTING).stat().st_size)
    yield Count("schema", "revision", head() or "")
    yield Count("encrypted", "", "yes" if cipher_of(engine.dialect) else "no")
    yield Count("default issuer", "", "declared" if ledger.standing.default_issuer else "none")
    marks = select(secret.c.generation, secret.c.mark, secret.c.retired_at).order_by(secret.c.generation)
    for generation, mark, retired_at in connection.execute(marks).all():
        state = "in force" if retired_at is None else f"retired {retired_at:%Y-%m-%d}"
        yield Count("secret", f"generation {generation}, {state}", shown(mark))


def _counts(connection: Connection) -> Iterator[Count]:
    for name, table in (("patients", patient), ("studies", study), ("imports", legacy_import), ("accesses", access)):
        yield Count(name, "", connection.execute(select(func.count()).select_from(table)).scalar_one())
    for keyword, origin, number in _by_origin(connection, uid, uid.c.level):
        yield Count("UIDs", f"{uid_attribute(keyword)}, {origin}", number)
    for keyword, origin, number in _by_origin(connection, value, value.c.keyword):
        yield Count("values", f"{keyword}, {origin}", number)


def _by_origin(connection: Connection, table: Table, kind: ColumnElement[Any]) -> list[tuple[str | None, str, int]]:
    own = table.c.import_id.is_(None)
    rows = connection.execute(select(kind, own, func.count()).group_by(kind, own)).all()
    found = [(name, origin_of(None if is_own else 0), int(number)) for name, is_own, number in rows]
    return sorted(found, key=lambda row: (row[0] or "~", row[1]))
