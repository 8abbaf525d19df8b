"""DICOMweb (PS3.18): QIDO-RS, WADO-RS and STOW-RS over pooled, streamed HTTP."""

from dicom_assets.adapters.dicomweb.node import DicomwebNode
from dicom_assets.adapters.dicomweb.pacs import DicomwebResearchPacs, DicomwebStagingPacs

__all__ = ["DicomwebNode", "DicomwebResearchPacs", "DicomwebStagingPacs"]
