"""What C-GET and C-MOVE have in common: the identifier, message ids, what their end means (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from dicom_assets.adapters.pacs.association import PacsNode
from dicom_assets.adapters.pacs.inbox import Inbox
from dicom_assets.adapters.pacs.plane.commands import Command
from dicom_assets.adapters.pacs.plane.statuses import OUT_OF_RESOURCES, SOME_SUB_OPERATIONS_FAILED, SUCCESS
from dicom_assets.errors import PacsAwayError, PacsStatusError
from dicom_assets.study import Retrieval

_MOVE_DESTINATION_UNKNOWN = 0xA801
# PS3.4 Table C.4-2: A702 says that sub-operations failed, whoever was to blame.
_OUT_OF_RESOURCES = (OUT_OF_RESOURCES, 0xA701)
_SUB_OPERATIONS_IMPOSSIBLE = 0xA702
_message_ids = itertools.count(1)


def identifier_of(what: Retrieval) -> Dataset:
    """The identifier of a request."""
    ds = Dataset()
    ds.QueryRetrieveLevel = "STUDY"
    ds.StudyInstanceUID = what.study_uid
    if what.series_uid is not None:
        ds.QueryRetrieveLevel = "SERIES"
        ds.SeriesInstanceUID = what.series_uid
    if what.sop_instance_uids:
        ds.QueryRetrieveLevel = "IMAGE"
        ds.SOPInstanceUID = list(what.sop_instance_uids)
    return ds


def encoded_identifier_of(what: Retrieval) -> bytes:
    """The same, encoded."""
    return encoded(identifier_of(what))


def encoded(ds: Dataset, transfer_syntax_uid: str = ImplicitVRLittleEndian) -> bytes:
    """A data set of ours in one of the little endian syntaxes; the implicit one is understood by every PACS."""
    content = encode(ds, transfer_syntax_uid == ImplicitVRLittleEndian, True)
    if content is None:
        raise TypeError("a data set of ours can't be encoded")
    return content


def next_message_id() -> int:
    """A message id that no other request of ours has, until 65,535 later."""
    return next(_message_ids) % 65535 + 1


@dataclass(frozen=True, slots=True)
class Ending:
    """How an operation ended, in the PACS's words: its last status, None without one, and numbers of instances."""

    status: int | None
    delivered: int
    failed: int

    @classmethod
    def of(cls, command: Command) -> Ending:
        """What the last response says; those that were delivered with a warning were delivered."""
        _, completed, failed, with_warning = command.sub_operations
        return cls(command.status, completed + with_warning, failed)

    def trouble(self, operation: str) -> str:
        """What the PACS says went wrong; nothing where it says that all is well."""
        if self.status == SUCCESS and not self.failed:
            return ""
        status = "without a status" if self.status is None else f"with status 0x{self.status:04X}"
        return f"it ended a {operation} {status}, {self.failed} sub-operation(s) failed"


def judge(operation: str, ending: Ending, inbox: Inbox, pacs: PacsNode, *, advice: str) -> str:
    """Raise for a failure that delivered nothing; what arrived in part is counted by the caller.

    Returns:
        What the PACS says went wrong, if anything.

    Raises:
        PacsAwayError: the PACS broke off, or is out of resources.
        PacsStatusError: it ended the operation with another failure.
    """
    status = ending.status
    if inbox.received or status in (SUCCESS, SOME_SUB_OPERATIONS_FAILED):
        return ending.trouble(operation)
    if status is None:
        raise PacsAwayError(f"{pacs.name} broke off a {operation}: check that it is up, then run again.")
    if status == _MOVE_DESTINATION_UNKNOWN:
        message = f"{pacs.name} does not know where to send (status 0x{status:04X}): {advice}."
        raise PacsStatusError(message, blames_study=False)
    message = f"{pacs.name} ended a {operation} with status 0x{status:04X}, nothing arrived: {advice}."
    if status in _OUT_OF_RESOURCES:
        raise PacsAwayError(message)
    raise PacsStatusError(message, blames_study=operation == "C-GET" and status != _SUB_OPERATIONS_IMPOSSIBLE)
