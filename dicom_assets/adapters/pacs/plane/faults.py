"""How an association of the data plane ends other than well. No text holds a value of what was received."""

from __future__ import annotations

from dicom_assets.errors import PacsAwayError, PacsError


class AssociationLostError(PacsAwayError):
    """The association is over: aborted by either side, silent for too long, or the connection was lost."""


class PeerAbortedError(AssociationLostError):
    """The peer sent an A-ABORT (PS3.8 Table 9-26)."""

    def __init__(self, source: int, reason: int) -> None:
        super().__init__(f"the peer aborted the association (source {source}, reason {reason})")
        self.source = source
        self.reason = reason


class ProtocolViolationError(AssociationLostError):
    """The peer sent what the protocol does not allow here, and was sent an A-ABORT with `reason` (PS3.8 Table 9-26)."""

    def __init__(self, what: str, reason: int = 0) -> None:
        super().__init__(what)
        self.reason = reason


class AssociationReleasedError(AssociationLostError):
    """The peer released the association while something was expected of it; the release was answered."""


class AssociationRejectedError(PacsError):
    """The peer answered with an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

    def __init__(self, result: int, source: int, diagnostic: int) -> None:
        super().__init__(f"the association was rejected (result {result}, source {source}, reason {diagnostic})")
        self.result = result
        self.source = source
        self.diagnostic = diagnostic


class NoConnectionError(PacsAwayError):
    """There was no TCP connection, or no TLS on it."""
