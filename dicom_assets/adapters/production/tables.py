"""The production tables, their staging twins, and the columns that may go from one to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, DateTime, MetaData, Table
from sqlalchemy.types import TypeEngine

from dicom_assets.adapters.database_columns import UtcDateTime, reflected_columns
from dicom_assets.adapters.databases import Database
from dicom_assets.errors import ConfigurationError

_STAMPS = ("id", "created", "modified")
TWINS = {
    "patient": (*_STAMPS, "alias", "sex", "ethnicity"),
    "encounter": (*_STAMPS, "visit_date", "specialty", "age", "patient_id"),
    "radiologystudy": (
        *_STAMPS,
        "study_uid",
        "modality",
        "sop_class",
        "number_of_series",
        "total_images",
        "impression",
        "patient_id",
        "encounter_id",
    ),
}
"""All that production may know. Whatever else a production table has a column for, it is not filled from here."""

_NEEDED = {
    "patient": ("id", "alias"),
    "encounter": ("id", "patient_id"),
    "radiologystudy": ("id", "study_uid", "modality", "patient_id", "encounter_id"),
}
_AVAILABILITY = ("has_radiology_study", "has_mri", "has_ct", "patient_id")


@dataclass(frozen=True, slots=True)
class Twins:
    """A staging table, its production twin, and which columns both have."""

    staging: Table
    production: Table
    shared: tuple[str, ...]

    def columns(self, table: Table) -> Sequence[Column[Any]]:
        """The shared columns, of either of the two."""
        return [table.c[name] for name in self.shared]


@dataclass(frozen=True, slots=True)
class ProductionTables:
    """The tables that a copy reads and writes."""

    patient: Twins
    encounter: Twins
    study: Twins
    availability: Table

    @property
    def original_study_uid(self) -> ColumnElement[str]:
        """By which a study is found; it stays in staging."""
        return self.study.staging.c.original_study_uid


def reflect_production(database: Database) -> ProductionTables:
    """The tables as they are.

    Raises:
        ConfigurationError: one is missing, or a column that is needed, or production needs one that staging lacks.
    """
    metadata = MetaData()
    return ProductionTables(
        _twins(database, metadata, "patient"),
        _twins(database, metadata, "encounter"),
        _twins(database, metadata, "radiologystudy", "original_study_uid"),
        _table(metadata, "production_dataavailability", _availability(database)),
    )


def _twins(database: Database, metadata: MetaData, name: str, *more: str) -> Twins:
    staging = reflected_columns(database, f"staging_{name}", (*_NEEDED[name], *more))
    production = reflected_columns(database, f"production_{name}", _NEEDED[name])
    shared = tuple(column for column in TWINS[name] if column in staging and column in production)
    _require_filled(database, f"production_{name}", production, shared)
    return Twins(
        _table(metadata, f"staging_{name}", {column: staging[column] for column in (*shared, *more)}),
        _table(metadata, f"production_{name}", {column: production[column] for column in shared}),
        shared,
    )


def _availability(database: Database) -> Mapping[str, Mapping[str, Any]]:
    name = "production_dataavailability"
    columns = reflected_columns(database, name, _AVAILABILITY)
    _require_filled(database, name, columns, (*_AVAILABILITY, "id"))
    return {column: columns[column] for column in _AVAILABILITY}


def _require_filled(
    database: Database, table: str, columns: Mapping[str, Mapping[str, Any]], filled: Sequence[str]
) -> None:
    empty = [
        name
        for name, column in columns.items()
        if name not in filled and not column["nullable"] and column.get("default") is None
    ]
    if empty:
        raise ConfigurationError(
            f"{database.setting} ({database.place}): {table} needs a value for {', '.join(sorted(empty))}, which is "
            "none of the columns that are copied; give it a default there."
        )


def _table(metadata: MetaData, name: str, columns: Mapping[str, Mapping[str, Any]]) -> Table:
    return Table(name, metadata, *(Column(column, _type(facts["type"])) for column, facts in columns.items()))


def _type(reflected: TypeEngine[Any]) -> TypeEngine[Any]:
    return UtcDateTime(timezone=reflected.timezone) if isinstance(reflected, DateTime) else reflected
