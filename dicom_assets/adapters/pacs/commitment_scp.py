"""Listens for storage commitment reports that a PACS sends on an association of its own (PS3.4 J.3.3)."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.association import LocalNode
from dicom_assets.adapters.pacs.commitment_desk import COMMITMENT, SYNTAXES, CommitmentDesk, Report, answer
from dicom_assets.adapters.pacs.local_port import VERIFICATION, local_port
from dicom_assets.adapters.pacs.plane.acceptor import Rejection
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.commands import Command
from dicom_assets.adapters.pacs.plane.negotiation import Request
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.errors import ConfigurationError, PacsAwayError

RELEASE_SECONDS = 1.0
_TICK_SECONDS = 0.01
LIMITS = Limits(acse_seconds=10.0, idle_seconds=60.0, max_bytes=1 << 30)


class CommitmentScp:
    """Takes reports at our port while at least one study waits for one; implements `Service`.

    Who calls is not asked: a report counts only under a Transaction UID that we made up at random.
    """

    limits = LIMITS
    max_associations = 16

    def __init__(self, local: LocalNode) -> None:
        self.desk = CommitmentDesk()
        self._local = local
        self._mutex = threading.Lock()
        self._reported: list[Association] = []

    @contextmanager
    def waiting_for(self, transaction_uid: str) -> Iterator[Report]:
        """Take the report on a transaction for as long as the block lasts.

        Raises:
            PacsAwayError: another program has the port for now.
            ConfigurationError: the address is not ours.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(local_port(self._local).serving(self))
            except OSError as error:
                raise _can_not_listen(self._local, error) from None
            stack.callback(self._let_release)
            yield stack.enter_context(self.desk.waiting_for(transaction_uid))

    def _let_release(self) -> None:
        """Give who has reported a moment to release the association, before the port is closed."""
        until = time.monotonic() + RELEASE_SECONDS
        while time.monotonic() < until:
            with self._mutex:
                self._reported = [association for association in self._reported if not association.is_over]
                if not self._reported:
                    return
            time.sleep(_TICK_SECONDS)

    def supported(self) -> Sequence[PresentationContext]:
        """The PACS opens the association and is the SCP on it, though not every one negotiates that."""
        commitment = build_context(COMMITMENT, SYNTAXES)
        commitment.scu_role = commitment.scp_role = True
        return [build_context(VERIFICATION), commitment]

    def is_expected(self, address: str) -> bool:  # noqa: ARG002  a PACS may report from another of its machines
        """From anywhere."""
        return True

    def admits(self, request: Request, address: str) -> Rejection | None:  # noqa: ARG002
        """Anybody."""
        return None

    def answer(self, association: Association, command: Command) -> None:
        """Hand a report to who waits for it."""
        with self._mutex:
            if association not in self._reported:
                self._reported.append(association)
        answer(association, command, self.desk)


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
