"""What an identity database goes by: which secret is in force, which key, which issuer goes without saying.

A row of `identity_meta` named `state` changes whenever one of these does. Every transaction looks at it, so that a
process that opened the database before works on no longer.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, text, update

from dicom_assets.adapters.identity_db import refusals
from dicom_assets.adapters.identity_db.sealing import Cipher, cipher_of
from dicom_assets.adapters.identity_db.tables import meta, secret

STATE = "state"
KEY_CHECK = "key_check"
DEFAULT_ISSUER = "default_issuer"

_WRITERS_LOCK = 0x1DE471D9
"""PostgreSQL's advisory lock: shared by those who record, taken alone by those who change what the database goes by."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database went by when it was opened."""

    state: str
    generation: int
    default_issuer: str = ""


def secret_mark(of: bytes) -> str:
    """A keyed value that tells whether a secret is the one that a database was made with, and nothing of it."""
    return hmac.digest(of, b"dicom_assets identity database, check of the secret", hashlib.sha256).hex()[:32]


def shown(mark: str) -> str:
    """As much of a mark as people compare."""
    return mark[:8]


def begin(connection: Connection, of: bytes, cipher: Cipher | None, now: datetime) -> None:
    """Make a new database go by this secret and this key."""
    connection.execute(insert(secret).values(generation=1, mark=secret_mark(of), since=now))
    if cipher is not None:
        connection.execute(insert(meta).values(name=KEY_CHECK, value=cipher.mark))
    change_state(connection)


def is_begun(connection: Connection) -> bool:
    """Whether the database goes by a secret already."""
    return connection.execute(select(secret.c.generation).limit(1)).first() is not None


def read_standing(connection: Connection, of: bytes, cipher: Cipher | None) -> Standing:
    """What the database goes by.

    Raises:
        ConfigurationError: that is another secret or another key.
    """
    said = {row.name: row.value for row in connection.execute(select(meta.c.name, meta.c.value))}
    _compare_key(said.get(KEY_CHECK), cipher)
    in_force = connection.execute(
        select(secret.c.generation, secret.c.mark).where(secret.c.retired_at.is_(None))
    ).one_or_none()
    if in_force is None or STATE not in said:
        raise refusals.nothing_in_force()
    if not hmac.compare_digest(in_force.mark, secret_mark(of)):
        raise _wrong_secret(connection, of, in_force.mark)
    issuer = said.get(DEFAULT_ISSUER, "")
    return Standing(said[STATE], in_force.generation, issuer if cipher is None else _opened(cipher, issuer))


def require_unchanged(connection: Connection, standing: Standing) -> None:
    """Return if the database goes by what it went by when it was opened.

    Raises:
        ConfigurationError: it does not.
    """
    found = connection.execute(select(meta.c.value).where(meta.c.name == STATE)).scalar_one_or_none()
    if found != standing.state:
        raise refusals.changed_meanwhile()


def record_together(connection: Connection) -> None:
    """Wait until nobody changes what the database goes by. SQLite's writers are alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": _WRITERS_LOCK})


def record_alone(connection: Connection) -> None:
    """Wait until nobody records, and keep others waiting until the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITERS_LOCK})


def change_state(connection: Connection) -> None:
    """Make every process that has the database open notice that it goes by something else from now on."""
    _set(connection, STATE, secrets.token_hex(16))


def set_default_issuer(connection: Connection, issuer: str) -> None:
    """Declare whose ids those without an issuer are; empty: nobody's."""
    cipher = cipher_of(connection.dialect)
    _set(connection, DEFAULT_ISSUER, issuer if cipher is None else cipher.seal(DEFAULT_ISSUER, issuer))
    change_state(connection)


def set_key(connection: Connection, cipher: Cipher | None, default_issuer: str) -> None:
    """Have the database go by another key, or none, once everything in it is sealed with that."""
    connection.execute(delete(meta).where(meta.c.name.in_((KEY_CHECK, DEFAULT_ISSUER))))
    if cipher is not None:
        _set(connection, KEY_CHECK, cipher.mark)
    if default_issuer:
        sealed = default_issuer if cipher is None else cipher.seal(DEFAULT_ISSUER, default_issuer)
        _set(connection, DEFAULT_ISSUER, sealed)
    change_state(connection)


def next_secret(connection: Connection, of: bytes, now: datetime) -> int:
    """Have the database go by a new secret; returns the number of its generation.

    Raises:
        ConfigurationError: it went by this one before.
    """
    if connection.execute(select(secret.c.generation).where(secret.c.mark == secret_mark(of))).first():
        raise refusals.secret_known_already()
    generation = int(connection.execute(select(func.max(secret.c.generation))).scalar_one()) + 1
    connection.execute(update(secret).where(secret.c.retired_at.is_(None)).values(retired_at=now))
    connection.execute(insert(secret).values(generation=generation, mark=secret_mark(of), since=now))
    change_state(connection)
    return generation


def _set(connection: Connection, name: str, value: str) -> None:
    changed = connection.execute(update(meta).where(meta.c.name == name).values(value=value))
    if not changed.rowcount:
        connection.execute(insert(meta).values(name=name, value=value))


def _opened(cipher: Cipher, issuer: str) -> str:
    return cipher.open(DEFAULT_ISSUER, issuer) if issuer else ""


def _compare_key(recorded: str | None, cipher: Cipher | None) -> None:
    if recorded is None and cipher is not None:
        raise refusals.not_encrypted()
    if recorded is not None and cipher is None:
        raise refusals.key_missing()
    if recorded is not None and cipher is not None and not hmac.compare_digest(recorded, cipher.mark):
        raise refusals.wrong_key(shown(recorded), shown(cipher.mark))


def _wrong_secret(connection: Connection, of: bytes, in_force: str) -> Exception:
    given = secret_mark(of)
    retired = select(secret.c.retired_at).where(secret.c.mark == given)
    when = connection.execute(retired).scalar_one_or_none()
    if when is None:
        return refusals.wrong_secret(shown(in_force), shown(given))
    return refusals.retired_secret(f"{when:%Y-%m-%d}", shown(in_force))
