"""Where storage commitment reports are matched with who waits for them, on whatever association they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import decode
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.answers import answer_other
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.statuses import (
    INVALID_ARGUMENT_VALUE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    SUCCESS,
)
from dicom_assets.study import Commitment

COMMITMENT = str(StorageCommitmentPushModel)
COMMITMENT_INSTANCE = str(StorageCommitmentPushModelInstance)
SYNTAXES: list[str | UID] = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
LONGEST_REPORT = 1 << 26
"""Bytes of Event Information; that of 5000 references has less than one megabyte."""


class Report:
    """The report on one transaction, once it comes."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._commitment = Commitment(frozenset())

    @property
    def has_arrived(self) -> bool:
        """Whether it came."""
        return self._arrived.is_set()

    def fulfil(self, commitment: Commitment) -> None:
        """Keep the report; a later one on the same transaction changes nothing."""
        if not self._arrived.is_set():
            self._commitment = commitment
            self._arrived.set()

    def wait(self, until: float) -> Commitment | None:
        """The report, or None when there is none at this time (`time.monotonic`)."""
        return self._commitment if self._arrived.wait(max(0.0, until - time.monotonic())) else None


class CommitmentDesk:
    """Knows the transactions that somebody waits for. Any number of threads may use it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: dict[str, Report] = {}

    @contextmanager
    def waiting_for(self, transaction_uid: str) -> Iterator[Report]:
        """Take the report on a transaction for as long as the block lasts."""
        report = Report()
        with self._mutex:
            self._waiting[transaction_uid] = report
        try:
            yield report
        finally:
            with self._mutex:
                del self._waiting[transaction_uid]

    def take(self, information: bytes, transfer_syntax_uid: str) -> int:
        """Hand on the Event Information of an N-EVENT-REPORT (PS3.4 Table J.3-2); returns the status to answer.

        A report that nobody waits for is acknowledged, so that the PACS does not send it for ever.
        """
        try:
            ds = decode(BytesIO(information), transfer_syntax_uid == ImplicitVRLittleEndian, True)
            transaction_uid, commitment = str(ds.TransactionUID), _commitment_in(ds)
        except Exception:  # noqa: BLE001  an edge: whatever its bytes do to pydicom, they are no report
            return INVALID_ARGUMENT_VALUE
        with self._mutex:
            report = self._waiting.get(transaction_uid)
        if report is not None:
            report.fulfil(commitment)
        return SUCCESS


def _commitment_in(information: Dataset) -> Commitment:
    """What a report says; an instance that it also calls failed is not committed."""
    failed = {
        str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason") or PROCESSING_FAILURE)
        for item in information.get("FailedSOPSequence") or ()
    }
    committed = {str(item.ReferencedSOPInstanceUID) for item in information.get("ReferencedSOPSequence") or ()}
    return Commitment(frozenset(committed - failed.keys()), failed)


def answer(association: Association, command: commands.Command, desk: CommitmentDesk) -> None:
    """Answer a request of the PACS: a report goes to the desk.

    Raises:
        AssociationLostError: the association ended.
    """
    if command.field != commands.N_EVENT_REPORT_RQ:
        answer_other(association, command)
        return
    syntax = association.contexts[command.context_id].transfer_syntax_uid
    information = bytearray()
    for piece in association.pieces():
        if len(information) <= LONGEST_REPORT:
            information += piece
    too_long = len(information) > LONGEST_REPORT
    status = RESOURCE_LIMITATION if too_long else desk.take(bytes(information), syntax)
    association.send(command.context_id, commands.n_event_report_rsp(command, status))
