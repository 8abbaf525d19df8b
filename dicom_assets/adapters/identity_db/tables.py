"""The tables of the identity database. Their migrations are in `migrations/`; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint, text

from dicom_assets.adapters.database_columns import UtcDateTime
from dicom_assets.adapters.identity_db.sealing import Sealed

VERSION_TABLE = "identity_schema_version"
"""Alembic's table, under a name of its own, so that the database may be shared with Dagster's."""

metadata = MetaData()

meta = Table(
    "identity_meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

secret = Table(
    "identity_secret",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("mark", String(64), nullable=False, unique=True),  # a keyed hash of nothing but a constant
    Column("since", UtcDateTime(), nullable=False),
    Column("retired_at", UtcDateTime(), nullable=True),
)

# Rows name their generation without a foreign key: all processes that record would lock the one row in force for it.

legacy_import = Table(
    "identity_import",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("imported_at", UtcDateTime(), nullable=False),
    Column("layout", String(64), nullable=False),
    Column("content_sha256", String(64), nullable=False),
)

patient = Table(
    "identity_patient",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("original_id", Sealed("identity_patient.original_id"), nullable=False),
    Column("issuer", Sealed("identity_patient.issuer"), nullable=False),
    Column("pseudonym", String(64), nullable=False, unique=True),
    Column("date_offset_days", Integer, nullable=False),
    Column("issued_at", UtcDateTime(), nullable=False),
    Column("secret_generation", Integer, nullable=True),
    UniqueConstraint("original_id", "issuer", name="identity_patient_original"),
)

study = Table(
    "identity_study",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("original_study_uid", Sealed("identity_study.original_study_uid", 128), nullable=False, unique=True),
    Column("patient_id", ForeignKey("identity_patient.id"), nullable=True, index=True),
    Column("issued_at", UtcDateTime(), nullable=False),
    Column("secret_generation", Integer, nullable=True),
)

uid = Table(
    "identity_uid",
    metadata,
    Column("original", Sealed("identity_uid.original", 128), primary_key=True),
    Column("replacement", String(64), nullable=False, unique=True),
    Column("study_key", ForeignKey("identity_study.key"), nullable=True, index=True),
    Column("level", String(16), nullable=True),  # study, series or instance; null: something else, or not known
    Column("secret_generation", Integer, nullable=True),  # null: not derived here
    Column("import_id", ForeignKey("identity_import.id"), nullable=True),
)

value = Table(
    "identity_value",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_key", ForeignKey("identity_study.key"), nullable=True),
    Column("keyword", String(64), nullable=False),
    Column("original", Sealed("identity_value.original"), nullable=False),
    Column("replacement", Sealed("identity_value.replacement"), nullable=False),
    Column("fingerprint", String(64), nullable=False),  # keyed hash of the row: unique however long the values are
    Column("import_id", ForeignKey("identity_import.id"), nullable=True),
    UniqueConstraint("study_key", "fingerprint", name="identity_value_once"),
    Index("identity_value_original", "original", postgresql_using="hash"),  # a B-tree entry can't be long
    Index("identity_value_replacement", "replacement", postgresql_using="hash"),
)
Index(
    "identity_value_once_without_study",
    value.c.fingerprint,
    unique=True,
    sqlite_where=text("study_key IS NULL"),
    postgresql_where=text("study_key IS NULL"),
)

access = Table(
    "identity_access",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime(), nullable=False),
    Column("account", String(128), nullable=False),
    Column("host", String(255), nullable=False),
    Column("action", String(16), nullable=False),
    Column("attribute", String(64), nullable=False),  # what was asked by; never the value
    Column("value_hash", String(64), nullable=False),  # keyed hash; empty where nothing was asked by
    Column("secret_generation", ForeignKey("identity_secret.generation"), nullable=False),
    Column("hits", Integer, nullable=False),
    Column("reason", Sealed("identity_access.reason"), nullable=False),
    sqlite_autoincrement=True,
)
"""Who looked something up: triggers refuse to change or delete a row."""


def sealed_columns(table: Table) -> list[str]:
    """The names of a table's columns that identify."""
    return [column.name for column in table.columns if isinstance(column.type, Sealed)]
