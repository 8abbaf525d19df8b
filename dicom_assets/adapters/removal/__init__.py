"""Ways to have a research PACS delete a study: DICOM has none, so it is what servers offer besides."""

from dicom_assets.adapters.removal.dicomweb import DicomwebRemover
from dicom_assets.adapters.removal.orthanc import OrthancRemover

__all__ = ["DicomwebRemover", "OrthancRemover"]
