"""Generations of the secret, legacy imports, levels of UIDs, and the log of who looked something up."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Moment = sa.String | sa.DateTime

_APPEND_ONLY = "identity_access is append-only"
_SQLITE_TRIGGERS = (
    ("identity_access_no_update", "BEFORE UPDATE ON identity_access"),
    ("identity_access_no_delete", "BEFORE DELETE ON identity_access"),
    (
        "identity_access_no_replace",
        "BEFORE INSERT ON identity_access WHEN EXISTS (SELECT 1 FROM identity_access WHERE id = NEW.id)",
    ),
)


def upgrade() -> None:
    """Create the new tables, and tell of every row which secret it was derived with: the only one so far."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    moment: Moment = sa.String(32) if is_sqlite else sa.DateTime(timezone=True)
    op.create_table(
        "identity_secret",
        sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("mark", sa.String(64), nullable=False, unique=True),
        sa.Column("since", moment, nullable=False),
        sa.Column("retired_at", moment, nullable=True),
    )
    op.create_table(
        "identity_import",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("imported_at", moment, nullable=False),
        sa.Column("layout", sa.String(64), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
    )
    _take_over_the_secret(is_sqlite)
    _add_columns()
    _tell_the_generation()
    _create_access_log(moment, is_sqlite)


def _take_over_the_secret(is_sqlite: bool) -> None:
    connection = op.get_bind()
    now = datetime.now(UTC)
    said = now.strftime("%Y-%m-%d %H:%M:%S.%f") if is_sqlite else now
    connection.execute(
        sa.text(
            "INSERT INTO identity_secret (generation, mark, since) SELECT 1, value, "
            "COALESCE((SELECT MIN(issued_at) FROM identity_study), :now) FROM identity_meta WHERE name = 'secret_check'"
        ),
        {"now": said},
    )
    connection.execute(sa.text("DELETE FROM identity_meta WHERE name = 'secret_check'"))
    insert = sa.text("INSERT INTO identity_meta (name, value) VALUES ('state', :state)")
    connection.execute(insert, {"state": secrets.token_hex(16)})


def _add_columns() -> None:
    with op.batch_alter_table("identity_uid", copy_from=_uid_before()) as batch:
        batch.alter_column("study_key", existing_type=sa.String(32), nullable=True)
    with op.batch_alter_table("identity_value", copy_from=_value_before()) as batch:
        batch.alter_column("study_key", existing_type=sa.String(32), nullable=True)
    generation = "secret_generation INTEGER"
    imported = "import_id INTEGER REFERENCES identity_import (id)"
    for table in ("identity_patient", "identity_study", "identity_uid"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN {generation}")
    op.execute("ALTER TABLE identity_uid ADD COLUMN level VARCHAR(16)")
    for table in ("identity_uid", "identity_value"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN {imported}")
    alone = sa.text("study_key IS NULL")
    op.create_index(
        "identity_value_once_without_study",
        "identity_value",
        ["fingerprint"],
        unique=True,
        sqlite_where=alone,
        postgresql_where=alone,
    )


def _uid_before() -> sa.Table:
    metadata = sa.MetaData()
    sa.Table("identity_study", metadata, sa.Column("key", sa.String(32), primary_key=True))
    table = sa.Table(
        "identity_uid",
        metadata,
        sa.Column("original", sa.String(128), primary_key=True),
        sa.Column("replacement", sa.String(64), nullable=False, unique=True),
        sa.Column("study_key", sa.String(32), sa.ForeignKey("identity_study.key"), nullable=False),
    )
    sa.Index("ix_identity_uid_study_key", table.c.study_key)
    return table


def _value_before() -> sa.Table:
    metadata = sa.MetaData()
    sa.Table("identity_study", metadata, sa.Column("key", sa.String(32), primary_key=True))
    table = sa.Table(
        "identity_value",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_key", sa.String(32), sa.ForeignKey("identity_study.key"), nullable=False),
        sa.Column("keyword", sa.String(64), nullable=False),
        sa.Column("original", sa.Text, nullable=False),
        sa.Column("replacement", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.UniqueConstraint("study_key", "fingerprint", name="identity_value_once"),
    )
    sa.Index("identity_value_original", table.c.original, postgresql_using="hash")
    sa.Index("identity_value_replacement", table.c.replacement, postgresql_using="hash")
    return table


def _tell_the_generation() -> None:
    for table in ("identity_patient", "identity_study", "identity_uid"):
        op.execute(f"UPDATE {table} SET secret_generation = 1")  # noqa: S608 - names of our own
    op.execute(
        "UPDATE identity_uid SET level = 'study' WHERE original IN (SELECT original_study_uid FROM identity_study)"
    )


def _create_access_log(moment: Moment, is_sqlite: bool) -> None:
    op.create_table(
        "identity_access",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("account", sa.String(128), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("attribute", sa.String(64), nullable=False),
        sa.Column("value_hash", sa.String(64), nullable=False),
        sa.Column("secret_generation", sa.Integer, sa.ForeignKey("identity_secret.generation"), nullable=False),
        sa.Column("hits", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    if is_sqlite:
        for name, event in _SQLITE_TRIGGERS:
            op.execute(f"CREATE TRIGGER {name} {event} BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END")
        return
    op.execute(
        "CREATE FUNCTION identity_access_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_APPEND_ONLY}' USING ERRCODE = 'insufficient_privilege'; END $$"
    )
    for event, extent in (("UPDATE OR DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER identity_access_no_{event.split()[0].lower()} BEFORE {event} ON identity_access "
            f"FOR EACH {extent} EXECUTE FUNCTION identity_access_refuse()"
        )
