"""Where storage commitment reports are matched with who waits for them, on whatever association they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.dataset import Dataset

from dicom_assets.study import Commitment

SUCCESS = 0x0000
INVALID_ARGUMENT_VALUE = 0x0115
_UNSPECIFIED_FAILURE = 0x0110


class Report:
    """The report on one transaction, once it comes."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._commitment = Commitment(frozenset())

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

    def take(self, information: Dataset) -> int:
        """Hand on the Event Information of an N-EVENT-REPORT (PS3.4 Table J.3-2); returns the status to answer.

        A report that nobody waits for is acknowledged, so that the PACS does not send it for ever.
        """
        try:
            transaction_uid = str(information.TransactionUID)
            commitment = _commitment_in(information)
        except (AttributeError, TypeError, ValueError):
            return INVALID_ARGUMENT_VALUE
        with self._mutex:
            report = self._waiting.get(transaction_uid)
        if report is not None:
            report.fulfil(commitment)
        return SUCCESS


def _commitment_in(information: Dataset) -> Commitment:
    """What a report says; an instance that it also calls failed is not committed."""
    failed = {
        str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason") or _UNSPECIFIED_FAILURE)
        for item in information.get("FailedSOPSequence") or ()
    }
    committed = {str(item.ReferencedSOPInstanceUID) for item in information.get("ReferencedSOPSequence") or ()}
    return Commitment(frozenset(committed - failed.keys()), failed)
