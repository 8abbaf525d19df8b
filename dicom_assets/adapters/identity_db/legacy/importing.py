"""Taking over what a legacy identity.db maps: UIDs stay in force, all else can be looked up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from dicom_assets.adapters.identity_db.issuing import issue_study_keys
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.legacy.file import LegacyFile, LegacyRow, open_legacy
from dicom_assets.adapters.identity_db.legacy.layout import REMOVED, RUBY_STUDIES, STUDIES, UID_TABLES
from dicom_assets.adapters.identity_db.lookup import UID_KEYWORDS
from dicom_assets.adapters.identity_db.queries import (
    chunks,
    find_mapped,
    insert_values,
    tell_levels,
)
from dicom_assets.adapters.identity_db.refusals import LONGEST_UID
from dicom_assets.adapters.identity_db.tables import legacy_import, uid
from dicom_assets.errors import DicomAssetsError
from dicom_assets.study import StudyKey, UidLevel

_DOTTED = re.compile(r"[0-9]+(\.[0-9]+)+")
"""More than PS3.5 9.1 allows: 5.555.5, the old program's default root, is none, and its UIDs were published."""

ORDER = tuple(UID_TABLES)
DUMMY_DATE = "20000101"
"""What the Ruby program wrote for every date."""

RECORDED_OTHERWISE = "recorded with another replacement before, which stays in force"
MAPPED_TWICE = "mapped twice in this file; the first is in force"
REPLACEMENT_TAKEN = "its replacement stands for another UID"
NO_ORIGINAL = "no original"
TOO_LONG = f"the original is longer than {LONGEST_UID} characters"
NO_UID = "its replacement is no UID"
KEPT_ITSELF = "replaced by itself"


@dataclass(slots=True)
class TableReport:
    """What became of a table's rows. Counts and reasons, no values."""

    table: str
    attribute: str
    new: int = 0
    already: int = 0
    conflicts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file."""

    layout: str
    tables: Sequence[TableReport]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was in conflict or refused."""
        return not any(table.conflicts or table.refused for table in self.tables)


@dataclass(frozen=True, slots=True)
class _Value:
    """A pair for looking up. *Identified*."""

    study_key: StudyKey | None
    keyword: str
    original: str = field(repr=False)
    replacement: str = field(repr=False)


class _RehearsedError(DicomAssetsError):
    """Ends the transaction of a dry run, so that nothing of it stays."""


def import_legacy(ledger: Ledger, path: Path, *, dry_run: bool = False) -> ImportReport:
    """Import a legacy file wholly or not at all; doing it again adds nothing.

    Mappings of Study, Series and SOP Instance UIDs are in force from then on, unless the UID has a replacement
    already. All pairs, those that could not be put in force among them, can be looked up. Nobody else records
    meanwhile. The file is not changed. A dry run tells what would come of it.

    Raises:
        ConfigurationError: the file is not one that can be imported, or the database goes by something else by now.
    """
    with suppress(_RehearsedError), open_legacy(path) as legacy, ledger.alone() as connection:
        report = _Import(ledger, legacy, connection).run()
        if dry_run:
            raise _RehearsedError
    return report


