"""Checks of what a withdrawal needs: a research PACS that can be told to delete, and none that is left to do."""

from __future__ import annotations

from pathlib import Path

from dicom_assets.adapters.removal import OrthancRemover
from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.defs.diagnosis.verdict import Check, Verdict, doubtful, fine, wrong
from dicom_assets.defs.surroundings import Resources


def checks_of_withdrawal(resources: Resources) -> list[Check]:
    """All of them, in order."""
    return [
        Check("research PACS: removal", lambda: _removal(resources), "does not answer, or does not let us"),
        Check("withdrawn studies", lambda: _withdrawn(resources), "can't be told"),
    ]


def _removal(resources: Resources) -> Verdict:
    remover = resources.research_pacs.remover()
    if remover is None:
        return doubtful(
            "not configured: withdrawn studies have to be removed by hand",
            "Set RESEARCH_PACS_REST_URL where it is Orthanc, RESEARCH_PACS_DICOMWEB_URL where it takes DELETE.",
        )
    if isinstance(remover, OrthancRemover):
        remover.check()
        return fine("Orthanc's REST interface answers")
    return fine("by DICOMweb DELETE, if it takes that; it is not tried")


def _withdrawn(resources: Resources) -> Verdict:
    still_open = [one for one in FolderWithdrawals(Path(resources.data_dir.path)).all() if one.is_open]
    if still_open:
        return wrong(
            f"{len(still_open)} published studies have to be removed", "See `dicom-assets withdraw`, without a key."
        )
    return fine("none has to be removed")
