"""An open identity database: transactions that make sure that it still goes by what it was opened with."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from dicom_assets.adapters.databases import Database
from dicom_assets.adapters.identity_db.standing import Standing, record_alone, record_together, require_unchanged


@dataclass(frozen=True, slots=True)
class Ledger:
    """An identity database at head, and what it goes by. *Secret*."""

    database: Database
    secret: bytes = field(repr=False)
    standing: Standing = field(repr=False)
    clock: Callable[[], datetime] = field(repr=False)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database.

        Raises:
            ConfigurationError: secret, key or default issuer were changed since it was opened.
        """
        with self.database.reading() as connection:
            require_unchanged(connection, self.standing)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that records, beside those of others.

        Raises:
            ConfigurationError: secret, key or default issuer were changed since it was opened.
        """
        with self.database.writing() as connection:
            record_together(connection)
            require_unchanged(connection, self.standing)
            yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A transaction during which nobody else records.

        Raises:
            ConfigurationError: secret, key or default issuer were changed since it was opened.
        """
        with self.database.writing() as connection:
            record_alone(connection)
            require_unchanged(connection, self.standing)
            yield connection

    def keyed_hash(self, *parts: str) -> str:
        """64 hexadecimal digits that stand for texts, told apart by nobody without the secret."""
        return keyed_hash(self.secret, *parts)

    def close(self) -> None:
        """Give back all connections."""
        self.database.close()


def keyed_hash(secret: bytes, *parts: str) -> str:
    """64 hexadecimal digits that stand for texts under a secret."""
    whole = "".join(f"{len(part)}:{part}" for part in parts)
    return hmac.digest(secret, whole.encode(), hashlib.sha256).hex()