class _Import:
    """One file, in one transaction."""

    def __init__(self, ledger: Ledger, legacy: LegacyFile, connection: Connection) -> None:
        self._ledger = ledger
        self._legacy = legacy
        self._connection = connection
        self._keys: dict[int, StudyKey] = {}
        self._of_study: dict[str, StudyKey] = {}
        self._row: int | None = None
        self._added = 0

    def run(self) -> ImportReport:
        tables = self._legacy.tables
        reports = [self._uids(table, UID_TABLES[table]) for table in ORDER if table in tables]
        reports += [self._values_of(table) for table in sorted(tables.keys() - UID_TABLES.keys())]
        if "date" in tables.get(RUBY_STUDIES, ()):
            reports.append(self._dates_of_studies())
        if self._row is not None and not self._added:
            self._connection.execute(delete(legacy_import).where(legacy_import.c.id == self._row))
        return ImportReport(self._legacy.layout, reports)

    def _uids(self, table: str, level: UidLevel) -> TableReport:
        report = TableReport(table, UID_KEYWORDS[level])
        in_file: set[int] = set()
        for rows in chunks(self._legacy.rows(table)):
            if level is UidLevel.STUDY:
                self._issue_keys(rows, remember=table == STUDIES)
            self._put_in_force(rows, level, report, in_file)
        return report

    def _issue_keys(self, rows: Sequence[LegacyRow], *, remember: bool) -> None:
        named = {row.row: row.original for row in rows if 0 < len(row.original.strip()) <= LONGEST_UID}
        keys = issue_study_keys(self._connection, self._ledger, named.values())
        self._of_study = keys
        if remember:  # a `study` column refers to this table alone
            self._keys |= {row: keys[original] for row, original in named.items()}

    def _put_in_force(self, rows: Sequence[LegacyRow], level: UidLevel, report: TableReport, in_file: set[int]) -> None:
        recorded = find_mapped(self._connection, [row.original for row in rows])
        owners = self._owners([row.cleaned for row in rows])
        new: dict[str, LegacyRow] = {}
        unused: list[LegacyRow] = []
        for row in rows:
            before = recorded[row.original].replacement if row.original in recorded else None
            before = before or (new[row.original].cleaned if row.original in new else None)
            problem = _problem_with(row)
            if problem:
                report.refused[problem] += 1
            elif before == row.cleaned:
                report.already += 1
            elif before is not None:
                report.conflicts[MAPPED_TWICE if hash(row.original) in in_file else RECORDED_OTHERWISE] += 1
            elif owners.get(row.cleaned, row.original) != row.original:
                report.refused[REPLACEMENT_TAKEN] += 1
            else:
                new[row.original] = row
                owners[row.cleaned] = row.original
            in_file.add(hash(row.original))
            if row.original and row.cleaned != before and new.get(row.original) is not row:
                unused.append(row)
        self._insert_uids(new.values(), level)
        self._tell_levels(
            [row for row in rows if row.original in recorded and recorded[row.original].level is None], level
        )
        keyword = UID_KEYWORDS[level]
        self._keep([_Value(self._key_of(row, level), keyword, row.original, _replacement(row)) for row in unused])
        report.new += len(new)
        self._added += len(new)

    def _owners(self, replacements: Iterable[str]) -> dict[str, str]:
        asked = select(uid.c.replacement, uid.c.original).where(uid.c.replacement.in_(sorted(set(replacements))))
        return {row.replacement: row.original for row in self._connection.execute(asked)}

    def _insert_uids(self, rows: Iterable[LegacyRow], level: UidLevel) -> None:
        values = [
            {
                "original": row.original,
                "replacement": row.cleaned,
                "study_key": self._key_of(row, level),
                "level": level,
                "import_id": self._import_id(),
            }
            for row in rows
        ]
        if values:  # nobody else records, so that a constraint that is broken is a fault to be told
            self._connection.execute(insert(uid), values)

    def _tell_levels(self, rows: Iterable[LegacyRow], level: UidLevel) -> None:
        tell_levels(self._connection, {row.original: (level, self._key_of(row, level)) for row in rows})

    def _key_of(self, row: LegacyRow, level: UidLevel | None = None) -> StudyKey | None:
        if level is UidLevel.STUDY:
            return self._of_study.get(row.original)
        return None if row.study is None else self._keys.get(row.study)

    def _values_of(self, table: str) -> TableReport:
        report = TableReport(table, self._legacy.keyword(table))
        for rows in chunks(self._legacy.rows(table)):
            pairs = [
                _Value(
                    self._key_of(row),
                    report.attribute,
                    row.original,
                    _replacement(row),
                )
                for row in rows
                if row.original
            ]
            self._count(report, len(rows), pairs)
        return report

    def _dates_of_studies(self) -> TableReport:
        report = TableReport(RUBY_STUDIES, "StudyDate")
        for rows in chunks(self._legacy.rows(RUBY_STUDIES)):
            dated = [row for row in rows if row.date]
            keys = issue_study_keys(self._connection, self._ledger, [row.original for row in dated if row.original])
            pairs = [_Value(keys.get(row.original), "StudyDate", row.date, DUMMY_DATE) for row in dated]
            self._count(report, len(dated), pairs)
        return report

    def _count(self, report: TableReport, rows: int, pairs: Sequence[_Value]) -> None:
        added = self._keep(pairs)
        report.new += added
        report.already += len(pairs) - added
        if rows > len(pairs):
            report.refused[NO_ORIGINAL] += rows - len(pairs)

    def _keep(self, pairs: Sequence[_Value]) -> int:
        """Keep pairs for looking up; the number of those that were not there."""
        rows = [
            {
                "study_key": pair.study_key,
                "keyword": pair.keyword,
                "original": pair.original,
                "replacement": pair.replacement,
                "fingerprint": self._ledger.keyed_hash(pair.keyword, pair.original, pair.replacement),
                "import_id": self._import_id(),
            }
            for pair in dict.fromkeys(pairs)
        ]
        added = insert_values(self._connection, rows)
        self._added += added
        return added

    def _import_id(self) -> int:
        """The row that stands for this import, made once there is something to say where it comes from."""
        if self._row is None:
            row: Mapping[str, object] = {
                "imported_at": self._ledger.clock(),
                "layout": self._legacy.layout,
                "content_sha256": self._legacy.sha256,
            }
            self._row = self._connection.execute(
                insert(legacy_import).values(row).returning(legacy_import.c.id)
            ).scalar_one()
        return self._row


def _replacement(row: LegacyRow) -> str:
    return "" if row.cleaned == REMOVED else row.cleaned


def _problem_with(row: LegacyRow) -> str:
    if not row.original.strip():
        return NO_ORIGINAL
    if len(row.original) > LONGEST_UID:
        return TOO_LONG
    if len(row.cleaned) > LONGEST_UID or not _DOTTED.fullmatch(row.cleaned):
        return NO_UID
    return KEPT_ITSELF if row.original == row.cleaned else ""
