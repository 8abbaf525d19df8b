"""What is asked of the identity tables, on an open transaction. Rows are *identified*."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Table, and_, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dicom_assets.adapters.identity_db.tables import patient, study, uid, value
from dicom_assets.errors import StudyError
from dicom_assets.study import PatientIdentity, StudyKey, Subject, UidLevel

T = TypeVar("T")

CHUNK = 500
"""Values in one IN list, below what every SQLite build takes (999 variables)."""


class PatientRow(NamedTuple):
    """A patient who has a pseudonym."""

    row: int
    subject: Subject


class Mapped(NamedTuple):
    """What is recorded of a UID: what replaces it, and what it names."""

    replacement: str
    level: str | None


class IssuedStudy(NamedTuple):
    """A study with its key. *Identified*."""

    study_key: StudyKey
    original_study_uid: str
    issued_at: datetime

    def __repr__(self) -> str:
        """The key alone."""
        return f"IssuedStudy({self.study_key})"


class PatientEntry(NamedTuple):
    """How a patient is filed: the issuer and the id within it. *Identified*."""

    issuer: str
    original_id: str

    def __repr__(self) -> str:
        """Nothing of the patient."""
        return "PatientEntry()"


def entry_of(identity: PatientIdentity) -> PatientEntry:
    r"""Where a patient is filed. Spaces around an id mean nothing (PS3.5 6.2, LO).

    Without a Patient ID, name and birth date stand in together, joined by a backslash, which no Patient ID contains.

    Raises:
        StudyError: there is nothing to tell the patient by: neither a name nor a birth date alone does, which several
            unknown patients share.
    """
    issuer, patient_id = storable(identity.issuer).strip(), storable(identity.patient_id).strip()
    name, birth_date = storable(identity.patient_name).strip(), storable(identity.birth_date).strip()
    if not patient_id and name and birth_date:
        patient_id = f"{name}\\{birth_date}"
    if not patient_id:
        raise StudyError(
            "No Patient ID (0010,0020), nor a name and a birth date that stand in for it: the study can't be given a "
            "pseudonym."
        )
    return PatientEntry(issuer, patient_id)


def storable(text: str) -> str:
    """The text as every database takes it: undecodable bytes written out, no NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "")


def insert_or_ignore(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those rows that break no unique constraint; waits for, and gives way to, who inserted first."""
    if rows:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def insert_values(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert those pairs that their study, or no study, does not have yet; returns how many that were.

    Any other constraint that is broken is an error: no pair is lost without a word.
    """
    by_kind: dict[bool, list[Mapping[str, Any]]] = {True: [], False: []}
    for row in rows:
        by_kind[row["study_key"] is None].append(row)
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    plain = dialect.insert(value)
    statements = {
        False: plain.on_conflict_do_nothing(index_elements=[value.c.study_key, value.c.fingerprint]),
        True: plain.on_conflict_do_nothing(
            index_elements=[value.c.fingerprint], index_where=value.c.study_key.is_(None)
        ),
    }
    return sum(
        len(connection.execute(statements[kind].returning(value.c.id), of_kind).all())
        for kind, of_kind in by_kind.items()
        if of_kind
    )


def tell_levels(connection: Connection, named: Mapping[str, tuple[UidLevel, StudyKey | None]]) -> None:
    """Say what UIDs name, and in which study, where that is not recorded yet."""
    if named:
        statement = (
            update(uid)
            .where(uid.c.original == bindparam("named"), uid.c.level.is_(None))
            .values(level=bindparam("names"), study_key=func.coalesce(bindparam("of"), uid.c.study_key))
        )
        rows = [{"named": name, "names": level, "of": of} for name, (level, of) in sorted(named.items())]
        connection.execute(statement, rows)


def find_key(connection: Connection, study_uid: str) -> StudyKey | None:
    """The key issued for a study."""
    found = connection.execute(select(study.c.key).where(study.c.original_study_uid == study_uid)).scalar_one_or_none()
    return None if found is None else StudyKey(found)


def find_study_uid(connection: Connection, study_key: str) -> str | None:
    """The study that a key was issued for."""
    return connection.execute(select(study.c.original_study_uid).where(study.c.key == study_key)).scalar_one_or_none()


def with_default_issuer(entry: PatientEntry, default_issuer: str) -> PatientEntry:
    """How a new patient is filed: an id without an issuer is one of the issuer that goes without saying."""
    return entry if entry.issuer else entry._replace(issuer=default_issuer)


def find_patient(connection: Connection, entry: PatientEntry, default_issuer: str) -> PatientRow | None:
    """Who is filed so; where the issuer goes without saying, with and without it mean the same.

    A patient filed in exactly this way comes first: a pseudonym once given stays.
    """
    issuers = {entry.issuer, default_issuer, ""} if entry.issuer in (default_issuer, "") else {entry.issuer}
    if not default_issuer:
        issuers = {entry.issuer}
    columns = (patient.c.issuer, patient.c.id, patient.c.pseudonym, patient.c.date_offset_days)
    filed = and_(patient.c.original_id == entry.original_id, patient.c.issuer.in_(sorted(issuers)))
    found = {row.issuer: row for row in connection.execute(select(*columns).where(filed))}
    row = found.get(entry.issuer) or next(iter(found.values()), None)
    return None if row is None else PatientRow(row.id, Subject(row.pseudonym, row.date_offset_days))


def is_pseudonym_taken(connection: Connection, pseudonym: str) -> bool:
    """Whether some patient has the pseudonym."""
    return connection.execute(select(patient.c.id).where(patient.c.pseudonym == pseudonym)).first() is not None


def find_mapped(connection: Connection, uids: Iterable[str]) -> dict[str, Mapped]:
    """What is recorded of those of `uids` that have a replacement."""
    found: dict[str, Mapped] = {}
    columns = select(uid.c.original, uid.c.replacement, uid.c.level)
    for chunk in chunks(sorted(set(uids))):
        rows = connection.execute(columns.where(uid.c.original.in_(chunk)))
        found.update((original, Mapped(replacement, level)) for original, replacement, level in rows)
    return found


def find_replacements(connection: Connection, uids: Iterable[str]) -> dict[str, str]:
    """The recorded replacements of those of `uids` that have one."""
    found: dict[str, str] = {}
    columns = select(uid.c.original, uid.c.replacement)
    for chunk in chunks(sorted(set(uids))):
        rows = connection.execute(columns.where(uid.c.original.in_(chunk)))
        found.update((original, replacement) for original, replacement in rows)
    return found


def find_taken(connection: Connection, replacements: Iterable[str]) -> set[str]:
    """Those of `replacements` that are in use for some UID."""
    taken: set[str] = set()
    for chunk in chunks(sorted(set(replacements))):
        taken.update(connection.execute(select(uid.c.replacement).where(uid.c.replacement.in_(chunk))).scalars())
    return taken


def issued_studies(connection: Connection) -> list[IssuedStudy]:
    """All studies, in the order their keys were issued."""
    rows = connection.execute(
        select(study.c.key, study.c.original_study_uid, study.c.issued_at).order_by(study.c.issued_at, study.c.key)
    )
    return [IssuedStudy(StudyKey(key), original, issued_at) for key, original, issued_at in rows]


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The values in order, some at a time."""
    remaining = iter(values)
    while chunk := list(islice(remaining, size)):
        yield chunk
