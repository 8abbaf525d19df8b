"""Reviewed DICOM studies, de-identified, from a staging PACS to a research PACS."""

__version__ = "0.1.0"
