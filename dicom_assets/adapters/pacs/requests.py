"""What C-GET and C-MOVE have in common: the identifier, message ids, what their end means (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import itertools

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from dicom_assets.adapters.pacs.association import PacsNode
from dicom_assets.adapters.pacs.inbox import Inbox
from dicom_assets.errors import PacsAwayError, PacsStatusError
from dicom_assets.study import Retrieval

PENDING = (0xFF00, 0xFF01)
SUCCESS = 0x0000
SOME_SUB_OPERATIONS_FAILED = 0xB000
_MOVE_DESTINATION_UNKNOWN = 0xA801
# PS3.4 Table C.4-2: A702 says that sub-operations failed, whoever was to blame.
_OUT_OF_RESOURCES = (0xA700, 0xA701)
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


def judge(operation: str, status: int | None, inbox: Inbox, pacs: PacsNode, *, advice: str) -> None:
    """Raise for a failure that delivered nothing; what arrived in part is counted by the caller.

    Raises:
        PacsAwayError: the PACS broke off, or is out of resources.
        PacsStatusError: it ended the operation with another failure.
    """
    if inbox.received or status in (SUCCESS, SOME_SUB_OPERATIONS_FAILED):
        return
    if status is None:
        raise PacsAwayError(f"{pacs.name} broke off a {operation}: check that it is up, then run again.")
    if status == _MOVE_DESTINATION_UNKNOWN:
        message = f"{pacs.name} does not know where to send (status 0x{status:04X}): {advice}."
        raise PacsStatusError(message, blames_study=False)
    message = f"{pacs.name} ended a {operation} with status 0x{status:04X}, nothing arrived: {advice}."
    if status in _OUT_OF_RESOURCES:
        raise PacsAwayError(message)
    raise PacsStatusError(message, blames_study=operation == "C-GET" and status != _SUB_OPERATIONS_IMPOSSIBLE)
