"""The identity.db of dicom-anon: read in every layout it ever had, and written in its newest."""

from dicom_assets.adapters.identity_db.legacy.exporting import export_legacy
from dicom_assets.adapters.identity_db.legacy.importing import ImportReport, TableReport, import_legacy

__all__ = ["ImportReport", "TableReport", "export_legacy", "import_legacy"]
