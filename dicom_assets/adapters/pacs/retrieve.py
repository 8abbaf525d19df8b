"""C-MOVE: ask once, hand on what arrives at our Storage SCP (PS3.4 C.4.2, Study Root)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydicom.dataset import Dataset
from pynetdicom import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove  # type: ignore[attr-defined]

from dicom_assets.adapters.pacs.association import associate, status_of
from dicom_assets.adapters.pacs.c_get import CGetPacs
from dicom_assets.adapters.pacs.query import QueriedPacs
from dicom_assets.adapters.pacs.requests import (
    SOME_SUB_OPERATIONS_FAILED,
    SUCCESS,
    identifier_of,
    judge,
    next_message_id,
)
from dicom_assets.adapters.pacs.storage_scp import StorageScp
from dicom_assets.study import Receive, Retrieval

__all__ = ["CGetPacs", "CMovePacs"]


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
        identifier = identifier_of(retrieval)
        destination = self.local.ae_title
        message_id = next_message_id()
        with self.scp.waiting_for(retrieval.study_uid, message_id, receive) as inbox:
            with associate(self.local, self.pacs, [build_context(model)]) as assoc:
                status, delivered = None, 0
                for response, _ in assoc.send_c_move(identifier, destination, model, msg_id=message_id):
                    status, delivered = status_of(response), _delivered(response)
            if status in (SUCCESS, SOME_SUB_OPERATIONS_FAILED) or inbox.received:
                inbox.wait_until_quiet(delivered)
            if inbox.error is not None:
                raise inbox.error
        judge("C-MOVE", status, inbox, self.pacs, advice=self._destination_advice())

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
