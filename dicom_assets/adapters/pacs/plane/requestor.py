"""Opening associations as their requestor."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.plane.association import (
    ABORT,
    ABORTED_BY_PROVIDER,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    Association,
)
from dicom_assets.adapters.pacs.plane.faults import (
    AssociationLostError,
    NoConnectionError,
    PeerAbortedError,
    ProtocolViolationError,
)
from dicom_assets.adapters.pacs.plane.negotiation import (
    Agreement,
    agreement_as_requestor,
    numbered,
    read_rejection,
    request_pdu,
)
from dicom_assets.adapters.pacs.plane.wire import Limits, Wire

DEFAULT_LIMITS = Limits()


@contextmanager
def requested(
    address: tuple[str, int],
    calling_ae_title: str,
    called_ae_title: str,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    tls: ssl.SSLContext | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Association]:
    """An established association for as long as the block lasts: released at its end, aborted if it raises.

    `contexts` are numbered here. Which of them were accepted, in which roles, is in `Association.contexts`; maybe none.
    A release that the peer does not answer is no error: everything was answered before.

    Raises:
        NoConnectionError: no TCP connection, or no TLS on it.
        AssociationRejectedError: the peer said no.
        AssociationLostError: the peer aborted, was silent, or answered with something else.
    """
    wire = Wire(connected(address, tls, limits), limits)
    try:
        proposed = numbered(contexts)
        wire.write([request_pdu(calling_ae_title, called_ae_title, proposed, roles, limits.max_pdu)])
        agreement = _answer(wire, proposed, roles, limits)
    except ProtocolViolationError as error:
        Association(wire, Agreement({}, 0), limits, is_requestor=True).abort(ABORTED_BY_PROVIDER, error.reason)
        raise
    except BaseException:
        wire.close()
        raise
    association = Association(wire, agreement, limits, is_requestor=True)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if not association.is_over:
        with suppress(AssociationLostError):
            association.release()


def _answer(
    wire: Wire,
    contexts: Sequence[PresentationContext],
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation],
    limits: Limits,
) -> Agreement:
    kind, body = wire.read(limits.acse_seconds)
    if kind == ASSOCIATE_AC:
        return agreement_as_requestor(body, contexts, roles)
    if kind == ASSOCIATE_RJ:
        raise read_rejection(body)
    if kind == ABORT and len(body) == 4:
        raise PeerAbortedError(body[2], body[3])
    raise ProtocolViolationError(f"a PDU of type 0x{kind:02X} in answer to an association request", 2)


def connected(address: tuple[str, int], tls: ssl.SSLContext | None, limits: Limits) -> socket.socket:
    """A connected socket, with TLS on it if a context is given; the certificate is checked against the host's name.

    Raises:
        NoConnectionError: there is none.
    """
    try:
        plain = socket.create_connection(address, limits.connect_seconds)
    except OSError as error:
        raise NoConnectionError(f"no connection ({type(error).__name__})") from None
    if tls is None:
        return plain
    try:
        return tls.wrap_socket(plain, server_hostname=address[0])
    except (OSError, ValueError) as error:
        plain.close()
        raise NoConnectionError(f"no TLS on the connection ({type(error).__name__})") from None
