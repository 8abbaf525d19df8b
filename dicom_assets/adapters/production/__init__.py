"""The tables of the research database that researchers see, filled from those that registration writes."""

from dicom_assets.adapters.production.database import ProductionDatabase

__all__ = ["ProductionDatabase"]
