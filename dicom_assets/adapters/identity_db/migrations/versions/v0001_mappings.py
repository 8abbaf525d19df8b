"""Studies, patients, UIDs and values with what replaces them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    moment = sa.String(32) if op.get_bind().dialect.name == "sqlite" else sa.DateTime(timezone=True)
    op.create_table(
        "identity_meta",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "identity_patient",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("original_id", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("pseudonym", sa.String(64), nullable=False, unique=True),
        sa.Column("date_offset_days", sa.Integer, nullable=False),
        sa.Column("issued_at", moment, nullable=False),
        sa.UniqueConstraint("original_id", "issuer", name="identity_patient_original"),
    )
    op.create_table(
        "identity_study",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("original_study_uid", sa.String(128), nullable=False, unique=True),
        sa.Column("patient_id", sa.Integer, sa.ForeignKey("identity_patient.id"), nullable=True, index=True),
        sa.Column("issued_at", moment, nullable=False),
    )
    _create_mappings()


def _create_mappings() -> None:
    op.create_table(
        "identity_uid",
        sa.Column("original", sa.String(128), primary_key=True),
        sa.Column("replacement", sa.String(64), nullable=False, unique=True),
        sa.Column("study_key", sa.String(32), sa.ForeignKey("identity_study.key"), nullable=False, index=True),
    )
    op.create_table(
        "identity_value",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_key", sa.String(32), sa.ForeignKey("identity_study.key"), nullable=False),
        sa.Column("keyword", sa.String(64), nullable=False),
        sa.Column("original", sa.Text, nullable=False),
        sa.Column("replacement", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.UniqueConstraint("study_key", "fingerprint", name="identity_value_once"),
    )
    op.create_index("identity_value_original", "identity_value", ["original"], postgresql_using="hash")
    op.create_index("identity_value_replacement", "identity_value", ["replacement"], postgresql_using="hash")
