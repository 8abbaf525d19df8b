"""Short ways to identity databases for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from dicom_assets.adapters.identity_db import DryRunIdentityDatabase, IdentityDatabase
from dicom_assets.adapters.identity_db.access_log import Asker
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.schema import open_upgraded
from dicom_assets_tests.adapters.builders import NOON, engine_for
from dicom_assets_tests.adapters.identity_processes import SECRET

KEY = b"a key of at least thirty-two bytes"
OTHER_SECRET = b"another secret of enough bytes"
SOMEBODY = Asker("anna", "desk", "because of SENTINEL-REASON")


def opened(url: str, secret: bytes = SECRET, key: bytes | None = None) -> IdentityDatabase:
    """The identity database, made if need be; it is always noon."""
    return IdentityDatabase.open(url, secret, clock=lambda: NOON, key=key)


def dry(url: str, secret: bytes = SECRET, key: bytes | None = None) -> DryRunIdentityDatabase:
    """That of a dry run."""
    return IdentityDatabase.open_for_dry_run(url, secret, key=key)


@contextmanager
def ledger_of(url: str, secret: bytes = SECRET, key: bytes | None = None) -> Iterator[Ledger]:
    """The database as commands have it."""
    ledger = open_upgraded(url, secret, key, lambda: NOON)
    try:
        yield ledger
    finally:
        ledger.close()


def execute(url: str, statement: str, **parameters: object) -> list[tuple[object, ...]]:
    """The rows of a statement behind the program's back."""
    engine = engine_for(url)
    with engine.begin() as connection:
        result = connection.execute(text(statement), parameters)
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows
