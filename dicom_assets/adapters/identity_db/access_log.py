"""Who looked something up, when, why and what kind of thing: rows that nobody changes or deletes."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, insert, select

from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.tables import access
from dicom_assets.errors import ConfigurationError

LOOKUP, EXPORT = "lookup", "export"
ANYTHING = "anything"
"""The kind of a value that was asked for without saying what it is."""

_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, from where and why. The reason may name a patient: *identified*."""

    account: str
    host: str
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One row of the log. *Identified*, as its reason may be."""

    at: datetime
    account: str
    host: str
    action: str
    attribute: str
    hits: int
    secret_generation: int
    value_hash: str
    reason: str = field(repr=False)


def asker(reason: str) -> Asker:
    """This process's account, and whom it says it acts for.

    Raises:
        ConfigurationError: no reason is given, or a very long one.
    """
    said = " ".join(reason.split())
    if not any(character.isalnum() for character in said) or len(said) > _LONGEST_REASON:
        raise ConfigurationError(f"Say why, in at most {_LONGEST_REASON} characters: nothing is looked up without it.")
    return Asker(_account()[:128], socket.gethostname()[:255], said)


def note(
    connection: Connection, ledger: Ledger, who: Asker, action: str, *, attribute: str, value: str | None, hits: int
) -> None:
    """Add a row; `value`, if anything was asked by, is kept as a keyed hash only."""
    row = {
        "at": ledger.clock(),
        "account": who.account,
        "host": who.host,
        "action": action,
        "attribute": attribute[:64],
        "value_hash": "" if value is None else _hash(ledger, value),
        "secret_generation": ledger.standing.generation,
        "hits": hits,
        "reason": who.reason,
    }
    connection.execute(insert(access).values(row))


def entries(ledger: Ledger, *, since: datetime | None = None, value: str | None = None) -> Iterator[AccessEntry]:
    """The log, oldest first; from a time on, or those who asked for this value under the secret in force now."""
    statement = select(
        access.c.at,
        access.c.account,
        access.c.host,
        access.c.action,
        access.c.attribute,
        access.c.hits,
        access.c.secret_generation,
        access.c.value_hash,
        access.c.reason,
    ).order_by(access.c.id)
    if since is not None:
        statement = statement.where(access.c.at >= since)
    if value is not None:
        statement = statement.where(access.c.value_hash == _hash(ledger, value))
    with ledger.reading() as connection:
        for row in connection.execute(statement):
            yield AccessEntry(*row)


def _hash(ledger: Ledger, value: str) -> str:
    return ledger.keyed_hash("access log", value.strip())


def _account() -> str:
    """The account by the system, not by the environment; and, beside root, the one that `sudo` says it came from."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = str(number)
    behind = os.environ.get("SUDO_USER", "") if number == 0 else ""
    return f"{name} (sudo: {behind})" if behind else name
