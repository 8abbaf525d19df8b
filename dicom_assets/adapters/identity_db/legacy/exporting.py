"""The identity database as dicom-anon's newest identity.db, for programs that read that. *Identified*."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sqlalchemy import Connection, select

from dicom_assets.adapters.identity_db.access_log import EXPORT, Asker, note
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.legacy.layout import INSTANCES, REMOVED, SERIES, STUDIES, table_of
from dicom_assets.adapters.identity_db.lookup import OTHER_UID, UID_KEYWORDS
from dicom_assets.adapters.identity_db.private_file import private_file
from dicom_assets.adapters.identity_db.records import Record, uids, values
from dicom_assets.adapters.identity_db.tables import patient, study
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import UidLevel

_STUDY_UID = UID_KEYWORDS[UidLevel.STUDY]
_SIMPLE = "id INTEGER PRIMARY KEY AUTOINCREMENT, original, cleaned"
_LINKED = f"{_SIMPLE}, study INTEGER, FOREIGN KEY(study) REFERENCES {STUDIES}(id)"


@dataclass(slots=True)
class LegacyExport:
    """What was written: rows, and how many of them are UIDs of which only the table of instances has room."""

    rows: int = 0
    other_uids: int = 0


def export_legacy(ledger: Ledger, path: Path, who: Asker, *, replace: bool = False) -> LegacyExport:
    """Write a legacy file in the newest layout.

    UIDs that name neither a study, a series nor an instance, or of which that is not known, are in the table of
    instances, for the old layout has none for them.

    Raises:
        ConfigurationError: the file is there already or can't be written, or the access log can't be.
    """
    written = LegacyExport()
    with private_file(path, replace=replace) as draft:
        try:
            with closing(sqlite3.connect(draft, isolation_level=None)) as target, ledger.reading() as source:
                target.execute("BEGIN")
                _Export(source, target, written).run()
                target.execute("COMMIT")
        except sqlite3.Error as error:
            raise ConfigurationError(f"{path} can't be written ({error.sqlite_errorname}).") from None
        with ledger.writing() as connection:
            note(connection, ledger, who, EXPORT, attribute="legacy", value=None, hits=written.rows)
    return written


class _Export:
    """From one transaction into another."""

    def __init__(self, source: Connection, target: sqlite3.Connection, written: LegacyExport) -> None:
        self._source = source
        self._target = target
        self._written = written
        self._tables: set[str] = set()
        self._studies: dict[str, int] = {}

    def run(self) -> None:
        self._create(STUDIES, _SIMPLE)
        self._write_studies()
        for table in (SERIES, INSTANCES):
            self._create(table, _LINKED)
        others = (record for record in uids(self._source) if record.attribute != _STUDY_UID)
        for record in chain(others, self._patients_alone(), values(self._source)):
            self._write(record)

    def _write_studies(self) -> None:
        """Every study, so that others may refer to it, with its new UID where there is one."""
        cleaned = {one.original: one.replacement for one in uids(self._source) if one.attribute == _STUDY_UID}
        for key, original in self._source.execute(select(study.c.key, study.c.original_study_uid)).all():
            self._studies[key] = self._insert_study(original, cleaned.pop(original, None))
        for original, replacement in cleaned.items():
            self._insert_study(original, replacement)

    def _insert_study(self, original: str, cleaned: str | None) -> int:
        self._written.rows += 1
        statement = f"INSERT INTO {STUDIES} (original, cleaned) VALUES (?, ?)"  # noqa: S608 - a name of our own
        row = self._target.execute(statement, (original, cleaned)).lastrowid
        return int(row or 0)

    def _patients_alone(self) -> Iterator[Record]:
        """Patients of whom no study is recorded; those of the others are among the values."""
        alone = select(patient.c.original_id, patient.c.pseudonym).where(
            ~select(study.c.key).where(study.c.patient_id == patient.c.id).exists()
        )
        for original, pseudonym in self._source.execute(alone).all():
            yield Record("PatientID", original, pseudonym)

    def _write(self, record: Record) -> None:
        table = table_of(record.attribute)
        if record.attribute == OTHER_UID:
            table = INSTANCES
            self._written.other_uids += 1
        if table == STUDIES:  # a mapping that is not in force: it comes after the one that is
            self._insert_study(record.original, record.replacement)
            return
        if table not in self._tables:
            self._create(table, _LINKED)
        statement = f'INSERT INTO "{table}" (original, cleaned, study) VALUES (?, ?, ?)'  # noqa: S608 - letters, digits
        row = (record.original, record.replacement or REMOVED, self._studies.get(record.study))
        self._target.execute(statement, row)
        self._written.rows += 1

    def _create(self, table: str, columns: str) -> None:
        self._target.execute(f'CREATE TABLE "{table}" ({columns})')
        self._tables.add(table)
