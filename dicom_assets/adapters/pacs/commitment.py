"""Storage commitment (PS3.4 Annex J): the PACS is asked to take responsibility for what it stored."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import build_context, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from dicom_assets.adapters.pacs.association import Handlers, LocalNode, PacsNode, answering, associate, status_of
from dicom_assets.adapters.pacs.commitment_desk import SUCCESS
from dicom_assets.adapters.pacs.commitment_scp import CommitmentScp, taken_to
from dicom_assets.errors import NothingAcceptedError, PacsAwayError, PacsStatusError
from dicom_assets.study import Commitment, OutgoingInstance

MODES = ("auto", "required", "no")
LARGEST_REQUEST = 5000
"""References in one request; larger studies make several."""

_REQUEST_STORAGE_COMMITMENT = 1
_NOT_OFFERED = frozenset({0x0118, 0x0122, 0x0123, 0x0211})
"""No such SOP Class, SOP Class not supported, no such action, unrecognized operation (PS3.7 Annex C)."""
_RESOURCE_LIMITATION = 0x0213


class _NotOfferedError(Exception):
    """The PACS does not do storage commitment for us; the text says how it showed."""


@dataclass(frozen=True, slots=True)
class ReportTimes:
    """For how many seconds a report is waited for: on the association of the request, and in all.

    A PACS that reads each file again needs more time for more of them.
    """

    same_association: float = 5.0
    in_all: float = 60.0
    per_reference: float = 0.02


@dataclass(frozen=True, slots=True)
class StorageCommitment:
    """Asks a PACS for commitment as `mode` says (one of `MODES`); reports also come to `scp`."""

    local: LocalNode
    pacs: PacsNode
    scp: CommitmentScp
    mode: str = "auto"
    times: ReportTimes = ReportTimes()

    def of(self, instances: Sequence[OutgoingInstance]) -> Commitment | None:
        """What the PACS answers; None where it is not to be asked, or does not offer it and need not.

        Raises:
            PacsAwayError: it can't be asked now, or did not report in time.
            PacsError: it does not offer it and has to, or refuses the request.
            ConfigurationError: we can't listen for its report.
        """
        if self.mode == "no":
            return None
        committed: set[str] = set()
        failed: dict[str, int] = {}
        try:
            for part in _parts(instances):
                commitment = self._of_part(part)
                committed |= commitment.committed
                failed |= commitment.failed
        except _NotOfferedError as error:
            if self.mode == "auto":
                return None
            message = (
                f"{self.pacs.name} does not offer storage commitment, which RESEARCH_PACS_STORAGE_COMMITMENT=required "
                f"asks for ({error}): have it offer that to {self.local.ae_title}, or set auto."
            )
            raise PacsStatusError(message, blames_study=False) from None
        return Commitment(frozenset(committed), failed)

    def _of_part(self, instances: Sequence[OutgoingInstance]) -> Commitment:
        transaction_uid = str(generate_uid(prefix=None))
        until = time.monotonic() + self.times.in_all + self.times.per_reference * len(instances)
        aborts: list[A_ABORT_RQ] = []
        handlers: Handlers = [
            (evt.EVT_N_EVENT_REPORT, taken_to, [self.scp.desk]),
            (evt.EVT_PDU_RECV, _note_abort, [aborts]),
        ]
        with ExitStack() as listening:
            try:
                with associate(
                    self.local, self.pacs, [build_context(StorageCommitmentPushModel)], handlers=handlers
                ) as assoc:
                    report = listening.enter_context(self.scp.waiting_for(transaction_uid))
                    self._request(assoc, _action_information(transaction_uid, instances), aborts)
                    with answering(assoc):
                        soon = time.monotonic() + self.times.same_association
                        commitment = report.wait(min(soon, until))
            except NothingAcceptedError:
                raise _NotOfferedError("it accepts no association for that") from None
            if commitment is None:
                commitment = report.wait(until)
        if commitment is None:
            raise self._no_report(len(instances))
        return commitment

    def _request(self, assoc: Association, information: Dataset, aborts: Sequence[A_ABORT_RQ]) -> None:
        model, instance = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        try:
            response, _ = assoc.send_n_action(information, _REQUEST_STORAGE_COMMITMENT, model, instance)
        except RuntimeError:  # the association is over
            response = None
        status = status_of(response)
        if status is None and aborts:
            raise _NotOfferedError(f"it aborts at the request: perhaps it does not know {self.local.ae_title}")
        if status is None:
            raise PacsAwayError(f"{self.pacs.name} broke off a storage commitment request: run again.")
        if status in _NOT_OFFERED:
            raise _NotOfferedError(f"it answers with status 0x{status:04X}")
        if status == _RESOURCE_LIMITATION:
            raise PacsAwayError(f"{self.pacs.name} is out of resources for storage commitment: run again later.")
        if status != SUCCESS:
            message = f"{self.pacs.name} refused to commit itself, with status 0x{status:04X}: see its own log."
            raise PacsStatusError(message, status=status, blames_study=False)

    def _no_report(self, references: int) -> PacsAwayError:
        local = self.local
        return PacsAwayError(
            f"{self.pacs.name} took the storage commitment request for {references} instance(s) and did not report in "
            f"time: register {local.ae_title} there as {local.host} port {local.port}, where we listen, or set "
            "RESEARCH_PACS_STORAGE_COMMITMENT=no."
        )


def _note_abort(event: evt.Event, aborts: list[A_ABORT_RQ]) -> None:
    if isinstance(event.pdu, A_ABORT_RQ):
        aborts.append(event.pdu)


def _action_information(transaction_uid: str, instances: Sequence[OutgoingInstance]) -> Dataset:
    """What a request says (PS3.4 Table J.3-1)."""
    ds = Dataset()
    ds.TransactionUID = transaction_uid
    ds.ReferencedSOPSequence = [_reference(item) for item in instances]
    return ds


def _reference(item: OutgoingInstance) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPClassUID = item.sop_class_uid
    ds.ReferencedSOPInstanceUID = item.sop_instance_uid
    return ds


def _parts(instances: Sequence[OutgoingInstance]) -> Iterator[Sequence[OutgoingInstance]]:
    for start in range(0, len(instances), LARGEST_REQUEST):
        yield instances[start : start + LARGEST_REQUEST]
