"""The identity database (SQLite in WAL mode, PostgreSQL), its schema under Alembic."""

from dicom_assets.adapters.identity_db.database import IdentityDatabase
from dicom_assets.adapters.identity_db.dry_run import DryRunIdentityDatabase
from dicom_assets.adapters.identity_db.queries import IssuedStudy

__all__ = ["DryRunIdentityDatabase", "IdentityDatabase", "IssuedStudy"]
