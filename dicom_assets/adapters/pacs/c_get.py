"""C-GET over the data plane: ask once, take what arrives on the same association (PS3.4 C.4.3, Study Root)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_context, build_role
from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.inbox import DiskFloor, Inbox
from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.answers import answer_other, why_not_storable
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.commands import Command
from dicom_assets.adapters.pacs.plane.file_meta import file_meta
from dicom_assets.adapters.pacs.plane.opened import opened
from dicom_assets.adapters.pacs.plane.statuses import PENDING, SUCCESS
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.query import QueriedPacs
from dicom_assets.adapters.pacs.requests import Ending, encoded_identifier_of, judge, next_message_id
from dicom_assets.adapters.pacs.transfer_syntaxes import MAX_CONTEXTS, contexts_in_parts
from dicom_assets.errors import NothingAcceptedError, PacsAwayError
from dicom_assets.study import Receive, Retrieval

STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"


@dataclass(frozen=True, slots=True)
class CGetPacs(QueriedPacs):
    """A staging PACS that hands instances over on our own association; implements `StagingPacs`."""

    protocol: ClassVar[str] = "c-get"

    disk: DiskFloor | None = None
    limits: Limits | None = None

    def retrieve(self, retrieval: Retrieval, receive: Receive) -> str:
        """Ask by C-GET; what does not arrive is for the caller to notice. Returns what the PACS says went wrong.

        Raises:
            PacsAwayError: no association for now, or it was lost on the way.
            PacsError: the PACS does not offer C-GET, or the operation ended in a failure with nothing received.
            StorageError: an instance that arrived could not be written.
        """
        inbox = Inbox(receive, self.disk)
        first, *others = contexts_in_parts(retrieval.sop_class_uids, MAX_CONTEXTS - 1)
        ending = self._asked(retrieval, first, inbox)
        for storage in others:
            if not ending.failed:
                break
            # What one association had no room to propose the PACS could not send.
            rest = self._asked(retrieval, storage, inbox)
            failed = max(0, ending.failed - rest.delivered)
            ending = Ending(rest.status if failed else SUCCESS, ending.delivered + rest.delivered, failed)
        return judge("C-GET", ending, inbox, self.pacs, advice="see its own log")

    def _asked(self, retrieval: Retrieval, storage: Sequence[PresentationContext], inbox: Inbox) -> Ending:
        """Ask for what can be sent in these contexts."""
        classes = {str(context.abstract_syntax) for context in storage}
        roles = [build_role(sop_class, scp_role=True) for sop_class in sorted(classes)]
        contexts = [build_context(STUDY_ROOT_GET, ImplicitVRLittleEndian), *storage]
        with opened(self.local, self.pacs, contexts, roles=roles, limits=self.limits) as association:
            return self._get(association, retrieval, inbox)

    def _get(self, association: Association, retrieval: Retrieval, inbox: Inbox) -> Ending:
        context = association.context_for(STUDY_ROOT_GET)
        if context is None:
            raise NothingAcceptedError(
                f"{self.pacs.name} does not offer C-GET: have it enabled there, "
                f"or set {self.pacs.setting}_PROTOCOL to another one."
            )
        message_id = next_message_id()
        identifier = encoded_identifier_of(retrieval)
        association.send(context.context_id, commands.c_get_rq(message_id, STUDY_ROOT_GET), identifier)
        while (command := association.receive()) is not None:
            if command.field == commands.C_GET_RSP:
                if command.status not in PENDING:
                    return Ending.of(command)
            else:
                _answer(association, command, inbox)
            if inbox.error is not None:
                association.send(context.context_id, commands.c_cancel_rq(message_id))
                raise inbox.error
        raise PacsAwayError(f"{self.pacs.name} broke off a C-GET: check that it is up, then run again.")


def _answer(association: Association, command: Command, inbox: Inbox) -> None:
    """Take a C-STORE sub-operation, or say to any other request that we don't know it."""
    if command.field == commands.C_STORE_RQ:
        status = _store(association, command, inbox)
        association.send(command.context_id, commands.c_store_rsp(command, status))
    else:
        answer_other(association, command)


def _store(association: Association, command: Command, inbox: Inbox) -> int:
    if (refusal := why_not_storable(command)) is not None:
        return refusal
    syntax = association.contexts[command.context_id].transfer_syntax_uid
    meta = file_meta(command.sop_class_uid, command.sop_instance_uid, syntax)
    return inbox.take(command.sop_instance_uid, itertools.chain((meta,), association.pieces()))
