"""The two tables of django-dicom-review that are asked, with the columns that this installation has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Column, ColumnElement, Integer, MetaData, String, Table, and_, func, or_

from dicom_assets.adapters.database_columns import UtcDateTime, reflected_columns
from dicom_assets.adapters.databases import Database

STUDY_TABLE = "staging_radiologystudy"
REVIEW_TABLE = "staging_radiologystudyreview"

_STUDY_COLUMNS = {"id": "id", "original_study_uid": "text", "exclude": "flag", "image_published": "flag"}
_ERROR_COLUMNS = {"processing_error": "flag", "processing_error_date": "time", "processing_error_msg": "text"}
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


@dataclass(frozen=True, slots=True)
class ReviewTables:
    """Table objects for queries. `has_error_columns` is false on installations from before November 2013."""

    study: Table
    review: Table
    has_error_columns: bool

    def study_uid(self) -> ColumnElement[str]:
        """The original Study Instance UID of a row, without spaces around it."""
        return func.trim(self.study.c.original_study_uid)

    def has_study_uid(self) -> ColumnElement[bool]:
        """Whether a row has an original Study Instance UID at all."""
        return and_(self.study.c.original_study_uid.is_not(None), self.study_uid() != "")


def reflect_tables(database: Database) -> ReviewTables:
    """The tables as they are.

    Raises:
        ConfigurationError: a table, or a column that no version lacks, is missing.
    """
    study = reflected_columns(database, STUDY_TABLE, _STUDY_COLUMNS)
    review = reflected_columns(database, REVIEW_TABLE, _REVIEW_COLUMNS)
    has_error_columns = set(_ERROR_COLUMNS) <= set(study)
    kinds = _STUDY_COLUMNS | (_ERROR_COLUMNS if has_error_columns else {})
    metadata = MetaData()
    return ReviewTables(
        Table(STUDY_TABLE, metadata, *_columns(kinds, study)),
        Table(REVIEW_TABLE, metadata, *_columns(_REVIEW_COLUMNS, review)),
        has_error_columns,
    )


def is_true(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """A flag that is set; 1 on databases whose flags are numbers."""
    return column == (True if isinstance(column.type, Boolean) else 1)


def is_not_true(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """A flag that is not set, or null."""
    return or_(column.is_(None), column == (False if isinstance(column.type, Boolean) else 0))


def flag_value(column: ColumnElement[Any], value: bool) -> bool | int:
    """What to write into a flag."""
    return value if isinstance(column.type, Boolean) else int(value)


def _columns(kinds: Mapping[str, str], reflected: Mapping[str, Mapping[str, Any]]) -> list[Column[Any]]:
    return [Column(name, _type(kind, reflected[name]["type"])) for name, kind in kinds.items()]


def _type(kind: str, reflected: Any) -> Any:
    if kind == "time":
        return UtcDateTime(timezone=bool(getattr(reflected, "timezone", False)))
    if kind == "flag":
        return Boolean() if isinstance(reflected, Boolean) else Integer()
    return String(getattr(reflected, "length", None)) if kind == "text" else Integer()
