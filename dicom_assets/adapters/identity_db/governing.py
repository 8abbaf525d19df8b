"""Changing what an identity database goes by: another secret, or an issuer that goes without saying."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from dicom_assets.adapters.identity_db.ledger import Ledger, keyed_hash
from dicom_assets.adapters.identity_db.standing import next_secret, secret_mark, set_default_issuer, shown
from dicom_assets.adapters.identity_db.tables import value
from dicom_assets.deidentification.derivation import check_secret

_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Rotation:
    """What came of it: the number of the secret's generation, and what people compare it by."""

    generation: int
    fingerprint: str


def rotate_secret(ledger: Ledger, new: bytes) -> Rotation:
    """Put a new secret in force, in one transaction; every process that has the database open has to start again.

    Pseudonyms, date offsets, study keys and UIDs are recorded and stay. The keyed hashes that tell equal values apart
    are made anew.

    Raises:
        ConfigurationError: the new secret is too short, or was in force before.
    """
    check_secret(new)
    with ledger.alone() as connection:
        generation = next_secret(connection, new, ledger.clock())
        _renew_fingerprints(connection, new)
    return Rotation(generation, shown(secret_mark(new)))


def _renew_fingerprints(connection: Connection, secret: bytes) -> None:
    renew = update(value).where(value.c.id == bindparam("row")).values(fingerprint=bindparam("renewed"))
    page = select(value.c.id, value.c.keyword, value.c.original, value.c.replacement).order_by(value.c.id).limit(_PAGE)
    last = 0
    while rows := connection.execute(page.where(value.c.id > last)).all():
        renewed = [
            {"row": row.id, "renewed": keyed_hash(secret, row.keyword, row.original, row.replacement)} for row in rows
        ]
        connection.execute(renew, renewed)
        last = rows[-1].id


def declare_default_issuer(ledger: Ledger, issuer: str) -> None:
    """Say whose ids those without an Issuer of Patient ID are; empty: nobody's.

    From then on an id without an issuer and one with this issuer mean one patient. Pseudonyms that were given before
    stay. Every process that has the database open has to start again.
    """
    with ledger.alone() as connection:
        set_default_issuer(connection, issuer.strip())
