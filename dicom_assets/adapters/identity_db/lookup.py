"""Looking up what stands for what, in both directions. What is found is *identified*."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, or_, select

from dicom_assets.adapters.identity_db.access_log import ANYTHING, LOOKUP, Asker, note
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.queries import storable
from dicom_assets.adapters.identity_db.tables import patient, study, uid, value
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import UidLevel

STUDY_KEY = "StudyKey"
OTHER_UID = "UID"
UID_KEYWORDS = {
    UidLevel.STUDY: "StudyInstanceUID",
    UidLevel.SERIES: "SeriesInstanceUID",
    UidLevel.INSTANCE: "SOPInstanceUID",
}
RECORDED, IMPORTED = "recorded", "imported"


@dataclass(frozen=True, slots=True)
class Found:
    """An original and what stands for it. *Identified*.

    `attribute` is a keyword of the dictionary, `StudyKey`, or `UID` for one of which nothing else is known. `origin`
    says whether it was recorded here or imported from a legacy file. `matched` says which side was asked for.
    """

    attribute: str
    original: str = field(repr=False)
    replacement: str
    study_key: str = ""
    issuer: str = field(default="", repr=False)
    origin: str = RECORDED
    matched: str = ""


def look_up(ledger: Ledger, asked: str, who: Asker, attribute: str = "") -> list[Found]:
    """Everything that has this value on either side, of one attribute or of all; noted before it is told.

    A study key also brings what is recorded of its study, but for single instances.

    Raises:
        ConfigurationError: nothing is asked for, or the access log can't be written.
        TransientError: the database is away or busy; nothing is told then.
    """
    text = storable(asked).strip()
    if not text:
        raise ConfigurationError("Give a value to look up.")
    with ledger.writing() as connection:
        found = list(dict.fromkeys(_found(connection, text)))
        if attribute:
            found = [one for one in found if one.attribute.lower() == attribute.lower()]
        note(connection, ledger, who, LOOKUP, attribute=attribute or ANYTHING, value=text, hits=len(found))
    return found


def uid_attribute(level: str | None) -> str:
    """The keyword of the attribute that a UID of a level is the value of."""
    return OTHER_UID if level is None else UID_KEYWORDS[UidLevel(level)]


def origin_of(import_id: int | None) -> str:
    """Where a row comes from."""
    return RECORDED if import_id is None else IMPORTED


def _found(connection: Connection, text: str) -> Iterator[Found]:
    yield from _studies(connection, text)
    yield from _patients(connection, text)
    yield from _uids(connection, text)
    yield from _values(connection, text)


def _matched(text: str, original: str) -> str:
    return "original" if text == original else "replacement"


def _studies(connection: Connection, text: str) -> Iterator[Found]:
    asked = select(study.c.key, study.c.original_study_uid, study.c.patient_id).where(
        or_(study.c.key == text, study.c.original_study_uid == text)
    )
    for row in connection.execute(asked).all():
        matched = _matched(text, row.original_study_uid)
        yield Found(STUDY_KEY, row.original_study_uid, row.key, row.key, matched=matched)
        if row.key == text:
            yield from _of_study(connection, row.key, row.patient_id)


def _of_study(connection: Connection, key: str, patient_id: int | None) -> Iterator[Found]:
    mapped = select(uid.c.original, uid.c.replacement, uid.c.import_id).where(
        uid.c.study_key == key, uid.c.level == UidLevel.STUDY
    )
    for original, replacement, import_id in connection.execute(mapped).all():
        yield Found(UID_KEYWORDS[UidLevel.STUDY], original, replacement, key, origin=origin_of(import_id))
    whose = select(patient.c.original_id, patient.c.issuer, patient.c.pseudonym).where(patient.c.id == patient_id)
    for original, issuer, pseudonym in connection.execute(whose).all():
        yield Found("PatientID", original, pseudonym, key, issuer)
    recorded = select(value.c.keyword, value.c.original, value.c.replacement, value.c.import_id)
    for keyword, original, replacement, import_id in connection.execute(
        recorded.where(value.c.study_key == key).order_by(value.c.id)
    ).all():
        yield Found(keyword, original, replacement, key, origin=origin_of(import_id))


def _patients(connection: Connection, text: str) -> Iterator[Found]:
    asked = select(patient.c.original_id, patient.c.issuer, patient.c.pseudonym)
    for column in (patient.c.original_id, patient.c.pseudonym):
        for row in connection.execute(asked.where(column == text)).all():
            matched = _matched(text, row.original_id)
            yield Found("PatientID", row.original_id, row.pseudonym, issuer=row.issuer, matched=matched)


def _uids(connection: Connection, text: str) -> Iterator[Found]:
    asked = select(uid.c.original, uid.c.replacement, uid.c.level, uid.c.study_key, uid.c.import_id)
    for column in (uid.c.original, uid.c.replacement):
        for row in connection.execute(asked.where(column == text)).all():
            yield Found(
                uid_attribute(row.level),
                row.original,
                row.replacement,
                row.study_key or "",
                origin=origin_of(row.import_id),
                matched=_matched(text, row.original),
            )


def _values(connection: Connection, text: str) -> Iterator[Found]:
    asked = select(value.c.keyword, value.c.original, value.c.replacement, value.c.study_key, value.c.import_id)
    for column in (value.c.original, value.c.replacement):
        for row in connection.execute(asked.where(column == text).order_by(value.c.id)).all():
            yield Found(
                row.keyword,
                row.original,
                row.replacement,
                row.study_key or "",
                origin=origin_of(row.import_id),
                matched=_matched(text, row.original),
            )
