"""Which protocol a staging PACS is pulled from by, where the settings leave that to what it offers."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_assets.adapters.dicomweb import DicomwebNode, DicomwebStagingPacs
from dicom_assets.adapters.pacs.association import LocalNode, PacsNode
from dicom_assets.adapters.pacs.probe import offers_c_get
from dicom_assets.errors import PacsError


@dataclass(frozen=True, slots=True)
class ProtocolChoice:
    """`dicomweb`, `c-get` or `c-move`, and why it is that one, for operators."""

    protocol: str
    because: str

    def __str__(self) -> str:
        return f"{self.protocol} ({self.because})"


def choose_protocol(local: LocalNode, pacs: PacsNode, dicomweb: DicomwebNode | None) -> ProtocolChoice:
    """DICOMweb if it answers QIDO-RS, else C-GET if that is accepted, else C-MOVE.

    C-GET, too, where nothing can be found out now: each study then waits, and says what is wrong.

    Raises:
        ConfigurationError: a setting can't be used.
    """
    why_not_dicomweb = "no DICOMweb URL is set"
    if dicomweb is not None:
        try:
            with DicomwebStagingPacs(dicomweb) as staging:
                staging.check()
            return ProtocolChoice("dicomweb", "it answers QIDO-RS")
        except PacsError as error:
            why_not_dicomweb = str(error)
    try:
        if offers_c_get(local, pacs):
            return ProtocolChoice("c-get", f"it accepts C-GET; {why_not_dicomweb}")
        return ProtocolChoice("c-move", f"it does not accept C-GET; {why_not_dicomweb}")
    except PacsError as error:
        return ProtocolChoice("c-get", f"what it accepts could not be found out: {error} {why_not_dicomweb}")
