"""Listens for storage commitment reports that a PACS sends on an association of its own (PS3.4 J.3.3)."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from dicom_assets.adapters.pacs.association import NETWORK_TIMEOUT_SECONDS, Handlers, LocalNode, set_no_delay
from dicom_assets.adapters.pacs.commitment_desk import INVALID_ARGUMENT_VALUE, CommitmentDesk, Report
from dicom_assets.adapters.pacs.tls import server_context
from dicom_assets.errors import ConfigurationError, PacsAwayError

MAX_ASSOCIATIONS = 16


class CommitmentScp:
    """Listens on `LOCAL_HOST`:`LOCAL_PORT` while at least one study waits for a report.

    Who calls is not asked: a report counts only under a Transaction UID that we made up at random.
    """

    def __init__(self, local: LocalNode) -> None:
        self._local = local
        self.desk = CommitmentDesk()
        self._mutex = threading.Lock()
        self._waiting = 0
        self._server: ThreadedAssociationServer | None = None

    @contextmanager
    def waiting_for(self, transaction_uid: str) -> Iterator[Report]:
        """Take the report on a transaction for as long as the block lasts.

        Raises:
            PacsAwayError: another program has the port for now.
            ConfigurationError: the address is not ours.
        """
        with self._mutex:
            if self._server is None:
                self._server = self._listening()
            self._waiting += 1
        try:
            with self.desk.waiting_for(transaction_uid) as report:
                yield report
        finally:
            with self._mutex:
                self._waiting -= 1
                if not self._waiting:
                    self._server.shutdown()
                    self._server = None

    def _listening(self) -> ThreadedAssociationServer:
        local = self._local
        ae = AE(ae_title=local.ae_title)
        ae.require_called_aet = True
        ae.maximum_associations = MAX_ASSOCIATIONS
        ae.network_timeout = NETWORK_TIMEOUT_SECONDS
        ae.add_supported_context(Verification)
        # The PACS opens the association and is the SCP on it; not every one negotiates that.
        ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        handlers: Handlers = [(evt.EVT_N_EVENT_REPORT, taken_to, [self.desk]), (evt.EVT_CONN_OPEN, set_no_delay)]
        context = None if local.tls is None else server_context(local.tls)
        try:
            server = ae.start_server((local.host, local.port), block=False, ssl_context=context, evt_handlers=handlers)
        except OSError as error:
            raise _can_not_listen(local, error) from None
        if server is None:
            raise TypeError("a server that blocks was not asked for")
        return server


def taken_to(event: evt.Event, desk: CommitmentDesk) -> tuple[int, None]:
    """Answer an N-EVENT-REPORT as pynetdicom wants it."""
    try:
        information = event.event_information
    except Exception:  # noqa: BLE001  whatever its bytes do to pydicom, they are no report
        return INVALID_ARGUMENT_VALUE, None
    return desk.take(information), None


def _can_not_listen(local: LocalNode, error: OSError) -> Exception:
    where = f"on {local.host} port {local.port} for storage commitment reports"
    if error.errno == errno.EADDRINUSE:
        return PacsAwayError(
            f"We can't listen {where}: another program, perhaps another run, has the port. Wait for its end, give "
            "LOCAL_PORT another value (and the PACS's entry for us), or set RESEARCH_PACS_STORAGE_COMMITMENT=no."
        )
    return ConfigurationError(
        f"We can't listen {where}: the address is not this machine's, or the port is not for us to use. "
        "Correct LOCAL_HOST and LOCAL_PORT (and the PACS's entry for us)."
    )
