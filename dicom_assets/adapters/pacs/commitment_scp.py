"""Listens for storage commitment reports that a PACS sends on an association of its own (PS3.4 J.3.3)."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.association import LocalNode
from dicom_assets.adapters.pacs.commitment_desk import COMMITMENT, SYNTAXES, CommitmentDesk, Report, answer
from dicom_assets.adapters.pacs.plane.acceptor import (
    CALLED_AE_TITLE_UNKNOWN,
    TOO_MANY_ASSOCIATIONS,
    Rejection,
    accepted,
)
from dicom_assets.adapters.pacs.plane.faults import AssociationLostError, AssociationRejectedError
from dicom_assets.adapters.pacs.plane.listener import Listener
from dicom_assets.adapters.pacs.plane.negotiation import Request
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.tls import server_context
from dicom_assets.errors import ConfigurationError, PacsAwayError

VERIFICATION = "1.2.840.10008.1.1"
MAX_ASSOCIATIONS = 16
MAX_REJECTIONS_AT_ONCE = 16
LIMITS = Limits(acse_seconds=10.0, idle_seconds=60.0, max_bytes=1 << 30)


class CommitmentScp:
    """Listens on `LOCAL_HOST`:`LOCAL_PORT` while at least one study waits for a report.

    Who calls is not asked: a report counts only under a Transaction UID that we made up at random.
    """

    def __init__(self, local: LocalNode, limits: Limits = LIMITS) -> None:
        self.desk = CommitmentDesk()
        self._local = local
        self._limits = limits
        self._mutex = threading.Lock()
        self._waiting = 0
        self._listener: Listener | None = None
        self._tls: ssl.SSLContext | None = None

    @contextmanager
    def waiting_for(self, transaction_uid: str) -> Iterator[Report]:
        """Take the report on a transaction for as long as the block lasts.

        Raises:
            PacsAwayError: another program has the port for now.
            ConfigurationError: the address is not ours.
        """
        with self._mutex:
            if self._listener is None:
                self._listener = self._listening()
            self._waiting += 1
        try:
            with self.desk.waiting_for(transaction_uid) as report:
                yield report
        finally:
            with self._mutex:
                self._waiting -= 1
                if not self._waiting:
                    self._listener.stop()
                    self._listener = None

    def _listening(self) -> Listener:
        local = self._local
        self._tls = None if local.tls is None else server_context(local.tls)
        try:
            return Listener(
                (local.host, local.port),
                self._serve,
                lambda _address: True,
                room=MAX_ASSOCIATIONS,
                anteroom=MAX_REJECTIONS_AT_ONCE,
            )
        except OSError as error:
            raise _can_not_listen(local, error) from None

    def _serve(self, connection: socket.socket, _address: str, is_crowded: bool) -> None:
        def judge(request: Request) -> Rejection | None:
            if request.called_ae_title != self._local.ae_title:
                return CALLED_AE_TITLE_UNKNOWN
            return TOO_MANY_ASSOCIATIONS if is_crowded else None

        try:
            if self._tls is not None:
                connection.settimeout(self._limits.connect_seconds)
                connection = self._tls.wrap_socket(connection.dup(), server_side=True)
            association = accepted(connection, supported(), judge, self._limits)
            while (command := association.receive()) is not None:
                answer(association, command, self.desk)
        except (AssociationLostError, AssociationRejectedError, OSError):
            return  # a report that did not arrive is missed by those who wait for it
        except Exception as error:  # noqa: BLE001  an edge: the thread's traceback would show values
            raise RuntimeError(f"unexpected {type(error).__name__} among storage commitment reports") from None
        finally:
            connection.close()


def supported() -> list[PresentationContext]:
    """What we take: the PACS opens the association and is the SCP on it, though not every one negotiates that."""
    commitment = build_context(COMMITMENT, SYNTAXES)
    commitment.scu_role = commitment.scp_role = True
    return [build_context(VERIFICATION), commitment]


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
