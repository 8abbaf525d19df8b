"""C-MOVE: ask once, hand on what arrives at our Storage SCP (PS3.4 C.4.2, Study Root)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_context

from dicom_assets.adapters.pacs.c_get import CGetPacs
from dicom_assets.adapters.pacs.inbox import Inbox
from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.opened import limits_of, opened
from dicom_assets.adapters.pacs.plane.statuses import PENDING, SOME_SUB_OPERATIONS_FAILED, SUCCESS
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.query import QueriedPacs
from dicom_assets.adapters.pacs.requests import Ending, encoded_identifier_of, judge, next_message_id
from dicom_assets.adapters.pacs.storage_scp import StorageScp
from dicom_assets.errors import PacsAwayError, PacsStatusError
from dicom_assets.study import Receive, Retrieval

__all__ = ["CGetPacs", "CMovePacs", "StrayedError"]

STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
_LOOK_SECONDS = 1.0


class StrayedError(PacsStatusError):
    """The PACS says that it has sent instances by C-MOVE, and none arrived here: somebody else may have them."""


@dataclass(frozen=True, slots=True)
class CMovePacs(QueriedPacs):
    """A staging PACS that sends instances to our Storage SCP; implements `StagingPacs`.

    The PACS alone decides which address our AE title stands for.
    """

    protocol: ClassVar[str] = "c-move"
    scp: StorageScp
    limits: Limits | None = None

    def retrieve(self, retrieval: Retrieval, receive: Receive) -> str:
        """Ask by C-MOVE; what does not arrive is for the caller to notice. Returns what the PACS says went wrong.

        Raises:
            PacsAwayError: no association for now, or it was lost on the way.
            StrayedError: the PACS says that it has sent instances, and none arrived.
            PacsError: the PACS does not offer C-MOVE, or the operation ended in a failure with nothing received.
            ConfigurationError: our Storage SCP can't listen.
            StorageError: an instance that arrived could not be written.
        """
        message_id = next_message_id()
        with self.scp.waiting_for(retrieval.study_uid, message_id, receive) as inbox:
            came_before = self.scp.came(retrieval.study_uid)
            try:
                ending = self._move(retrieval, message_id, inbox)
            except PacsAwayError:
                if inbox.received:
                    inbox.wait_until_quiet(0)
                if inbox.error is not None:
                    raise inbox.error from None
                raise
            if ending.status in (SUCCESS, SOME_SUB_OPERATIONS_FAILED) or ending.delivered or inbox.received:
                inbox.wait_until_quiet(ending.delivered)
            if inbox.error is not None:
                raise inbox.error
            self._require_arrivals(ending, self.scp.came(retrieval.study_uid) - came_before)
        return judge("C-MOVE", ending, inbox, self.pacs, advice=self._destination_advice())

    def _require_arrivals(self, ending: Ending, came: int) -> None:
        if ending.delivered and not came:
            raise StrayedError(
                f"{self.pacs.name} says that it sent {ending.delivered} instance(s), and none arrived here: "
                f"{self._destination_advice()}.",
                status=ending.status or 0,
                blames_study=False,
            )

    def _move(self, retrieval: Retrieval, message_id: int, inbox: Inbox) -> Ending:
        contexts = [build_context(STUDY_ROOT_MOVE, ImplicitVRLittleEndian)]
        limits = self.limits or limits_of(self.pacs)
        with opened(self.local, self.pacs, contexts, limits=limits) as association:
            request = commands.c_move_rq(message_id, STUDY_ROOT_MOVE, self.local.ae_title)
            [context_id] = association.contexts
            association.send(context_id, request, encoded_identifier_of(retrieval))
            while True:
                self._wait(association, inbox, limits.idle_seconds)
                if inbox.error is not None:
                    association.send(context_id, commands.c_cancel_rq(message_id))
                    raise inbox.error
                command = association.receive()
                if command is None:
                    raise PacsAwayError(f"{self.pacs.name} broke off a C-MOVE: check that it is up, then run again.")
                if command.field == commands.C_MOVE_RSP and command.status not in PENDING:
                    return Ending.of(command)

    def _wait(self, association: Association, inbox: Inbox, seconds: float) -> None:
        """Wait for the next response, for as long as there are signs of life: not every PACS says that it goes on."""
        began = time.monotonic()
        while not association.is_ready(_LOOK_SECONDS) and inbox.error is None:
            if min(time.monotonic() - began, inbox.quiet_seconds) > seconds:
                raise PacsAwayError(f"{self.pacs.name} was silent for too long in a C-MOVE: check that it is up.")

    def _destination_advice(self) -> str:
        return (
            f"register the move destination {self.local.ae_title} there as {self.local.host} port {self.local.port}, "
            "or correct LOCAL_AE_TITLE, LOCAL_HOST and LOCAL_PORT"
        )
