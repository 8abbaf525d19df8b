"""The tables of the identity database. Their migrations are in `migrations/`; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from dicom_assets.adapters.database_columns import UtcDateTime

VERSION_TABLE = "identity_schema_version"
"""Alembic's table, under a name of its own, so that the database may be shared with Dagster's."""

metadata = MetaData()

meta = Table(
    "identity_meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

patient = Table(
    "identity_patient",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("original_id", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("pseudonym", String(64), nullable=False, unique=True),
    Column("date_offset_days", Integer, nullable=False),
    Column("issued_at", UtcDateTime(), nullable=False),
    UniqueConstraint("original_id", "issuer", name="identity_patient_original"),
)

study = Table(
    "identity_study",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("original_study_uid", String(128), nullable=False, unique=True),
    Column("patient_id", ForeignKey("identity_patient.id"), nullable=True, index=True),
    Column("issued_at", UtcDateTime(), nullable=False),
)

uid = Table(
    "identity_uid",
    metadata,
    Column("original", String(128), primary_key=True),
    Column("replacement", String(64), nullable=False, unique=True),
    Column("study_key", ForeignKey("identity_study.key"), nullable=False, index=True),
)

value = Table(
    "identity_value",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_key", ForeignKey("identity_study.key"), nullable=False),
    Column("keyword", String(64), nullable=False),
    Column("original", Text, nullable=False),
    Column("replacement", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),  # keyed hash of the row: unique however long the values are
    UniqueConstraint("study_key", "fingerprint", name="identity_value_once"),
    Index("identity_value_original", "original", postgresql_using="hash"),  # a B-tree entry can't be long
    Index("identity_value_replacement", "replacement", postgresql_using="hash"),
)
