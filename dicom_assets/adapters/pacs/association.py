"""Associations that open, or say in words an operator can act on why they did not."""

from __future__ import annotations

import logging
import socket
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.handshake import trouble_with
from dicom_assets.adapters.pacs.slots import slot_at
from dicom_assets.adapters.pacs.tls import TlsFiles, client_context
from dicom_assets.errors import NothingAcceptedError, PacsAwayError, PacsError

CONNECTION_TIMEOUT_SECONDS = 10
ACSE_TIMEOUT_SECONDS = 30
DIMSE_TIMEOUT_SECONDS = 300
NETWORK_TIMEOUT_SECONDS = 120
PARKING_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long we wait for a PACS, in seconds; `whole` is the longest that an association may last, None for ever."""

    connection: float = CONNECTION_TIMEOUT_SECONDS
    acse: float = ACSE_TIMEOUT_SECONDS
    dimse: float = DIMSE_TIMEOUT_SECONDS
    network: float = NETWORK_TIMEOUT_SECONDS
    whole: float | None = None

    @classmethod
    def of(cls, silence_seconds: float) -> Timeouts:
        """Those of a PACS that may be silent for so long, none longer than the usual ones but for that."""
        return cls(
            connection=min(CONNECTION_TIMEOUT_SECONDS, silence_seconds),
            acse=min(ACSE_TIMEOUT_SECONDS, silence_seconds),
            dimse=silence_seconds,
            network=min(NETWORK_TIMEOUT_SECONDS, silence_seconds),
        )


# A-ASSOCIATE-RJ diagnostics of source "service user" (PS3.8 Table 9-21).
_SERVICE_USER = 1
_CALLING_AE_TITLE_UNKNOWN = 3
_CALLED_AE_TITLE_UNKNOWN = 7

Handlers = list[evt.EventHandlerType]


@dataclass(frozen=True, slots=True)
class PacsNode:
    """Where a PACS listens, and the settings' prefix that says so (`STAGING_PACS`, `RESEARCH_PACS`).

    `tls` is None for plain DICOM; `max_associations` is how many we may have there at once.
    """

    ae_title: str
    host: str
    port: int
    setting: str
    tls: TlsFiles | None = None
    max_associations: int = 2
    timeouts: Timeouts = Timeouts()

    @property
    def name(self) -> str:
        """AE title, host and port."""
        return f"{self.ae_title}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class LocalNode:
    """Who we are to the PACSs; `tls` is None where our Storage SCP speaks plain DICOM."""

    ae_title: str
    host: str
    port: int
    tls: TlsFiles | None = None


def silence_dicom_libraries() -> None:
    """Keep pynetdicom, pydicom and httpx quiet: log lines hold data sets and URLs, warnings quote odd values."""
    warnings.filterwarnings("ignore", module=r"(pydicom|pynetdicom)(\.|$)")
    for name in ("pynetdicom", "pydicom", "httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)


def set_no_delay(event: evt.Event) -> None:
    """Send each PDU at once: with Nagle's algorithm on, every response waits for a delayed ACK."""
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _Requestor(AE):
    """An AE that closes its sockets even where the peer was faster; pynetdicom leaves them to the garbage collector."""

    def _create_socket(self, *args: Any, **options: Any) -> Any:
        transport: Any = super()._create_socket(*args, **options)
        transport._shutdown_socket = lambda: close_even_if_reset(transport.socket)
        return transport


def close_even_if_reset(connection: socket.socket | None) -> None:
    """Shut down and close; pynetdicom leaves a socket open that the peer was faster to reset."""
    if connection is None:
        return
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


