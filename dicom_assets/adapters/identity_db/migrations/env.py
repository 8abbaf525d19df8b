"""Runs migrations on the connection that `schema.upgrade` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from dicom_assets.adapters.identity_db.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
