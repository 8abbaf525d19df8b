"""The tables of the research database that researchers see, filled from those that registration writes."""

from dicom_assets.adapters.production.database import ProductionDatabase
from dicom_assets.adapters.production.retracting import retract_studies

__all__ = ["ProductionDatabase", "retract_studies"]