class _Checkpoint(threading.Event):
    """Where an association's reactor thread parks, and stays until it is let go.

    pynetdicom parks its reactor anew for every operation, and takes for parked what is about to run on:
    now and then, between two operations in a row, the reactor swallows the response to the second one,
    which then waits for its time-out. A requestor needs no reactor between its operations.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parked = threading.Event()
        self._free = False

    def wait(self, timeout: float | None = None) -> bool:
        self._parked.set()
        return super().wait(timeout)

    def set(self) -> None:
        if self._free:
            super().set()

    def let_go(self) -> None:
        """Let the reactor run on, to its end."""
        self._free = True
        super().set()

    def wait_until_parked(self, reactor: threading.Thread) -> None:
        """Wait until the reactor is here, or has ended."""
        while not self._parked.wait(PARKING_POLL_SECONDS) and reactor.is_alive():
            pass


@contextmanager
def associate(
    local: LocalNode,
    pacs: PacsNode,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[Any] = (),
    handlers: Handlers | None = None,
) -> Iterator[Association]:
    """An established association, within the number that the PACS allows, released at the end.

    Raises:
        PacsError: the PACS is away, or refuses; the message names the settings to look at.
    """
    with slot_at(pacs), _associated(local, pacs, contexts, roles=roles, handlers=handlers) as assoc:
        yield assoc


@contextmanager
def _associated(
    local: LocalNode,
    pacs: PacsNode,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[Any] = (),
    handlers: Handlers | None = None,
) -> Iterator[Association]:
    assoc = _requested(local, pacs, contexts, roles, handlers)
    if not assoc.is_established:
        raise _why_not(assoc, local, pacs)
    checkpoint = _Checkpoint()
    assoc._reactor_checkpoint = checkpoint
    checkpoint.wait_until_parked(assoc)
    try:
        with _cut_after(pacs.timeouts.whole, assoc):
            yield assoc
    except BaseException:
        assoc.abort()
        raise
    else:
        assoc.release()
    finally:
        checkpoint.let_go()


def _requested(
    local: LocalNode,
    pacs: PacsNode,
    contexts: Sequence[PresentationContext],
    roles: Sequence[Any],
    handlers: Handlers | None,
) -> Association:
    ae = _Requestor(ae_title=local.ae_title)
    ae.connection_timeout = pacs.timeouts.connection
    ae.acse_timeout = pacs.timeouts.acse
    ae.dimse_timeout = pacs.timeouts.dimse
    ae.network_timeout = pacs.timeouts.network
    try:
        return ae.associate(
            pacs.host,
            pacs.port,
            contexts=list(contexts),
            ae_title=pacs.ae_title,
            max_pdu=0,
            ext_neg=list(roles),
            tls_args=None if pacs.tls is None else (client_context(pacs.tls), pacs.host),
            evt_handlers=[(evt.EVT_CONN_OPEN, set_no_delay), *(handlers or [])],
        )
    except socket.gaierror:
        raise PacsAwayError(
            f"The host name {pacs.host} has no address here: correct {pacs.setting}_HOST, or see to this machine's DNS."
        ) from None


@contextmanager
def _cut_after(seconds: float | None, assoc: Association) -> Iterator[None]:
    """Close the connection when an association lasts longer, however lively the PACS is."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, _cut, [assoc])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(assoc: Association) -> None:
    """Let pynetdicom's own thread find the connection closed."""
    transport = assoc.dul.socket
    if transport is not None and transport.socket is not None:
        with suppress(OSError):
            transport.socket.shutdown(socket.SHUT_RDWR)


def _why_not(assoc: Association, local: LocalNode, pacs: PacsNode) -> PacsError:
    if assoc.is_rejected:
        return _why_rejected(assoc, local, pacs)
    if assoc.acceptor.primitive is not None:
        return NothingAcceptedError(
            f"{pacs.name} accepts none of the services asked for: check {pacs.setting}_* and the PACS's own log."
        )
    return why_nothing_answers(pacs)


def _why_rejected(assoc: Association, local: LocalNode, pacs: PacsNode) -> PacsError:
    primitive = assoc.acceptor.primitive
    source, diagnostic = (0, 0) if primitive is None else (primitive.result_source, primitive.diagnostic)
    return why_rejected(source or 0, diagnostic or 0, local, pacs)


def why_nothing_answers(pacs: PacsNode, how: str = "") -> PacsError:
    """What to do when there is no connection, or one that ends before the PACS says anything; `how` it ended."""
    trouble = trouble_with(pacs.host, pacs.port, pacs.tls, pacs.setting, pacs.timeouts.connection)
    if trouble is None:
        return PacsAwayError(f"{pacs.name} closed the connection{how}: check {pacs.setting}_* and the PACS's own log.")
    return (PacsAwayError if trouble.may_pass else PacsError)(trouble.message)


def why_rejected(source: int, diagnostic: int, local: LocalNode, pacs: PacsNode) -> PacsError:
    """What to do about an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""
    if source != _SERVICE_USER:
        diagnostic = 0
    if diagnostic == _CALLED_AE_TITLE_UNKNOWN:
        return PacsError(f"{pacs.name} does not answer to this AE title: correct {pacs.setting}_AE_TITLE.")
    if diagnostic == _CALLING_AE_TITLE_UNKNOWN:
        return PacsError(
            f"{pacs.name} does not know our AE title {local.ae_title}: register it there, or correct LOCAL_AE_TITLE."
        )
    return PacsAwayError(f"{pacs.name} rejected the association for now: try again later, or ask who runs it.")


def status_of(response: Any) -> int | None:
    """A response's status, or None when the association ended before one came."""
    return int(response.Status) if response is not None and "Status" in response else None
