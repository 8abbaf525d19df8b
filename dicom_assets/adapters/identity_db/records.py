"""Everything that is recorded, row by row, for exports. *Identified*."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from dicom_assets.adapters.identity_db.lookup import RECORDED, STUDY_KEY, origin_of, uid_attribute
from dicom_assets.adapters.identity_db.tables import patient, study, uid, value

_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Record:
    """An original and what stands for it, as far as known with study, issuer and date offset (days). *Identified*."""

    attribute: str
    original: str = field(repr=False)
    replacement: str
    study: str = ""
    issuer: str = field(default="", repr=False)
    date_offset_days: int | None = field(default=None, repr=False)
    origin: str = RECORDED


def all_records(connection: Connection) -> Iterator[Record]:
    """Patients, study keys, UIDs and values, in this order."""
    yield from patients(connection)
    yield from study_keys(connection)
    yield from uids(connection)
    yield from values(connection)


def patients(connection: Connection) -> Iterator[Record]:
    """Patients with their pseudonyms and offsets."""
    asked = select(patient.c.original_id, patient.c.pseudonym, patient.c.issuer, patient.c.date_offset_days)
    for original, pseudonym, issuer, offset in connection.execution_options(yield_per=_PAGE).execute(
        asked.order_by(patient.c.id)
    ):
        yield Record("PatientID", original, pseudonym, issuer=issuer, date_offset_days=offset)


def study_keys(connection: Connection) -> Iterator[Record]:
    """Studies with their keys."""
    asked = select(study.c.original_study_uid, study.c.key).order_by(study.c.issued_at, study.c.key)
    for original, key in connection.execution_options(yield_per=_PAGE).execute(asked):
        yield Record(STUDY_KEY, original, key, key)


def uids(connection: Connection) -> Iterator[Record]:
    """UIDs with their replacements, study by study."""
    asked = select(uid.c.level, uid.c.original, uid.c.replacement, uid.c.study_key, uid.c.import_id)
    ordered = asked.order_by(uid.c.study_key, uid.c.replacement)
    for level, original, replacement, key, import_id in connection.execution_options(yield_per=_PAGE).execute(ordered):
        yield Record(uid_attribute(level), original, replacement, key or "", origin=origin_of(import_id))


def values(connection: Connection) -> Iterator[Record]:
    """All else that was recorded, in the order in which it was."""
    asked = select(value.c.keyword, value.c.original, value.c.replacement, value.c.study_key, value.c.import_id)
    for keyword, original, replacement, key, import_id in connection.execution_options(yield_per=_PAGE).execute(
        asked.order_by(value.c.id)
    ):
        yield Record(keyword, original, replacement, key or "", origin=origin_of(import_id))
