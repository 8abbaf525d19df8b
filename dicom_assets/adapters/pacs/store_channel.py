"""C-STORE of one instance after the other on one association, every response read (PS3.4 B.2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.outgoing_data import data_set_of
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.commands import C_STORE_RSP, c_store_rq
from dicom_assets.adapters.pacs.plane.faults import AssociationLostError
from dicom_assets.adapters.pacs.plane.negotiation import Context
from dicom_assets.adapters.pacs.store_status import not_accepted, outcome_of
from dicom_assets.adapters.pacs.transcoding import NotTranscodableError, transcoded
from dicom_assets.study import OutgoingInstance, Piece, StoreOutcome

NATIVE: Sequence[str] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""What may be sent instead of another transfer syntax, the better one first."""

_LAST_MESSAGE_ID = 0xFFFF


def pairs_for(instances: Iterable[OutgoingInstance], *, transcode: bool) -> list[tuple[str, str]]:
    """The pairs of SOP Class and transfer syntax that instances need, each once: those they are in come first."""
    needed = dict.fromkeys((item.sop_class_uid, item.transfer_syntax_uid) for item in instances)
    if transcode:
        needed |= dict.fromkeys((sop_class, syntax) for sop_class, _ in list(needed) for syntax in NATIVE)
    return list(needed)


def contexts_for(pairs: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """A context for each pair: only one with a single transfer syntax says which of them the peer takes."""
    return [build_context(*pair) for pair in pairs]


class StoreChannel:
    """Sends instances on an association. For one thread."""

    def __init__(self, association: Association, *, transcode: bool) -> None:
        self._association = association
        self._transcode = transcode
        self._message_id = 0
        self._contexts: dict[tuple[str, str], Context] = {
            (context.sop_class_uid, context.transfer_syntax_uid): context
            for context in association.contexts.values()
            if context.as_scu
        }

    def send(self, item: OutgoingInstance) -> StoreOutcome:
        """Send an instance and return what the PACS answers.

        Raises:
            AssociationLostError: there was no answer.
            ChangedContentError: the file is not what passed the residual scan.
            StudyError: it is not what its record says.
            StorageError: it can't be read.
        """
        context = self._contexts.get((item.sop_class_uid, item.transfer_syntax_uid))
        if context is not None:
            return outcome_of(item.sop_instance_uid, self._status(context, item, data_set_of(item)))
        refused = not_accepted(item.sop_instance_uid, item.sop_class_uid, item.transfer_syntax_uid)
        return self._send_transcoded(item, refused) if self._transcode else refused

    def _send_transcoded(self, item: OutgoingInstance, refused: StoreOutcome) -> StoreOutcome:
        contexts = [self._contexts.get((item.sop_class_uid, syntax)) for syntax in NATIVE]
        context = next((context for context in contexts if context is not None), None)
        if context is None:
            return refused
        try:
            data = transcoded(item, context.transfer_syntax_uid)
        except NotTranscodableError as error:
            why = f"and could not be transcoded: {error}"
            return not_accepted(item.sop_instance_uid, item.sop_class_uid, item.transfer_syntax_uid, why)
        status = self._status(context, item, data)
        return outcome_of(item.sop_instance_uid, status, transcoded_to=context.transfer_syntax_uid)

    def _status(self, context: Context, item: OutgoingInstance, data: Piece) -> int:
        self._message_id = self._message_id % _LAST_MESSAGE_ID + 1
        request = c_store_rq(self._message_id, item.sop_class_uid, item.sop_instance_uid)
        self._association.send(context.context_id, request, data)
        response = self._association.receive()
        if response is None:
            raise AssociationLostError("the peer released the association instead of an answer")
        if response.field != C_STORE_RSP or response.message_id != self._message_id or response.status is None:
            raise AssociationLostError("the peer answered something else than a C-STORE")
        return response.status
