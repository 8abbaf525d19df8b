"""Columns as databases have them: reflected at start, and points in time that are always UTC."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, String, exc, inspect, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from dicom_assets.adapters.database_errors import RIGHTS_PAGE
from dicom_assets.adapters.databases import Database, is_mysql
from dicom_assets.errors import ConfigurationError


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, always with UTC on the Python side.

    SQLite stores text as Django writes it there. What is stored without a zone is taken as UTC.
    """

    impl = DateTime
    cache_ok = True

    def __init__(self, timezone: bool = True) -> None:
        super().__init__(timezone=timezone)
        self.timezone = timezone

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, the server's own type elsewhere."""
        impl: TypeEngine[Any] = String(32) if dialect.name == "sqlite" else DateTime(timezone=self.timezone)
        return dialect.type_descriptor(impl)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """The value as the column's type takes it."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        if dialect.name == "sqlite":
            return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
        return moment if self.timezone else moment.replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The value with UTC.

        Raises:
            ConfigurationError: what is stored is no time.
        """
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise ConfigurationError(f"A {dialect.name} date column holds text that is no ISO date.") from None
        if value is None:
            return None
        if not isinstance(value, datetime):
            raise ConfigurationError(f"A {dialect.name} date column holds a value that is no date and time.")
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def reflected_columns(database: Database, table: str, needed: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    """A table's columns by name, as the database has them now; on MySQL those that the login has a right on.

    Raises:
        ConfigurationError: the table, or one of the needed columns, is not there or not to be seen.
    """
    where = f"{database.setting} ({database.place})"
    unseen = f", or grant the rights that {RIGHTS_PAGE} names" if is_mysql(database.engine.url) else ""
    with database.reading() as connection:
        columns = _columns(connection, table)
    if not columns:
        raise ConfigurationError(
            f"{where} has no table {table}; point {database.setting} to the right database{unseen}."
        )
    if missing := sorted(set(needed) - set(columns)):
        raise ConfigurationError(
            f"{where}: table {table} lacks column {', '.join(missing)}; "
            f"migrate it, or point {database.setting} elsewhere{unseen}."
        )
    return columns


def _columns(connection: Connection, table: str) -> dict[str, dict[str, Any]]:
    if is_mysql(connection.engine.url):
        return _columns_of_mysql(connection, table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exc.SAWarning)  # types of columns that are none of our business
        try:
            return {column["name"]: dict(column) for column in inspect(connection).get_columns(table)}
        except exc.NoSuchTableError:
            return {}


_COLUMNS_OF_MYSQL = text(
    "SELECT column_name AS name, LOWER(data_type) AS type, character_maximum_length AS length, is_nullable AS nullable,"
    " column_default AS standard FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = :table ORDER BY ordinal_position"
)


def _columns_of_mysql(connection: Connection, table: str) -> dict[str, dict[str, Any]]:
    """SQLAlchemy's inspection says SHOW CREATE TABLE, which asks for rights on the table as a whole."""
    known: Mapping[str, Any] = getattr(connection.dialect, "ischema_names")  # noqa: B009  MySQL's dialects have it
    columns = {}
    for row in connection.execute(_COLUMNS_OF_MYSQL, {"table": table}):
        kind = known.get(row.type, NullType)
        columns[row.name] = {
            "name": row.name,
            "type": kind(length=row.length) if row.type in ("varchar", "char") else kind(),
            "nullable": row.nullable == "YES",
            "default": None if row.standard == "NULL" else row.standard,
        }
    return columns
