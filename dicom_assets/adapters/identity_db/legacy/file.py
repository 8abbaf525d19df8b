"""A legacy identity.db, opened so that no byte of it changes. What it holds is *identified*."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dicom_assets.adapters.identity_db.legacy.layout import INSTANCES, SERIES, STUDIES, Layout, keyword_of, layout_of
from dicom_assets.adapters.identity_db.queries import storable
from dicom_assets.adapters.identity_db.tables import VERSION_TABLE
from dicom_assets.errors import ConfigurationError

_MAGIC = b"SQLite format 3\0"
_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LegacyRow:
    """One row of a table. *Identified*. `study` is the row of its study, `date` that study's date (Ruby)."""

    row: int
    original: str = field(repr=False)
    cleaned: str = field(repr=False)
    study: int | None = None
    date: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LegacyFile:
    """An open legacy file in a layout that is known."""

    connection: sqlite3.Connection = field(repr=False)
    layout: Layout
    tables: Mapping[str, frozenset[str]]
    sha256: str

    def keyword(self, table: str) -> str:
        """What a table is about."""
        return keyword_of(table, self.layout)

    def rows(self, table: str) -> Iterator[LegacyRow]:
        """A table's rows, in the order in which they came: of several for one original, the first was in force."""
        columns = self.tables[table]
        study = "study" if "study" in columns else "NULL"
        date = "date" if "date" in columns else "NULL"
        query = f'SELECT id, original, cleaned, {study}, {date} FROM "{table}" ORDER BY id'  # noqa: S608 - checked names
        for row, original, cleaned, of, day in self.connection.execute(query):
            linked = of if isinstance(of, int) else None
            yield LegacyRow(int(row), _text(original), _text(cleaned), linked, _text(day))


@contextmanager
def open_legacy(path: Path) -> Iterator[LegacyFile]:
    """The file, in one transaction, for reading alone.

    Raises:
        ConfigurationError: it is not there, no SQLite database, damaged, in the midst of a change, or no legacy file of
            a generation that is known. Says why, and no value.
    """
    _require_database(path)
    try:
        with closing(_connect(path)) as connection:
            connection.execute("BEGIN")
            yield _recognised(connection, path)
    except sqlite3.Error as error:
        raise refused(
            path, f"it does not read as a database ({error.sqlite_errorname}): truncated, damaged or locked"
        ) from None


def refused(path: Path, why: str) -> ConfigurationError:
    """What is said of a file that is not taken."""
    return ConfigurationError(f"{path} can't be imported: {why}. Nothing was changed.")


def _require_database(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError as error:
        raise refused(path, f"it can't be read ({type(error).__name__})") from None
    if not head:
        raise refused(path, "it is empty")
    if head != _MAGIC:
        raise refused(path, "it is no SQLite database")
    for suffix in ("-journal", "-wal"):
        beside = path.with_name(path.name + suffix)
        if beside.exists() and beside.stat().st_size:
            raise refused(
                path,
                f"beside it lies {beside.name}, so that a change of it is not finished; let the program that writes it "
                "end, or open and close it once with `sqlite3`",
            )


def _connect(path: Path) -> sqlite3.Connection:
    with path.open("rb") as file:
        is_wal = file.read(20)[18:20] == b"\x02\x02"
    # A file in WAL mode can't be read without making files beside it, unless it is said that nobody writes to it.
    mode = "mode=ro&immutable=1" if is_wal else "mode=ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=_WAIT_SECONDS, isolation_level=None
    )
    connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
    return connection


def _recognised(connection: sqlite3.Connection, path: Path) -> LegacyFile:
    named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
    names = [row[0] for row in connection.execute(named)]
    if VERSION_TABLE in names:
        raise refused(path, "it is an identity database of this program, not a legacy one")
    if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise refused(path, "it is damaged, perhaps truncated; use a whole copy")
    tables = {name.lower(): _columns(connection, name) for name in names}
    try:
        layout = layout_of(tables)
    except ValueError as error:
        raise refused(path, str(error)) from None
    has_studies = STUDIES in tables and connection.execute(f"SELECT 1 FROM {STUDIES} LIMIT 1").fetchone()  # noqa: S608
    missing = [table for table in (SERIES, INSTANCES) if has_studies and table not in tables]
    if missing:
        raise refused(path, f"it has studies, but no table {' and '.join(missing)}: it is not whole")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return LegacyFile(connection, layout, tables, sha256)


def _columns(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    quoted = table.replace('"', '""')
    return frozenset(str(row[1]).lower() for row in connection.execute(f'PRAGMA table_info("{quoted}")'))


def _text(stored: object) -> str:
    """Columns have no type: a number may stand where a text is meant."""
    if stored is None:
        return ""
    return storable(stored.decode("utf-8", "backslashreplace") if isinstance(stored, bytes) else str(stored)).strip()
