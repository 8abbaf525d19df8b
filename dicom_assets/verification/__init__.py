"""Compares a de-identified folder with its source, without the engine: a second opinion, read with pydicom.

Nothing here knows how the engine works. What it expects comes from the standard and from the source.
"""

from dicom_assets.verification.folders import UnreadableFolderError
from dicom_assets.verification.report_file import UnreadableReportError
from dicom_assets.verification.verdict import Check, CheckResult, Finding, Outcome, Verdict
from dicom_assets.verification.verify import Settings, verify

__all__ = [
    "Check",
    "CheckResult",
    "Finding",
    "Outcome",
    "Settings",
    "UnreadableFolderError",
    "UnreadableReportError",
    "Verdict",
    "verify",
]
