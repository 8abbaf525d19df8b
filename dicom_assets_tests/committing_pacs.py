"""A PACS that is asked for storage commitment, and reports as a test wants it to."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from dicom_assets.demo.pacs_contexts import SUPPORTED, UNCOMPRESSED
from dicom_assets_tests.pynetdicom_server import served
from dicom_assets_tests.scripted_pacs import WAIT_SECONDS, ScriptedPacs
from dicom_assets_tests.waiting import wait_until

ALL_COMMITTED, SOME_FAILED = 1, 2


class CommittingPacs:
    """Answers N-ACTION with `status`; then `report` is called with the request on a thread of its own.

    Attributes:
        requests: The Action Information of each request.
        answers: The status that was answered to each report, None where there was none.
        problems: What went wrong on the threads.
    """

    def __init__(self, ae_title: str) -> None:
        self.ae_title = ae_title
        self.port = 0
        self.status = 0x0000
        self.report: Callable[[Request], None] = lambda _request: None
        self.requests: list[Dataset] = []
        self.answers: list[int | None] = []
        self.problems: list[BaseException] = []
        self.threads: list[threading.Thread] = []

    def on_action(self, event: evt.Event) -> tuple[int, None]:
        request = Request(self, event.assoc, event.action_information)
        self.requests.append(request.information)
        if self.status == 0x0000:
            thread = threading.Thread(target=self._report, args=(request,), daemon=True)
            self.threads.append(thread)
            thread.start()
        return self.status, None

    def join(self) -> None:
        """Return when all reports are made."""
        for thread in self.threads:
            thread.join(WAIT_SECONDS)

    def _report(self, request: Request) -> None:
        try:
            self.report(request)
        except BaseException as error:  # noqa: BLE001  told when the PACS stops, on the test's own thread
            self.problems.append(error)


class Request:
    """A request, and the ways to report on it."""

    def __init__(self, pacs: CommittingPacs, assoc: Association, information: Dataset) -> None:
        self._pacs = pacs
        self._assoc = assoc
        self.information = information

    def outcome(self, *, failing: int = 0, reason: int = 0x0112, transaction_uid: str = "") -> Dataset:
        """The report: all are committed but the first `failing`."""
        references = list(self.information.ReferencedSOPSequence)
        ds = Dataset()
        ds.TransactionUID = transaction_uid or self.information.TransactionUID
        ds.ReferencedSOPSequence = references[failing:]
        if failing:
            ds.FailedSOPSequence = [_failed(reference, reason) for reference in references[:failing]]
        return ds

    def report_here(self, outcome: Dataset) -> None:
        """Report on the association of the request."""
        self._tell(self._assoc, outcome)

    def report_to(self, port: int, outcome: Dataset, *, ae_title: str = "DICOM_ASSETS", **options: object) -> bool:
        """Report on an association of our own; returns whether it could be released."""
        assoc = AE(self._pacs.ae_title).associate(
            "127.0.0.1",
            port,
            contexts=[build_context(StorageCommitmentPushModel)],
            ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
            ae_title=ae_title,
            **options,
        )
        assert assoc.is_established, "the report was not let in"
        self._tell(assoc, outcome)
        assoc.release()
        return bool(assoc.is_released)

    def wait_for_release(self) -> None:
        """Return when the association of the request is over."""
        wait_until(lambda: not self._assoc.is_established, "the end of the association")

    def _tell(self, assoc: Association, outcome: Dataset) -> None:
        kind = SOME_FAILED if "FailedSOPSequence" in outcome else ALL_COMMITTED
        model, instance = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        response, _ = assoc.send_n_event_report(outcome, kind, model, instance)
        self._pacs.answers.append(response.get("Status"))


def _failed(reference: Dataset, reason: int) -> Dataset:
    ds = Dataset()
    ds.update(reference)
    ds.FailureReason = reason
    return ds


@contextmanager
def committing_pacs(ae_title: str = "RESEARCH", context: ssl.SSLContext | None = None) -> Iterator[CommittingPacs]:
    """A running one; what went wrong on its threads is raised at the end."""
    pacs = CommittingPacs(ae_title)
    ae = AE(ae_title)
    ae.add_supported_context(StorageCommitmentPushModel)
    with served(ae, [(evt.EVT_N_ACTION, pacs.on_action)], context) as pacs.port:
        yield pacs
        pacs.join()
    assert pacs.problems == []


@contextmanager
def committing(scripted: ScriptedPacs) -> Iterator[CommittingPacs]:
    """A running scripted PACS offers storage commitment, too, until the block ends."""
    pacs = CommittingPacs(scripted.ae_title)
    pacs.port = scripted.port
    SUPPORTED[StorageCommitmentPushModel] = frozenset(UNCOMPRESSED)
    scripted.handle(evt.EVT_N_ACTION, pacs.on_action)
    try:
        yield pacs
        pacs.join()
    finally:
        del SUPPORTED[StorageCommitmentPushModel]
    assert pacs.problems == []


def new_transaction_uid() -> str:
    """One that nobody waits for."""
    return str(generate_uid(prefix=None))
