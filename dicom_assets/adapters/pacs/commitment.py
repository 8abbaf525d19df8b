"""Storage commitment (PS3.4 Annex J): the PACS is asked to take responsibility for what it stored."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import build_context

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode
from dicom_assets.adapters.pacs.commitment_desk import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    SYNTAXES,
    CommitmentDesk,
    Report,
    answer,
)
from dicom_assets.adapters.pacs.commitment_scp import CommitmentScp
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.commands import N_ACTION_RSP, UNRECOGNIZED_OPERATION, n_action_rq
from dicom_assets.adapters.pacs.plane.faults import AssociationLostError, PeerAbortedError
from dicom_assets.adapters.pacs.plane.opened import opened
from dicom_assets.adapters.pacs.plane.statuses import RESOURCE_LIMITATION, SOP_CLASS_NOT_SUPPORTED, SUCCESS
from dicom_assets.adapters.pacs.requests import encoded
from dicom_assets.errors import NothingAcceptedError, PacsAwayError, PacsStatusError
from dicom_assets.study import Commitment, InstanceRef, OutgoingInstance

Referenced = OutgoingInstance | InstanceRef

MODES = ("auto", "required", "no")
LARGEST_REQUEST = 200
"""References in one request; larger studies make several.

Orthanc writes its whole job anew for each reference: 2,000 at once take it three times as long as ten times 200.
"""

_REQUEST_STORAGE_COMMITMENT = 1
_NOT_OFFERED = frozenset({0x0118, SOP_CLASS_NOT_SUPPORTED, 0x0123, UNRECOGNIZED_OPERATION})
"""No such SOP Class, SOP Class not supported, no such action, unrecognized operation (PS3.7 Annex C)."""
_TICK_SECONDS = 0.05


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

    def of(self, instances: Sequence[Referenced]) -> Commitment | None:
        """What the PACS answers; None where it is not to be asked, or does not offer it and need not.

        Raises:
            PacsAwayError: it can't be asked now, did not report in time, or stopped to offer it between two parts.
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
            if committed or failed:
                raise PacsAwayError(
                    f"{self.pacs.name} reported on {len(committed) + len(failed)} of {len(instances)} instance(s) and "
                    f"then no longer offered storage commitment ({error}): run again later."
                ) from None
            if self.mode == "auto":
                return None
            message = (
                f"{self.pacs.name} does not offer storage commitment, which RESEARCH_PACS_STORAGE_COMMITMENT=required "
                f"asks for ({error}): have it offer that to {self.local.ae_title}, or set auto."
            )
            raise PacsStatusError(message, blames_study=False) from None
        return Commitment(frozenset(committed), failed)

    def _of_part(self, instances: Sequence[Referenced]) -> Commitment:
        transaction_uid = str(generate_uid(prefix=None))
        until = time.monotonic() + self.times.in_all + self.times.per_reference * len(instances)
        with ExitStack() as listening:
            try:
                with opened(self.local, self.pacs, [build_context(COMMITMENT, SYNTAXES)]) as association:
                    report = listening.enter_context(self.scp.waiting_for(transaction_uid))
                    self._request(association, _action_information(transaction_uid, instances))
                    self._listen_here(association, report, until)
            except NothingAcceptedError:
                raise _NotOfferedError("it accepts no association for that") from None
            commitment = report.wait(until)
        if commitment is None:
            raise self._no_report(len(instances))
        return commitment

    def _request(self, association: Association, information: Dataset) -> None:
        [context] = association.contexts.values()
        command = n_action_rq(1, COMMITMENT, COMMITMENT_INSTANCE, _REQUEST_STORAGE_COMMITMENT)
        try:
            association.send(context.context_id, command, encoded(information, context.transfer_syntax_uid))
            status = _status_in(association, self.scp.desk)
        except PeerAbortedError:
            said = f"it aborts at the request: perhaps it does not know {self.local.ae_title}"
            raise _NotOfferedError(said) from None
        if status in _NOT_OFFERED:
            raise _NotOfferedError(f"it answers with status 0x{status:04X}")
        if status == RESOURCE_LIMITATION:
            raise PacsAwayError(f"{self.pacs.name} is out of resources for storage commitment: run again later.")
        if status != SUCCESS:
            message = f"{self.pacs.name} refused to commit itself, with status 0x{status:04X}: see its own log."
            raise PacsStatusError(message, status=status, blames_study=False)

    def _listen_here(self, association: Association, report: Report, until: float) -> None:
        """Answer reports on the association of the request for a while, or until ours is there."""
        until = min(until, time.monotonic() + self.times.same_association)
        with suppress(AssociationLostError):  # the report may still come on another one
            while not report.has_arrived and time.monotonic() < until:
                if association.is_ready(_TICK_SECONDS):
                    command = association.receive()
                    if command is None:
                        return
                    answer(association, command, self.scp.desk)

    def _no_report(self, references: int) -> PacsAwayError:
        local = self.local
        return PacsAwayError(
            f"{self.pacs.name} took the storage commitment request for {references} instance(s) and did not report in "
            f"time: register {local.ae_title} there as {local.host} port {local.port}, where we listen, or set "
            "RESEARCH_PACS_STORAGE_COMMITMENT=no."
        )


def _status_in(association: Association, desk: CommitmentDesk) -> int:
    """The status of the N-ACTION response; a report that comes before it is answered, too."""
    while (command := association.receive()) is not None and command.field != N_ACTION_RSP:
        answer(association, command, desk)
    if command is None or command.status is None:
        raise AssociationLostError("the peer did not answer a storage commitment request")
    return command.status


def _action_information(transaction_uid: str, instances: Sequence[Referenced]) -> Dataset:
    """What a request says (PS3.4 Table J.3-1)."""
    ds = Dataset()
    ds.TransactionUID = transaction_uid
    ds.ReferencedSOPSequence = [_reference(item) for item in instances]
    return ds


def _reference(item: Referenced) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPClassUID = item.sop_class_uid
    ds.ReferencedSOPInstanceUID = item.sop_instance_uid
    return ds


def _parts(instances: Sequence[Referenced]) -> Iterator[Sequence[Referenced]]:
    for start in range(0, len(instances), LARGEST_REQUEST):
        yield instances[start : start + LARGEST_REQUEST]
