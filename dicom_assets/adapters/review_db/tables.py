"""The two tables of django-dicom-review that are asked, with the columns that this installation has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    false,
    func,
    or_,
    select,
    update,
)

from dicom_assets.adapters.database_columns import UtcDateTime, reflected_columns
from dicom_assets.adapters.databases import Database
from dicom_assets.errors import ConfigurationError

STUDY_TABLE = "staging_radiologystudy"
REVIEW_TABLE = "staging_radiologystudyreview"

_WHITE_SPACE = " \t\n\r\v\f"
"""What imports leave around texts; every server's encoding has it."""
UNREADABLE_TIME = datetime.min.replace(tzinfo=UTC)
"""Comes back for what a column for times holds and is none."""

_STUDY_COLUMNS = {"id": "id", "original_study_uid": "text", "exclude": "flag", "image_published": "flag"}
_ERROR_COLUMNS = {"processing_error": "flag", "processing_error_date": "time", "processing_error_msg": "text"}
_SUBJECT_COLUMNS = {"patient_id": "id", "accession_no": "text"}
_REVIEW_COLUMNS = {
    "id": "id",
    "study_id": "id",
    "created": "time",
    "modified": "time",
    "has_phi": "flag",
    "has_reconstruction": "flag",
    "has_protocol_series": "flag",
    "relevant": "flag",
    "exclude": "flag",
    "comment": "text",
}


class ForgivingTime(UtcDateTime):
    """A point in time; what is stored and is none comes back as `UNREADABLE_TIME`: one bad row stops no other."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The value with UTC."""
        try:
            return super().process_result_value(value, dialect)
        except (ConfigurationError, OverflowError):
            return UNREADABLE_TIME


@dataclass(frozen=True, slots=True)
class ReviewTables:
    """Table objects for queries. `has_error_columns` is false on installations from before November 2013."""

    study: Table
    review: Table
    has_error_columns: bool

    def study_uid(self) -> ColumnElement[str]:
        """The original Study Instance UID of a row, without white space.

        Rows whose UIDs differ by that alone are one study: one that forbids has to hold back one that allows.
        """
        uid: ColumnElement[str] = self.study.c.original_study_uid
        for space in _WHITE_SPACE:
            uid = func.replace(uid, space, "", type_=String)
        return uid

    def has_study_uid(self) -> ColumnElement[bool]:
        """Whether a row has an original Study Instance UID at all."""
        return and_(self.study.c.original_study_uid.is_not(None), self.study_uid() != "")

    def facts_of_studies(self) -> Select[Any]:
        """Rows of studies with what the rules ask for, and the UID without white space as `uid`."""
        columns = [column for column in self.study.c if column.name not in _MESSAGES]
        return select(*columns, self.study_uid().label("uid"))

    def try_rights(self, connection: Connection, *, to_write: bool) -> None:
        """Read, and where asked write, all columns of no row, so that a right that lacks shows before any work.

        SQLite knows no rights, and an UPDATE would wait for whoever writes there.
        """
        connection.execute(select(self.study).where(false()))
        connection.execute(select(self.review).where(false()))
        if to_write and connection.dialect.name != "sqlite":
            written = ["image_published", *(name for name in _ERROR_COLUMNS if self.has_error_columns)]
            connection.execute(update(self.study).where(false()).values({name: self.study.c[name] for name in written}))


_MESSAGES = ("processing_error_msg", "processing_error_date")


def reflect_tables(database: Database) -> ReviewTables:
    """The tables as they are.

    Raises:
        ConfigurationError: a table, or a column that no version lacks, is missing.
    """
    study = reflected_columns(database, STUDY_TABLE, _STUDY_COLUMNS)
    has_error_columns = not _ERROR_COLUMNS.keys().isdisjoint(study)
    if has_error_columns:
        study = reflected_columns(database, STUDY_TABLE, _STUDY_COLUMNS | _ERROR_COLUMNS)
    review = reflected_columns(database, REVIEW_TABLE, _REVIEW_COLUMNS)
    kinds = _STUDY_COLUMNS | (_ERROR_COLUMNS if has_error_columns else {})
    kinds |= {name: kind for name, kind in _SUBJECT_COLUMNS.items() if name in study}
    metadata, dialect = MetaData(), database.engine.dialect
    return ReviewTables(
        Table(STUDY_TABLE, metadata, *_columns(kinds, study, dialect)),
        Table(REVIEW_TABLE, metadata, *_columns(_REVIEW_COLUMNS, review, dialect)),
        has_error_columns,
    )


def is_true(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """A flag that is set; 1 on databases whose flags are numbers."""
    return column == (True if isinstance(column.type, Boolean) else 1)


def is_not_true(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """A flag that is not set, or null."""
    return or_(column.is_(None), column == (False if isinstance(column.type, Boolean) else 0))


def makes_no_sense(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """A flag that is neither set nor not set nor null, which databases without a type for flags may hold."""
    return false() if isinstance(column.type, Boolean) else and_(column.is_not(None), column.not_in((0, 1)))


def flag_value(column: ColumnElement[Any], value: bool) -> bool | int:
    """What to write into a flag."""
    return value if isinstance(column.type, Boolean) else int(value)


def _columns(
    kinds: Mapping[str, str], reflected: Mapping[str, Mapping[str, Any]], dialect: Dialect
) -> list[Column[Any]]:
    return [Column(name, _type(kind, reflected[name]["type"], dialect)) for name, kind in kinds.items()]


def _type(kind: str, reflected: Any, dialect: Dialect) -> Any:
    """Flags come as they are stored where the database has no type of their own: a 2 is neither true nor false."""
    if kind == "time":
        return ForgivingTime(timezone=bool(getattr(reflected, "timezone", False)))
    if kind == "flag":
        return Boolean() if isinstance(reflected, Boolean) and dialect.supports_native_boolean else Integer()
    return String(getattr(reflected, "length", None)) if kind == "text" else Integer()
