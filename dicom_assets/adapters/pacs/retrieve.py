"""C-GET and C-MOVE: ask once, hand on what arrives (PS3.4 C.4.2 and C.4.3, Study Root)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

from pydicom.dataset import Dataset
from pynetdicom import build_context, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from dicom_assets.adapters.pacs.association import Handlers, PacsNode, associate, status_of
from dicom_assets.adapters.pacs.query import QueriedPacs
from dicom_assets.adapters.pacs.storage_scp import Inbox, StorageScp, requested_instance
from dicom_assets.adapters.pacs.transfer_syntaxes import MAX_CONTEXTS, one_context_each
from dicom_assets.errors import PacsAwayError, PacsStatusError
from dicom_assets.study import Receive, Retrieval

_PENDING = (0xFF00, 0xFF01)
_SUCCESS = 0x0000
_SOME_SUB_OPERATIONS_FAILED = 0xB000
_MOVE_DESTINATION_UNKNOWN = 0xA801
# PS3.4 Table C.4-2: A702 says that sub-operations failed, whoever was to blame.
_OUT_OF_RESOURCES = (0xA700, 0xA701)
_SUB_OPERATIONS_IMPOSSIBLE = 0xA702
_message_ids = itertools.count(1)


def _identifier(what: Retrieval) -> Dataset:
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


def _next_message_id() -> int:
    return next(_message_ids) % 65535 + 1


@dataclass(frozen=True, slots=True)
class CGetPacs(QueriedPacs):
    """A staging PACS that hands instances over on our own association; implements `StagingPacs`."""

    protocol: ClassVar[str] = "c-get"

    def retrieve(self, retrieval: Retrieval, receive: Receive) -> None:
        """Ask by C-GET; what does not arrive is for the caller to notice.

        Raises:
            PacsAwayError: no association for now, or it was lost with nothing received.
            PacsError: the operation ended in a failure with nothing received.
            StorageError: an instance that arrived could not be written.
        """
        model = StudyRootQueryRetrieveInformationModelGet
        storage = one_context_each(retrieval.sop_class_uids, MAX_CONTEXTS - 1)
        classes = {str(context.abstract_syntax) for context in storage}
        roles = [build_role(sop_class, scp_role=True) for sop_class in sorted(classes)]
        inbox = Inbox(receive)
        handlers: Handlers = [(evt.EVT_C_STORE, _take, [inbox])]
        with associate(
            self.local, self.pacs, [build_context(model), *storage], roles=roles, handlers=handlers
        ) as assoc:
            status = None
            for response, _ in assoc.send_c_get(_identifier(retrieval), model, msg_id=_next_message_id()):
                status = status_of(response)
                if inbox.error is not None:
                    raise inbox.error
        _judge("C-GET", status, inbox, self.pacs, advice="see its own log")


@dataclass(frozen=True, slots=True)
class CMovePacs(QueriedPacs):
    """A staging PACS that sends instances to our Storage SCP; implements `StagingPacs`.

    The PACS alone decides which address our AE title stands for.
    """

    protocol: ClassVar[str] = "c-move"
    scp: StorageScp

    def retrieve(self, retrieval: Retrieval, receive: Receive) -> None:
        """Ask by C-MOVE; what does not arrive is for the caller to notice.

        Raises:
            PacsAwayError: no association for now, or it was lost with nothing received.
            PacsError: the operation ended in a failure with nothing received.
            ConfigurationError: our Storage SCP can't listen.
            StorageError: an instance that arrived could not be written.
        """
        model = StudyRootQueryRetrieveInformationModelMove
        identifier = _identifier(retrieval)
        destination = self.local.ae_title
        message_id = _next_message_id()
        with self.scp.waiting_for(retrieval.study_uid, message_id, receive) as inbox:
            with associate(self.local, self.pacs, [build_context(model)]) as assoc:
                status, delivered = None, 0
                for response, _ in assoc.send_c_move(identifier, destination, model, msg_id=message_id):
                    status, delivered = status_of(response), _delivered(response)
            if status in (_SUCCESS, _SOME_SUB_OPERATIONS_FAILED) or inbox.received:
                inbox.wait_until_quiet(delivered)
            if inbox.error is not None:
                raise inbox.error
        _judge("C-MOVE", status, inbox, self.pacs, advice=self._destination_advice())

    def _destination_advice(self) -> str:
        return (
            f"register the move destination {self.local.ae_title} there as {self.local.host} port {self.local.port}, "
            "or correct LOCAL_AE_TITLE, LOCAL_HOST and LOCAL_PORT"
        )


def _delivered(response: Dataset) -> int:
    """How many instances the PACS says it has sent so far, 0 where it does not say (PS3.7 9.1.4)."""
    numbers = (
        response.get("NumberOfCompletedSuboperations"),
        response.get("NumberOfWarningSuboperations"),
    )
    return sum(int(number or 0) for number in numbers)


def _take(event: evt.Event, inbox: Inbox) -> int:
    return inbox.take(requested_instance(event), event.encoded_dataset())


def _judge(operation: str, status: int | None, inbox: Inbox, pacs: PacsNode, *, advice: str) -> None:
    """Raise for a failure that delivered nothing; what arrived in part is counted by the caller."""
    if inbox.received or status in (_SUCCESS, _SOME_SUB_OPERATIONS_FAILED):
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
